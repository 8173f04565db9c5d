"""What asking the web gave: outcomes, formats, file sizes, and how hosts and languages differ."""

import polars as pl

from laion_assets.statistics.declared import NO_NAME
from laion_assets.statistics.document import Hosts, Named, OutcomeShare, Reach
from laion_assets.statistics.estimate import Share
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import exact_share
from laion_assets.web.outcome import Fault, Outcome

TOP_HOSTS = 20
TOP_LANGUAGES = 20


def reach(evidence: Evidence) -> Reach | None:
    """Outcomes, formats and file sizes; None when nothing was probed."""
    if not evidence.probed:
        return None
    sample, measured = evidence.sample, evidence.measured
    retryable = [outcome.value for outcome in Outcome if outcome.retryable]
    high = evidence.has(pl.col("declared_short_side") >= evidence.requirement.minimum_high_side_px)
    return Reach(
        reachable=sample.share(measured),
        undecided=sample.share(evidence.has(pl.col("outcome").is_in(retryable))),
        our_fault=sample.share(evidence.has(pl.col("fault") == Fault.US.value)),
        opted_out=sample.share(evidence.has(pl.col("opted_out"))),
        outcomes=_outcomes(evidence),
        formats=[
            Named(
                name=name,
                declared_all=None,
                sample=sample.share(evidence.has(pl.col("format").fill_null(NO_NAME) == name), measured),
                reachable=None,
            )
            for name in _by_frequency(evidence.rows.filter("measured"), "format")
        ],
        file_bytes=sample.distribution(evidence.values("file_bytes"), measured),
        file_bytes_unknown=sample.share(evidence.has(pl.col("file_bytes").is_null()), measured),
        declared_high_among_reached=sample.share(high, evidence.sized & measured),
        declared_high_among_unreached=sample.share(high, evidence.sized & ~measured),
    )


def _outcomes(evidence: Evidence) -> list[OutcomeShare]:
    known = {outcome.value: outcome for outcome in Outcome}
    found = []
    for name in _by_frequency(evidence.rows, "outcome"):
        share = evidence.sample.share(evidence.has(pl.col("outcome").fill_null(NO_NAME) == name))
        outcome = known.get(name, Outcome.FAILED_HERE)
        found.append(
            OutcomeShare(
                outcome=name,
                meaning=outcome.meaning if name in known else "not a word of the closed set of outcomes",
                fault=outcome.fault.value,
                retryable=outcome.retryable,
                share=share,
            )
        )
    return found


def hosts(evidence: Evidence) -> Hosts:
    """The largest hosts of the sample, and how much they hold."""
    names = _by_frequency(evidence.rows, "host")
    counts = dict(evidence.declared.hosts) if evidence.declared else {}
    return Hosts(
        distinct_in_sample=len(names),
        top=_named(evidence, "host", names[:TOP_HOSTS], counts),
        top_1=_held(evidence, "host", names[:1]),
        top_10=_held(evidence, "host", names[:10]),
    )


def languages(evidence: Evidence) -> list[Named]:
    """The most frequent languages, in all rows and in the sample, and whether their images are still there."""
    names = _by_frequency(evidence.rows, "language")
    if names == [NO_NAME]:
        return []
    counts = dict(evidence.declared.languages) if evidence.declared else {}
    return _named(evidence, "language", names[:TOP_LANGUAGES], counts)


def _named(evidence: Evidence, column: str, names: list[str], counts: dict[str, int]) -> list[Named]:
    rows = evidence.declared.rows_valid if evidence.declared else 0
    found = []
    for name in names:
        having = evidence.has(pl.col(column).fill_null(NO_NAME) == name)
        found.append(
            Named(
                name=name,
                # Profiles count the most frequent names only: one they dropped is unknown, not absent.
                declared_all=exact_share(counts[name], rows) if name in counts and rows else None,
                sample=evidence.sample.share(having),
                reachable=evidence.sample.share(evidence.measured, having) if evidence.probed else None,
            )
        )
    return found


def _held(evidence: Evidence, column: str, names: list[str]) -> Share | None:
    return evidence.sample.share(evidence.has(pl.col(column).is_in(names))) if names else None


def _by_frequency(rows: pl.DataFrame, column: str) -> list[str]:
    """Names by the weight behind them, most first; ties by name, so that the order never depends on chance."""
    counted = (
        rows.select(pl.col(column).fill_null(NO_NAME).alias("name"), "weight")
        .group_by("name")
        .agg(pl.col("weight").sum().round(6))
        .sort(["weight", "name"], descending=[True, False])
    )
    return counted.get_column("name").to_list()
