"""What becomes of a download whose shards the lake does not take."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets.shards.job import DownloadError, Job
from laion_assets.shards.part import download_part
from laion_assets.shards.session import run
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.forecast import HostLimits
from laion_assets.subsets.plan import make_plan
from laion_assets.subsets.rows import write_rows
from laion_assets.subsets.selection import select
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests.subsets.conftest import probes_of, valid_rows

PART = "part-00000"


@pytest.mark.parametrize(("retryable", "raised"), [(True, LakeError), (False, DownloadError)])
def test_shards_that_a_lake_does_not_take_for_the_moment_are_worth_another_attempt_of_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, retryable: bool, raised: type[RuntimeError]
) -> None:
    lake, subset, spec = Lake(str(tmp_path / "lake")), SubsetSpec(name="s"), ShardsSpec(rows_per_shard=2)
    rows = valid_rows(2)
    lake.write_parquet(lake.uri(["d", "dimension_probes"], "dimension_probes.parquet"), probes_of(rows))
    write_rows(lake, "d", "s", PART, select(rows.lazy(), subset, part=PART))
    make_plan(lake, "d", subset, keeping=spec.keeping(1024), limits=HostLimits(None, 1), expected_parts=1)

    def refuse(_: Lake, uris: Sequence[str]) -> NoReturn:
        raise LakeError(f"{uris[0]}: S3 did not do it (SlowDown).", retryable=retryable)

    def carry_out(jobs: Sequence[str]) -> None:
        monkeypatch.setattr(Lake, "publish_many", refuse)
        for job in jobs:
            run(Job.from_json(job), print)

    with pytest.raises(raised, match=r"S3 did not do it \(SlowDown\)\. Run again") as caught:
        download_part(
            lake, "d", subset, PART,
            spec=spec, web=WebSpec(), minimum_side_px=1024, carry_out=carry_out, say=print,
        )  # fmt: skip
    assert getattr(caught.value, "retryable", False) is retryable
