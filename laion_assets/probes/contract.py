"""What every probe must satisfy, as a Great Expectations suite over the rows.

A broken promise here is a fault of this program, never of the web. Tolerances are zero: an outcome without a size may
not have one, and one with a size must.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from laion_assets.probes.header import FORMATS
from laion_assets.web.outcome import Outcome

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation


@dataclass(frozen=True)
class ContractLine:
    """One expectation and how the rows met it."""

    expectation: str
    rows: int
    unexpected: int
    examples: str

    @property
    def is_met(self) -> bool:
        """No row broke it."""
        return self.unexpected == 0


def check_contract(probes: pl.DataFrame) -> list[ContractLine]:
    """Hold the rows of ``dimension_probes`` against the contract, one line per expectation."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    rows = _as_pandas(probes)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("probes")
        .add_dataframe_asset("dimension_probes")
        .add_batch_definition_whole_dataframe("all")
        .get_batch(batch_parameters={"dataframe": rows})
    )
    suite = gx.ExpectationSuite(name="dimension_probes", expectations=_expectations())
    outcome = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 3})
    return [_line(result.to_json_dict(), rows=len(rows)) for result in outcome.results]


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
        has_size=pl.col("true_width").is_not_null() & pl.col("true_height").is_not_null(),
        size_fits_outcome=(pl.col("outcome") == Outcome.OK.value)
        == (pl.col("true_width").is_not_null() & pl.col("true_height").is_not_null()),
        failure_has_reason=(pl.col("outcome") == Outcome.OK.value) | pl.col("error").is_not_null(),
    )
    return derived.to_pandas()


def _expectations() -> "list[Expectation]":
    from great_expectations.expectations.core.expect_column_values_to_be_between import (
        ExpectColumnValuesToBeBetween as Between,
    )
    from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
        ExpectColumnValuesToBeInSet as InSet,
    )
    from great_expectations.expectations.core.expect_column_values_to_be_unique import (
        ExpectColumnValuesToBeUnique as Unique,
    )
    from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
        ExpectColumnValuesToNotBeNull as NotNull,
    )

    known = ("url", "outcome", "bytes_read", "requests", "seconds", "probed_at")
    return [
        Unique(column="row_name"),
        *(NotNull(column=column) for column in known),
        InSet(column="outcome", value_set=[outcome.value for outcome in Outcome]),
        InSet(column="size_fits_outcome", value_set=[True]),
        InSet(column="failure_has_reason", value_set=[True]),
        InSet(column="format", value_set=sorted(FORMATS)),
        Between(column="true_width", min_value=1),
        Between(column="true_height", min_value=1),
        Between(column="exif_orientation", min_value=1, max_value=8),
        Between(column="http_status", min_value=100, max_value=999),
        Between(column="file_bytes", min_value=0),
        Between(column="bytes_read", min_value=0),
        Between(column="requests", min_value=0),
        Between(column="seconds", min_value=0),
    ]


def _line(result: dict[str, Any], *, rows: int) -> ContractLine:
    config = result["expectation_config"]
    told = config["kwargs"]
    column = told["column"]
    bounds = ", ".join(f"{key} {told[key]}" for key in ("min_value", "max_value") if told.get(key) is not None)
    name = config["type"].removeprefix("expect_column_values_to_").replace("_", " ")
    found = result.get("result") or {}
    unexpected = found.get("unexpected_count")
    if unexpected is None:
        unexpected = 0 if result["success"] else rows
    examples = ", ".join(str(value)[:80] for value in found.get("partial_unexpected_list") or [])
    return ContractLine(f"{column}: {name}{f' ({bounds})' if bounds else ''}", rows, int(unexpected), examples)
