"""Datasets side by side: a figure in the table is the figure in that dataset's own report."""

import functools
import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from laion_assets.comparison.assets import dataset_comparison
from laion_assets.comparison.comparison import COMPARISON_SCHEMA, compare_datasets
from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.document import SCHEMA_VERSION, Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.publish import json_of
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.populations import draw, population, probe, profiles


@functools.cache
def statistics(name: str, *, reachable: float, required_px: int = 1024) -> Statistics:
    rows = probe(population(2_000), reachable=reachable)
    evidence = Evidence.of(
        draw(rows, 500),
        declared=Declared.of(profiles(rows)),
        requirement=RequirementSpec(minimum_side_px=required_px),
        minimum_side_px=1024,
    )
    return measure(evidence, dataset=name, title=name.upper())


def compared(lake: Lake, datasets: list[str]) -> dg.AssetMaterialization:
    run = dg.materialize([dataset_comparison(datasets)], resources={"lake": LakeResource(base_uri=lake.base_uri)})
    (made,) = run.asset_materializations_for_node("dataset_comparison")
    return made


def test_each_dataset_is_a_row_by_name_with_the_figures_of_its_report() -> None:
    alive, dead = statistics("web_b", reachable=0.9), statistics("web_a", reachable=0.4)
    frame = compare_datasets([alive, dead])
    assert frame["dataset"].to_list() == ["web_a", "web_b"]
    for document, row in zip((dead, alive), frame.iter_rows(named=True), strict=True):
        assert document.reach is not None
        reach = document.reach.reachable
        assert (row["reachable"], row["reachable_low"], row["reachable_high"]) == (
            reach.estimate,
            reach.low,
            reach.high,
        )
        assert row["title"] == document.title
        assert (row["rows"], row["sample_rows"]) == (2_000, 500)
        short_side = next(one for one in document.sizes if one.name == "short_side").views
        assert short_side.declared_all is not None
        assert short_side.true_sample is not None
        assert row["median_short_side_declared_px"] == short_side.declared_all.percentiles["p50"].estimate
        assert row["median_short_side_true_px"] == short_side.true_sample.percentiles["p50"].estimate
    # What was planted: nine in ten against four in ten.
    assert frame["reachable"].to_list() == pytest.approx([0.4, 0.9], abs=0.07)


def test_each_dataset_is_held_to_its_own_requirement() -> None:
    modest, strict = statistics("a", reachable=0.9), statistics("b", reachable=0.9, required_px=2048)
    frame = compare_datasets([modest, strict])
    assert frame["required_side_px"].to_list() == [1024, 2048]
    met = frame["meets_required_side"].to_list()
    assert met[0] > 0.9
    assert met[1] < 0.3


def test_no_dataset_at_all_is_an_empty_table_with_its_columns() -> None:
    frame = compare_datasets([])
    assert frame.schema == pl.Schema(COMPARISON_SCHEMA)
    assert frame.is_empty()


def test_the_asset_leaves_out_what_has_no_statistics_yet(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_bytes(
        lake.uri(["web_b", "resolution_statistics"], "statistics.json"), json_of(statistics("web_b", reachable=0.9))
    )
    made = compared(lake, ["web_a", "web_b"])
    written = lake.scan_parquet(lake.uri(["dataset_comparison"], "dataset_comparison.parquet")).collect()
    assert written.equals(compare_datasets([statistics("web_b", reachable=0.9)]))
    assert made.metadata["datasets"].value == 1
    assert made.metadata["dagster/row_count"].value == 1


def test_statistics_of_an_older_version_are_left_out_too(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    older = json.loads(json_of(statistics("web_b", reachable=0.9)))
    del older["methods"]
    uri = lake.uri(["web_b", "resolution_statistics"], "statistics.json")
    lake.write_bytes(uri, json.dumps({**older, "schema_version": SCHEMA_VERSION - 1}).encode())
    assert compared(lake, ["web_b"]).metadata["datasets"].value == 0


def test_without_any_statistics_the_asset_says_so(tmp_path: Path) -> None:
    made = compared(Lake(str(tmp_path)), ["web_a"])
    assert made.metadata["comparison"].value == "no dataset has statistics yet"
