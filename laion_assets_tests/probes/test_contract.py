"""Great Expectations finds what a probe row must never be."""

from datetime import datetime, timezone
from typing import Any

import polars as pl

from laion_assets.probes.contract import ContractLine, check_contract
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


def test_a_size_without_success_and_success_without_a_size_are_found() -> None:
    found = broken(
        OK, {**OK, "row": 7, "outcome": "not_found", "error": "404"}, {**OK, "row": 8, "true_width": None}, GONE
    )
    assert {name: line.unexpected for name, line in found.items()} == {"size_fits_outcome: be in set": 2}


def test_a_failure_without_a_reason_and_a_row_twice_are_found() -> None:
    assert broken(OK, {**GONE, "error": None})["failure_has_reason: be in set"].unexpected == 1
    assert broken(OK, OK)["row_name: be unique"].unexpected == 2
