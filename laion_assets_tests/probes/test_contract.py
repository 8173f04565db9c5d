"""Great Expectations finds what a probe row must never be."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.probes.checks import probe_checks
from laion_assets.probes.contract import ContractLine, check_contract
from laion_assets.probes.sample import SAMPLE_SCHEMA
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets_tests.probes.conftest import Round

OK = {
    "part": "part-00000", "row": 0, "url": "http://host.example/a.jpg", "outcome": "ok", "error": None,
    "http_status": 206, "true_width": 61, "true_height": 47, "format": "jpeg", "exif_orientation": None,
    "file_bytes": 1000, "bytes_read": 500, "requests": 1, "seconds": 0.1, "final_host": "host.example",
    "opted_out": False, "probed_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
}  # fmt: skip
GONE = {**OK, "row": 1, "outcome": "not_found", "error": "404", "true_width": None, "true_height": None, "format": None}


def broken(*rows: dict[str, Any]) -> dict[str, ContractLine]:
    schema = {"part": pl.String(), "row": pl.UInt32(), "url": pl.String(), **PROBE_SCHEMA}
    lines = check_contract(pl.DataFrame(list(rows), schema=schema))
    assert len(lines) == 19
    return {line.expectation: line for line in lines if not line.is_met}


def test_whole_rows_meet_the_contract() -> None:
    assert broken(OK, GONE) == {}
    assert broken() == {}


def test_a_real_round_meets_the_contract(whole_round: Round) -> None:
    assert [line for line in check_contract(whole_round.run.frame) if not line.is_met] == []


def test_rows_that_contradict_themselves_are_found() -> None:
    changes: dict[str, dict[str, Any]] = {
        "outcome: be in set": {"outcome": "no such word", "true_width": None, "true_height": None, "error": "x"},
        "outcome: not be null": {"outcome": None},
        "true_width: be between (min_value 1)": {"true_width": 0},
        "true_height: be between (min_value 1)": {"true_height": -5},
        "format: be in set": {"format": "docx"},
        "exif_orientation: be between (min_value 1, max_value 8)": {"exif_orientation": 9},
        "requests: be between (min_value 0)": {"requests": -1},
        "seconds: be between (min_value 0)": {"seconds": -0.1},
        "file_bytes: be between (min_value 0)": {"file_bytes": -1},
        "http_status: be between (min_value 100, max_value 999)": {"http_status": 7},
        "bytes_read: not be null": {"bytes_read": None},
        "probed_at: not be null": {"probed_at": None},
        "url: not be null": {"url": None},
    }
    rows = [{**OK, "row": 10 + number, **change} for number, change in enumerate(changes.values())]
    found = broken(OK, *rows, GONE)
    assert {name: line.unexpected for name, line in found.items()} == dict.fromkeys(changes, 1)
    assert {line.rows for line in found.values()} == {len(rows) + 2}
    assert {name: line.examples for name, line in found.items()} == {
        name: (1 + number,) for number, name in enumerate(changes)
    }


def test_a_size_without_success_and_success_without_a_size_are_found() -> None:
    found = broken(
        OK, {**OK, "row": 7, "outcome": "not_found", "error": "404"}, {**OK, "row": 8, "true_width": None}, GONE
    )
    assert {name: line.unexpected for name, line in found.items()} == {"size_fits_outcome: be in set": 2}


def test_a_failure_without_a_reason_and_a_row_twice_are_found() -> None:
    assert broken(OK, {**GONE, "error": None})["failure_has_reason: be in set"].unexpected == 1
    assert broken(OK, OK)["row_name: be unique"].unexpected == 2


def checked(
    lake: Lake, frame: pl.DataFrame, name: str, *, edges_px: Sequence[int] = (1024, 2048, 4096)
) -> AssetCheckEvaluation:
    """What a check says of probes."""
    for asset in ("dimension_probes", "dimension_sample"):
        lake.write_parquet(lake.uri(["toy", asset], f"{asset}.parquet"), frame)
    key = dg.AssetCheckKey(dg.AssetKey(["toy", "dimension_probes"]), name)
    result = dg.materialize(
        probe_checks("toy", minimum_side_px=edges_px[0], edges_px=edges_px),
        resources={"lake": LakeResource(base_uri=lake.base_uri)},
        selection=dg.AssetSelection.checks(key),
    )
    [check] = result.get_asset_check_evaluations()
    return check


@pytest.mark.parametrize(("edges_px", "straddlers"), [((512, 1024, 2048), 1), ((512, 2048), 0)])
def test_what_straddles_buckets_is_told_by_the_report_s_own_edges(
    lake: Lake, edges_px: tuple[int, ...], straddlers: int
) -> None:
    row = {**OK, "declared_width": 800, "declared_height": 1200, "true_width": 800, "true_height": 1200}
    frame = pl.DataFrame([row], schema={**SAMPLE_SCHEMA, **PROBE_SCHEMA}).with_columns(weight=pl.lit(1.0))
    kinds = checked(lake, frame, "below_1024_anomaly", edges_px=edges_px).metadata["kinds"].value.records  # type: ignore[union-attr]
    assert {record.data["kind"]: record.data["rows"] for record in kinds}["straddles_buckets"] == straddlers


def test_the_check_shows_a_few_of_the_very_rows_that_broke_an_expectation(lake: Lake) -> None:
    twins = [{**OK, "row": 7, "url": f"http://host.example/<b>\n{n}.jpg"} for n in range(6)]
    rows = [OK, *twins, {**GONE, "error": None}, {**GONE, "row": 2}]
    frame = pl.DataFrame(rows, schema={**SAMPLE_SCHEMA, **PROBE_SCHEMA}).with_columns(weight=pl.lit(1.0))
    check = checked(lake, frame, "probe_contract")
    assert not check.passed
    assert str(check.description).endswith("report it with the rows under examples.")
    shown = [record.data for record in check.metadata["examples"].value.records]  # type: ignore[union-attr]
    assert [(one["expectation"], one["row"], one["outcome"], one["error"]) for one in shown] == [
        *[("row_name: be unique", "7", "ok", "null")] * 5,
        ("failure_has_reason: be in set", "1", "not_found", "null"),
    ]
    assert shown[1]["url"] == r"http://host.example/<b>\n1.jpg"
