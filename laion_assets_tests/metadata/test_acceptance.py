"""A part whose contract failed is kept from the assets over all parts, until it is mended."""

from pathlib import Path

import dagster as dg
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.metadata.acceptance import accepted_parts, record_verdict, rejected_parts
from laion_assets.probes.assets import probe_assets
from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets_tests.metadata.conftest import rows
from laion_assets_tests.metadata.on_dagster import PARTS, Platform

GOOD, BAD = "part-00000", "part-00001"


def frame(name: str, *, broken: bool = False) -> pl.DataFrame:
    whole = [{"URL": f"http://{name}.example/{number}.jpg"} for number in range(400)]
    return rows(*whole, *({"HEIGHT": None} for _ in range(100 if broken else 0)))


def parts_said(platform: Platform, folder: Path) -> dict[str, int]:
    """How many parts each asset over all parts says it read."""
    lake = {"lake": platform.defs.resources["lake"]} if platform.defs.resources else {}
    sample, *_ = probe_assets(
        "laion_hr", sample=SampleSpec(size=100), probe=ProbeSpec(), minimum_side_px=1024, parts=PARTS, group="g"
    )
    dg.materialize([sample], resources=lake, instance=platform.instance)
    drawn = pl.read_parquet(folder / "laion_hr/dimension_sample/dimension_sample.parquet")
    duplicates = platform.run(None, "duplicates")
    return {
        "sample": drawn["part"].n_unique(),
        "duplicates": _figure(duplicates, "duplicate_urls", "parts"),
    }


def _figure(run: dg.ExecuteInProcessResult, asset: str, name: str) -> int:
    (made,) = run.asset_materializations_for_node(f"laion_hr__{asset}")
    return int(str(made.metadata[name].value))


def test_a_part_with_a_broken_contract_is_in_no_figure_until_it_is_mended(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        platform = Platform(tmp_path, instance)
        lake = Lake(str(tmp_path))
        platform.publish(GOOD, frame("a"))
        platform.publish(BAD, frame("b", broken=True))
        assert platform.run(GOOD).success
        assert not platform.run(BAD).success
        assert (accepted_parts(lake, "laion_hr"), rejected_parts(lake, "laion_hr")) == ([GOOD], [BAD])
        assert parts_said(platform, tmp_path) == {"sample": 1, "duplicates": 1}

        platform.publish(BAD, frame("b"))
        assert platform.run(BAD).success
        assert (accepted_parts(lake, "laion_hr"), rejected_parts(lake, "laion_hr")) == ([GOOD, BAD], [])
        assert parts_said(platform, tmp_path) == {"sample": 2, "duplicates": 2}


def test_a_part_whose_run_ended_before_its_contract_was_checked_is_in_no_figure(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        platform = Platform(tmp_path, instance)
        lake = Lake(str(tmp_path))
        for part in (GOOD, BAD):
            platform.publish(part, frame(part))
        assert platform.run(GOOD).success
        # As a run is cut off between its two steps.
        job = platform.defs.resolve_job_def("part")
        assert job.execute_in_process(
            instance=instance, partition_key=BAD, op_selection=["laion_hr__validate"]
        ).asset_materializations_for_node("laion_hr__validate")
        assert (accepted_parts(lake, "laion_hr"), rejected_parts(lake, "laion_hr")) == ([GOOD], [BAD])
        assert parts_said(platform, tmp_path) == {"sample": 1, "duplicates": 1}

        assert platform.run(BAD).success
        assert accepted_parts(lake, "laion_hr") == [GOOD, BAD]


def test_a_part_made_in_a_run_without_checks_is_in_the_figures(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        platform = Platform(tmp_path, instance)
        platform.publish(GOOD, frame("a"))
        assert platform.run(GOOD, "tables").success
        assert accepted_parts(Lake(str(tmp_path)), "laion_hr") == [GOOD]


def test_a_verdict_says_why_and_holds_until_the_next(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_bytes(lake.uri(["d", "validated_metadata"], "x.parquet"), b"")
    assert accepted_parts(lake, "d") == ["x"]
    record_verdict(lake, "d", "x", failure="rows_valid is 0")
    assert accepted_parts(lake, "d") == []
    assert lake.read_bytes(lake.uri(["d", "metadata_profile", "contract"], "x.rejected.txt")) == b"rows_valid is 0\n"
    record_verdict(lake, "d", "x", failure=None)
    record_verdict(lake, "d", "x", failure=None)
    assert accepted_parts(lake, "d") == ["x"]
