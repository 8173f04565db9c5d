"""The code location as a whole: what the UI says of every asset."""

from pathlib import Path

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.definitions.metadata.source_code import CodeReferencesMetadataSet, LocalFileCodeReference
from dagster.components.core.load_defs import PLUGIN_COMPONENT_TYPES_JSON_METADATA_KEY

from laion_assets.definitions import _defs_of_run, defs
from laion_assets.registration import datasets


def test_every_asset_says_whose_it_is_what_it_is_and_where_it_belongs() -> None:
    nodes = list(defs().resolve_asset_graph().asset_nodes)
    assert len(nodes) > 20
    for node in nodes:
        assert list(node.owners) == ["team:laion-assets"], node.key
        assert node.kinds, node.key
        assert node.group_name not in {None, "default"}, node.key
        assert node.description, node.key


def test_every_asset_leads_to_where_it_is_written() -> None:
    for node in defs().resolve_asset_graph().asset_nodes:
        references = CodeReferencesMetadataSet.extract(node.metadata).code_references
        assert references is not None, node.key
        [written] = references.code_references
        assert isinstance(written, LocalFileCodeReference)
        where = "comparison/assets.py" if node.key.path == ["dataset_comparison"] else "laion_hr/defs.yaml"
        assert written.file_path.endswith(where)
        assert Path(written.file_path).exists()


def test_assets_are_found_by_their_dataset_layer_subset_partitions_and_pool() -> None:
    def tags(*path: str) -> dict[str, str]:
        found = {name: value for name, value in graph.get(dg.AssetKey(path)).tags.items() if "kind" not in name}
        assert {name.partition("/")[0] for name in found} == {"laion_assets"}
        return {name.partition("/")[2]: value for name, value in found.items()}

    graph = defs().resolve_asset_graph()
    assert tags("laion_hr", "raw_metadata") == {
        "dataset": "laion_hr", "layer": "sources", "partitioned_by": "part", "pool": "metadata"
    }  # fmt: skip
    assert tags("laion_hr", "vlm_1024", "shards") == {
        "dataset": "laion_hr", "layer": "shards", "subset": "vlm_1024", "partitioned_by": "part", "pool": "web"
    }  # fmt: skip
    assert tags("laion_hr", "link_health") == {
        "dataset": "laion_hr", "layer": "probes", "partitioned_by": "week", "pool": "web"
    }  # fmt: skip
    web = {node.key.path[-1] for node in graph.asset_nodes if tags(*node.key.path).get("pool") == "web"}
    assert web == {"dimension_probes", "link_health", "shards"}, "what asks hosts of strangers takes turns"
    assert tags("dataset_comparison") == {"layer": "comparison", "partitioned_by": "nothing"}
    layers = {tags(*node.key.path)["layer"] for node in graph.asset_nodes}
    assert layers == {"sources", "metadata", "probes", "statistics", "subsets", "shards", "comparison"}


def test_a_run_makes_them_once_and_a_code_server_describes_component_types_too() -> None:
    def described(found: dg.Definitions) -> bool:
        return PLUGIN_COMPONENT_TYPES_JSON_METADATA_KEY in (found.metadata or {})

    _defs_of_run.cache_clear()
    with DefinitionsLoadContext.scoped(DefinitionsLoadContext(load_type=DefinitionsLoadType.RECONSTRUCTION)):
        of_run = defs()
        assert defs() is of_run
    _defs_of_run.cache_clear()  # another test may point this process elsewhere
    assert not described(of_run)
    with DefinitionsLoadContext.scoped(DefinitionsLoadContext(load_type=DefinitionsLoadType.INITIALIZATION)):
        assert described(defs())
    assert defs() is not of_run
    assert [one.name for one in datasets(of_run)] == [one.name for one in datasets(defs())] != []


def test_downloads_that_wait_in_the_queue_let_every_other_job_pass() -> None:
    priority = {job.name: int(job.tags.get("dagster/priority", "0")) for job in defs().resolve_all_job_defs()}
    downloads = {f"laion_hr_{subset}_shards" for subset in ("vlm_1024", "high_res_2048", "top_20m")}
    assert {name for name, its in priority.items() if its < 0} == downloads
    assert {its for name, its in priority.items() if name not in downloads} == {0}
