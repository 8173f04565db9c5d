"""What every probe must satisfy, as a Great Expectations suite over the rows.

A broken promise here is a fault of this program, never of the web. Tolerances are zero: an outcome without a size may
not have one, and one with a size must.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from laion_assets.metadata.gx_engine import run_suite
from laion_assets.probes.header import FORMATS
from laion_assets.web.outcome import Outcome

_EXAMPLES = 5


@dataclass(frozen=True)
class ContractLine:
    """One expectation and how the rows met it."""

    expectation: str
    rows: int
    unexpected: int
    examples: tuple[int, ...] = ()
    """0-based positions of the first rows that broke it, five at most."""

    @property
    def is_met(self) -> bool:
        """No row broke it."""
        return self.unexpected == 0


def check_contract(probes: pl.DataFrame) -> list[ContractLine]:
    """Hold the rows of ``dimension_probes`` against the contract, one line per expectation.

    Args:
        probes: Has ``part``, ``row``, ``url`` and the columns of ``PROBE_SCHEMA``.
    """
    outcome = run_suite(
        _as_pandas(probes),
        _expectations(),
        suite_name="dimension_probes",
        table_name="dimension_probes",
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": _EXAMPLES},
    )
    return [_line(result.to_json_dict(), rows=probes.height) for result in outcome.results]


def _as_pandas(probes: pl.DataFrame) -> Any:  # noqa: ANN401 - pandas is GX's business, and imported as late
    derived = probes.select(
        "url",
        "outcome",
        "http_status",
        "true_width",
        "true_height",
        "format",
        "exif_orientation",
        "file_bytes",
        "bytes_read",
        "requests",
        "seconds",
        "probed_at",
        row_name=pl.concat_str("part", "row", separator=":"),
        size_fits_outcome=(pl.col("outcome") == Outcome.OK.value)
        == (pl.col("true_width").is_not_null() & pl.col("true_height").is_not_null()),
        failure_has_reason=(pl.col("outcome") == Outcome.OK.value) | pl.col("error").is_not_null(),
    )
    return derived.to_pandas()


def _expectations() -> list[dict[str, Any]]:
    whole = ("url", "outcome", "bytes_read", "requests", "seconds", "probed_at")
    allowed: dict[str, list[Any]] = {
        "outcome": [outcome.value for outcome in Outcome],
        "format": sorted(FORMATS),
        "size_fits_outcome": [True],
        "failure_has_reason": [True],
    }
    between: dict[str, tuple[int, int | None]] = {
        "true_width": (1, None),
        "true_height": (1, None),
        "exif_orientation": (1, 8),
        "http_status": (100, 999),
        "file_bytes": (0, None),
        "bytes_read": (0, None),
        "requests": (0, None),
        "seconds": (0, None),
    }
    return [
        _expectation("be_unique", "row_name"),
        *(_expectation("not_be_null", column) for column in whole),
        *(_expectation("be_in_set", column, value_set=values) for column, values in allowed.items()),
        *(_expectation("be_between", column, min_value=low, max_value=high) for column, (low, high) in between.items()),
    ]


def _expectation(condition: str, column: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - what GX takes
    return {"type": f"expect_column_values_to_{condition}", "kwargs": {"column": column, **arguments}}


def _line(result: dict[str, Any], *, rows: int) -> ContractLine:
    config = result["expectation_config"]
    told = config["kwargs"]
    column = told["column"]
    bounds = ", ".join(f"{key} {told[key]:g}" for key in ("min_value", "max_value") if told.get(key) is not None)
    name = config["type"].removeprefix("expect_column_values_to_").replace("_", " ")
    found = result.get("result") or {}
    unexpected = found.get("unexpected_count")
    if unexpected is None:
        unexpected = 0 if result["success"] else rows
    examples = tuple(found.get("partial_unexpected_index_list") or ())
    return ContractLine(f"{column}: {name}{f' ({bounds})' if bounds else ''}", rows, int(unexpected), examples)
