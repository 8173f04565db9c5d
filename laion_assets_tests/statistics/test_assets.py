"""The asset of the report in Dagster: the files it writes, the same each time, and what the UI shows of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import dagster as dg
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.statistics import publish
from laion_assets.statistics.assets import statistics_assets
from laion_assets.statistics.document import Statistics
from laion_assets.statistics.figure import PANELS
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.populations import draw, population, probe, profiles

PARTS = dg.DynamicPartitionsDefinition(name="laion_hr_parts")
FILES = [
    "laion_hr_analysis.png",
    "laion_hr_sample_analysis.csv",
    "report.html",
    "report.md",
    "statistics.json",
]


def fill(lake: Lake, *, probed: bool = True) -> None:
    rows = probe(population(4_000))
    for part in profiles(rows).partition_by("part"):
        lake.write_parquet(lake.uri(["laion_hr", "metadata_profile"], f"{part['part'][0]}.parquet"), part)
    sample = draw(rows, 1_000)
    unprobed = sample.drop(list(PROBE_SCHEMA))
    lake.write_parquet(lake.uri(["laion_hr", "dimension_sample"], "dimension_sample.parquet"), unprobed)
    if probed:
        lake.write_parquet(lake.uri(["laion_hr", "dimension_probes"], "dimension_probes.parquet"), sample)


def materialise(folder: Path, *, declared_only: bool = False) -> dg.ExecuteInProcessResult:
    assets = statistics_assets(
        "laion_hr",
        title="LAION-High-Resolution",
        requirement=RequirementSpec(),
        minimum_side_px=1024,
        parts=PARTS,
        group="laion_hr_analysis",
        declared_only=declared_only,
    )
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("laion_hr_parts", [f"part-{i:05d}" for i in range(4)])
        return dg.materialize(assets, resources={"lake": LakeResource(base_uri=str(folder))}, instance=instance)


def materialisation(run: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    return run.asset_materializations_for_node("laion_hr__resolution_statistics")[0]


@pytest.fixture(scope="module", autouse=True)
def two_panels() -> Iterator[None]:
    """Reports with two of the eight panels: drawing all takes longer than the rest, and all are drawn elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "PANELS", {name: PANELS[name] for name in ("classes", "anomaly")})
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lake")
    fill(Lake(str(made)))
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> dg.ExecuteInProcessResult:
    return materialise(folder)


def test_the_asset_writes_every_file_twice_the_same(folder: Path, run: dg.ExecuteInProcessResult) -> None:
    lake = Lake(str(folder))
    key = ["laion_hr", "resolution_statistics"]
    assert lake.list_names(key) == FILES
    before = {name: lake.read_bytes(lake.uri(key, name)) for name in FILES}
    again = materialise(folder)
    assert {name: lake.read_bytes(lake.uri(key, name)) for name in FILES} == before
    versions = [(materialisation(each).tags or {})["dagster/data_version"] for each in (run, again)]
    assert versions[0] == versions[1]


def test_the_ui_gets_a_picture_small_enough_to_keep_and_numbers_that_plot(
    folder: Path, run: dg.ExecuteInProcessResult
) -> None:
    lake = Lake(str(folder))
    metadata = materialisation(run).metadata
    picture = str(metadata["picture"].value)
    assert picture.startswith("![analysis](data:image/png;base64,")
    assert len(picture) < 200_000
    found = Statistics.model_validate_json(
        lake.read_bytes(lake.uri(["laion_hr", "resolution_statistics"], "statistics.json"))
    )
    assert found.reach is not None
    assert found.coverage.parts_expected == 4
    assert metadata["reachable_share"].value == found.reach.reachable.estimate
    assert metadata["dagster/row_count"].value == 1_000
    table = cast("dg.TableMetadataValue", metadata["anomaly"])
    assert [record.data["kind"] for record in table.records] == [kind.kind for kind in found.anomaly.kinds]
    for name in ("requirement", "anomaly", "sizes", "size_classes", "yields"):
        for record in cast("dg.TableMetadataValue", metadata[name]).records:
            with_intervals = any(" to " in str(cell) for column, cell in record.data.items() if column != "what to do")
            assert ("Wilson" in str(record.data["method"]) or "order" in str(record.data["method"])) == with_intervals
    sampled = cast("dg.TableMetadataValue", metadata["sizes"]).records[1].data
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", str(sampled["mean"]))
    assert sampled["method"] == (
        "order statistics of a finite population; normal with Student's t and finite-population correction"
    )
    left = cast("dg.TableMetadataValue", metadata["yields"]).records[0].data
    lengths = found.yields[0].lengths_known
    assert lengths is not None
    assert left["known lengths"] == f"{lengths.count:,} of {lengths.n:,}"
    assert str(left["method"]).endswith("rows times the mean of the known lengths; Wilson times a number of rows")


def test_without_probes_the_declared_half_is_reported(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill(lake, probed=False)
    materialise(tmp_path, declared_only=True)
    uri = lake.uri(["laion_hr", "resolution_statistics"], "statistics.json")
    found = Statistics.model_validate_json(lake.read_bytes(uri))
    assert found.reach is None
    assert found.anomaly.historical.declared_sample is not None
    csv = pl.read_csv(lake.read_bytes(lake.uri(["laion_hr", "resolution_statistics"], "laion_hr_sample_analysis.csv")))
    assert csv.height == 1_000
    assert csv["outcome"].null_count() == 1_000
