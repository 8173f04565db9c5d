"""Findings as plain tables and sentences, the way checks show them.

Everything a check says is composed here; ``checks`` wraps it into Dagster's types. Nothing here is markup, since names
of hosts and languages come from strangers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from laion_assets.metadata.contract import ContractOutcome
from laion_assets.metadata.drift import DriftReport
from laion_assets.metadata.positional_union import UnionFinding
from laion_assets.metadata.row_hashes import HashFinding
from laion_assets.metadata.spelled_sizes import TOLERATED_SHARE, SwapFinding

TOLERATED_MISFITS = 0.01
"""Share of rows that may have another hash than that of URL and caption: text cleaned after hashing."""

Record = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class CheckFinding:
    """What one check found.

    Attributes:
        passed: Whether all is as it should be.
        blocks: Whether what is downstream must not go on when it is not.
        sentence: What was found.
        figures: Numbers to plot.
        tables: Records by title.
    """

    passed: bool
    sentence: str
    figures: Mapping[str, int | float | str] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    blocks: bool = False


def contract_finding(outcome: ContractOutcome) -> CheckFinding:
    """Every expectation with what was found, broken ones first."""
    broken = [f"{one.expectation.figure} is {_number(one.value)}" for one in outcome.broken]
    records: list[Record] = [
        {
            "figure": one.expectation.figure,
            "found": _number(one.value),
            "at least": _number(one.expectation.minimum),
            "at most": _number(one.expectation.maximum),
            "met": one.met,
            "severity": one.expectation.severity,
            "meaning": one.expectation.meaning,
        }
        for one in sorted(outcome.outcomes, key=lambda one: one.met)
    ]
    return CheckFinding(
        passed=outcome.met,
        blocks=outcome.critical,
        sentence="; ".join(broken) or f"all {len(records)} expectations are met",
        figures={"expectations_met": len(records) - len(broken), "expectations_broken": len(broken)},
        tables={"expectations": records},
    )


def below_minimum_finding(profile: Mapping[str, Any], minimum_side_px: int) -> CheckFinding:
    """How many valid rows declare a side below the minimum."""
    below = sum(one["count"] for one in profile["short_side_counts"] if one["value"] < minimum_side_px)
    sized = profile["sized_rows"]
    return CheckFinding(
        passed=below == 0,
        sentence=f"{below:,} of {sized:,} rows declare a side below {minimum_side_px:,} px",
        figures={
            "rows_below_minimum": below,
            "share_below_minimum": below / sized if sized else 0.0,
            "sized_rows": sized,
        },
    )


def hash_finding(finding: HashFinding) -> CheckFinding:
    """How many of the sampled rows have the hash of their URL and caption."""
    if finding.looked_at == 0:
        return CheckFinding(passed=True, sentence="no row has a hash, so there is nothing to check")
    misfits = ", ".join(str(row) for row in finding.misfits)
    return CheckFinding(
        passed=finding.share >= 1 - TOLERATED_MISFITS,
        sentence=f"{finding.fitting:,} of {finding.looked_at:,} sampled rows have the hash of their URL and caption"
        + (f"; rows {misfits} do not" if misfits else ""),
        figures={"rows_looked_at": finding.looked_at, "rows_fitting": finding.fitting, "share_fitting": finding.share},
    )


def swap_finding(finding: SwapFinding) -> CheckFinding:
    """How sizes spelled in URLs agree with the declared ones."""
    return CheckFinding(
        passed=not finding.suspicious,
        sentence=f"of {finding.spelled:,} URLs that spell a size, {finding.agreeing:,} agree with the declared one and "
        f"{finding.swapped:,} after exchanging width and height ({TOLERATED_SHARE:.0%} of those are tolerated)",
        figures={
            "urls_spelling_a_size": finding.spelled,
            "agreeing": finding.agreeing,
            "swapped": finding.swapped,
            "share_swapped": finding.share,
        },
    )


def union_finding(finding: UnionFinding) -> CheckFinding:
    """Null shares of both scores by group of languages."""
    records: list[Record] = [
        {"languages": one.group, "column": one.column, "rows": one.rows, "nulls": one.nulls, "share": one.share}
        for one in finding.shares
    ]
    return CheckFinding(
        passed=not finding.oddities,
        sentence="; ".join(finding.oddities) or "null shares of the scores say nothing against one order of columns",
        tables={"null shares": records},
    )


def drift_finding(report: DriftReport) -> CheckFinding:
    """Which parts are unlike the others."""
    records: list[Record] = [
        {"part": one.part, "figure": one.figure, "probability": one.probability, "share of rows apart": one.distance}
        for one in report.drifting
    ]
    named = ", ".join(f"{one.part} ({one.figure})" for one in report.drifting[:5])
    more = f" and {len(report.drifting) - 5} more" if len(report.drifting) > 5 else ""
    if report.parts == 0:
        sentence = "no part is in the lake whose contract is met"
    elif report.parts == 1:
        sentence = "1 part is in the lake, so there is nothing to compare it with yet"
    elif report.drifting:
        sentence = f"{len(report.drifting)} of {report.parts} parts differ from the others beyond chance: {named}{more}"
    else:
        sentence = f"{report.parts} parts look like random shuffles of one dataset in {report.tests:,} comparisons"
    return CheckFinding(
        passed=not report.drifting,
        sentence=sentence,
        figures={
            "parts_compared": report.parts,
            "parts_drifting": len(report.drifting),
            "comparisons": report.tests,
            "smallest_probability_of_the_rest": report.smallest_probability,
        },
        tables={"drifting parts": records} if records else {},
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"
