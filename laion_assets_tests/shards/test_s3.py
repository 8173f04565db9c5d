"""The same download into a bucket: shards grow on this machine's disk and are uploaded whole, the stats file last."""

from pathlib import Path

import pytest

from laion_assets.lake.lake import Lake
from laion_assets.shards.audit import audit
from laion_assets.shards.publish import publish_index
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests.lake.conftest import s3_endpoint, s3_environment, s3_lake
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, SmallWeb, image_bytes, planned_of

__all__ = ["s3_endpoint", "s3_environment", "s3_lake"]


@pytest.mark.parametrize("processes", [1, 2])
def test_shards_in_a_bucket_are_those_in_a_folder(
    s3_lake: Lake, tmp_path: Path, small_web: SmallWeb, local_web: WebSpec, processes: int
) -> None:
    planned = planned_of([small_web.put(f"{index}", image_bytes(1100, 1040, colour=index)) for index in range(6)])
    spec = ShardsSpec(rows_per_shard=3, processes=processes)
    local = Downloads(tmp_path / "local", local_web, spec.model_copy(update={"processes": 1}))
    remote = Downloads(tmp_path / "s3", local_web, spec)
    remote.lake = s3_lake
    for downloads in (local, remote):
        downloads.run(planned)
    names = s3_lake.list_names([*KEY, PART])
    assert names == [f"0000{shard}{kind}" for shard in (0, 1) for kind in (".parquet", ".tar", "_stats.json")]
    for name in names:
        if not name.endswith("json"):
            assert s3_lake.read_bytes(s3_lake.uri([*KEY, PART], name)) == local.path(name).read_bytes()
    books = remote.accounts()
    assert books.balanced, books.findings
    assert audit(s3_lake, KEY, PART, minimum_side_px=1024, decode_share=1.0).decoded == 6
    assert publish_index(s3_lake, "d", SubsetSpec(name="s"), [PART], minimum_side_px=1024)[0].images == 6
    assert remote.run(planned).jobs == ()
