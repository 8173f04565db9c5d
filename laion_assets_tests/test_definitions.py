"""The code location as a whole: what the UI says of every asset."""

from laion_assets.definitions import defs


def test_every_asset_says_whose_it_is_what_it_is_and_where_it_belongs() -> None:
    nodes = list(defs().resolve_asset_graph().asset_nodes)
    assert len(nodes) > 20
    for node in nodes:
        assert list(node.owners) == ["team:laion-assets"], node.key
        assert node.kinds, node.key
        assert node.group_name not in {None, "default"}, node.key
        assert node.description, node.key
