"""The contract: what a part's profile must meet, as a Great Expectations suite built from tolerances.

The suite is the one place where figures meet their limits. Expectations are data here; Great Expectations checks them
on the one-row table of figures, and ``contract_docs`` renders its Data Docs page. Rows are never looked at.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from laion_assets.metadata.gx_engine import run_suite
from laion_assets.metadata.rulebook import Rulebook
from laion_assets.metadata.rules import NOT_CASTABLE, NOT_CASTABLE_TOLERANCE
from laion_assets.metadata.spec import ExpectationsSpec

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

SUITE_NAME = "part_profile"

# A part that has half or twice the rows it should is a truncated or a doubled one; parts vary by a few percent.
_ROWS_SPREAD = 0.5


@dataclass(frozen=True)
class Expectation:
    """One figure of the profile and the range it must be in.

    Attributes:
        figure: Name of the figure, such as ``share_url_missing``.
        minimum: Smallest allowed value; None for no lower limit.
        maximum: Largest allowed value; None for no upper limit.
        meaning: Why, in words.
        severity: ``critical`` keeps the part from going on, ``warning`` is only shown.
    """

    figure: str
    minimum: float | None
    maximum: float | None
    meaning: str
    severity: Literal["critical", "warning"]


@dataclass(frozen=True)
class ExpectationOutcome:
    """What was found for one expectation."""

    expectation: Expectation
    value: float | None
    met: bool


@dataclass(frozen=True)
class ContractOutcome:
    """What Great Expectations says about one profile."""

    outcomes: tuple[ExpectationOutcome, ...]
    result: "ExpectationSuiteValidationResult"

    @property
    def broken(self) -> tuple[ExpectationOutcome, ...]:
        """Expectations that are not met."""
        return tuple(outcome for outcome in self.outcomes if not outcome.met)

    @property
    def met(self) -> bool:
        """Whether all expectations are met."""
        return not self.broken

    @property
    def critical(self) -> bool:
        """Whether one that matters is not met."""
        return any(outcome.expectation.severity == "critical" for outcome in self.broken)


def expectations_of(
    rulebook: Rulebook, expectations: ExpectationsSpec, *, rows: int, not_applicable: Sequence[str] = ()
) -> tuple[Expectation, ...]:
    """The expectations that follow from the rules' tolerances and the dataset's promises.

    Args:
        rulebook: The dataset's rules.
        expectations: The dataset's promises.
        rows: How many rows the part has: what chance adds to a share depends on it.
        not_applicable: Rules that say nothing about the part.
    """
    found = [
        Expectation("rows_in", 1, None, "the part has rows", "critical"),
        Expectation("rows_valid", 1, None, "some rows are usable", "critical"),
        Expectation("rows_unaccounted", 0, 0, "every row is either valid or quarantined", "critical"),
    ]
    if expectations.rows and expectations.parts:
        share = expectations.rows / expectations.parts
        low, high = (1 - _ROWS_SPREAD) * share, (1 + _ROWS_SPREAD) * share
        found.append(
            Expectation("rows_in_of_share", low, high, "the part has its share of the dataset's rows", "warning")
        )
    found.append(
        Expectation(
            f"share_{NOT_CASTABLE}",
            None,
            _with_chance(NOT_CASTABLE_TOLERANCE, rows),
            "a value has no lossless canonical form",
            "critical",
        )
    )
    found += [
        Expectation(
            f"share_{rule.name}",
            None,
            _with_chance(rule.tolerance, rows),
            rule.reason,
            "critical" if rule.severity == "quarantine" else "warning",
        )
        for rule in rulebook.rules
        if rule.name not in not_applicable
    ]
    return tuple(found)


def _with_chance(tolerance: float, rows: int) -> float:
    """The tolerance and three standard deviations of what a part of so many rows shows by chance.

    8 % more than a tolerance of 0.001 for 1.33 M rows; for 500 rows two or three of them in place of half a one.
    """
    return min(1.0, tolerance + 3 * math.sqrt(tolerance * (1 - tolerance) / max(rows, 1)))


def figures_of(profile: Mapping[str, Any]) -> dict[str, float]:
    """The figures that expectations speak of, from a profile's row as a mapping."""
    rows_in = profile["rows_in"]
    return {
        "rows_in": float(rows_in),
        "rows_in_of_share": float(rows_in),
        "rows_valid": float(profile["rows_valid"]),
        "rows_unaccounted": float(rows_in - profile["rows_valid"] - profile["rows_quarantined"]),
        **{
            f"share_{counted['rule']}": counted["count"] / rows_in if rows_in else 0.0
            for counted in profile["rule_counts"]
        },
    }


def check_contract(figures: Mapping[str, float], expectations: Sequence[Expectation], *, part: str) -> ContractOutcome:
    """Let Great Expectations check one profile's figures.

    The first call in a process takes some seconds, which importing Great Expectations costs.
    """
    import pandas as pd

    # The largest of one value is the value; an expectation about values would not say which one it found.
    table = pd.DataFrame([{one.figure: figures.get(one.figure) for one in expectations}], dtype="float64")
    suite = [
        {
            "type": "expect_column_max_to_be_between",
            "kwargs": {"column": one.figure, "min_value": one.minimum, "max_value": one.maximum},
            "severity": one.severity,
            "notes": one.meaning,
            "meta": {"notes": {"format": "string", "content": [one.meaning]}},
        }
        for one in expectations
    ]
    result = run_suite(table, suite, suite_name=SUITE_NAME, table_name=part)
    met = {}
    for one in result.results:
        if one.expectation_config:
            met[one.expectation_config.kwargs["column"]] = bool(one.success)
        if (observed := one.result.get("observed_value")) is not None:
            one.result["observed_value"] = float(observed)  # its page cannot print the numbers of numpy 2
    cast("dict[str, Any]", result.meta)["batch_spec"] = {"data_asset_name": part}  # what the page calls the table
    outcomes = tuple(
        ExpectationOutcome(one, figures.get(one.figure), met[one.figure] and one.figure in figures)
        for one in expectations
    )
    return ContractOutcome(outcomes, result)
