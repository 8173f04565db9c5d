"""The lake as Dagster hands it to assets."""

from pathlib import Path

import dagster as dg

from laion_assets.lake.resource import LakeResource


def test_an_asset_opens_the_lake_it_is_given(tmp_path: Path) -> None:
    @dg.asset
    def greeting(lake: LakeResource) -> None:
        opened = lake.open()
        opened.write_bytes(opened.uri(["greeting"], "greeting.txt"), b"hello")

    assert dg.materialize([greeting], resources={"lake": LakeResource(base_uri=str(tmp_path))}).success
    assert (tmp_path / "greeting" / "greeting.txt").read_bytes() == b"hello"
