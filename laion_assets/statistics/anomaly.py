"""The "< 1024" figure: reproduced from the data, then taken apart into the four things it can mean.

Which kind a row is of is decided by ``laion_assets.probes.anomaly``; here the kinds are counted.
"""

import re

import polars as pl

from laion_assets.metadata.size_classes import bucket_labels
from laion_assets.probes.anomaly import AnomalyKind as Kind
from laion_assets.statistics import document
from laion_assets.statistics.document import Agreement, Anomaly, Class, Example
from laion_assets.statistics.estimate import Share, Views
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import exact_share, scaled

INVISIBLE = r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc]+"
"""Control, direction and zero-width characters, separators of lines, byte order marks: for polars and for ``re``."""

EXAMPLES_PER_KIND = 3
CAPTION_CHARACTERS = 90
_DEFECTS = {Kind.DECLARED_BELOW_MINIMUM, Kind.TRUE_BELOW_MINIMUM, Kind.DECLARED_SWAPPED}
_MATCHES = {
    "exact": "the image has the declared size",
    "swapped": "width and height are exchanged",
    "scaled_down": "the same shape, smaller",
    "replaced": "another size or shape: probably another image",
}


def anomaly(evidence: Evidence, historical: list[Class], short_side: list[Class]) -> Anomaly:
    """The historical figure and its parts.

    Args:
        evidence: What was observed.
        historical: The classes of the historical scheme, smallest first.
        short_side: The classes by short side, smallest first.
    """
    smallest = bucket_labels(evidence.requirement.edges_px)[0]
    is_historical = pl.col("historical_bucket") == smallest
    genuine = is_historical & ~pl.col("straddles_buckets").fill_null(value=False)
    return Anomaly(
        label=smallest,
        historical=historical[0].views,
        short_side=short_side[0].views,
        kinds=[_kind(evidence, kind, is_historical, historical[0].views) for kind in Kind],
        genuinely_small=evidence.sample.share(evidence.has(genuine), evidence.sized),
        genuine_within_historical=evidence.sample.share(evidence.has(genuine), evidence.has(is_historical))
        if evidence.has(is_historical).any()
        else None,
        swapped_where_it_shows=_swapped_where_it_shows(evidence),
        examples=[example for kind in Kind for example in _examples(evidence, kind)],
    )


def _kind(evidence: Evidence, kind: Kind, is_historical: pl.Expr, historical: Views[Share]) -> document.AnomalyKind:
    sample, having = evidence.sample, evidence.has(pl.col(kind.value))
    told = evidence.has(pl.col(kind.value).is_not_null())
    within = evidence.has(is_historical)
    share = sample.share(having, told)
    return document.AnomalyKind(
        kind=kind.value,
        meaning=kind.meaning,
        advice=kind.remedy,
        defect=kind in _DEFECTS,
        of="reachable" if kind.needs_probe else "sampled",
        share=share,
        declared_all=_exact_kind(evidence, kind, historical),
        within_historical=sample.share(having, within & told) if (within & told).any() else None,
        # Of a kind that only a probe can see, only the reachable rows can be spoken for.
        rows=scaled(sample.share(having), sample.population),
        over_all_rows=sample.bounds(having, told) if kind.needs_probe and evidence.probed else None,
    )


def _swapped_where_it_shows(evidence: Evidence) -> Share | None:
    swapped = pl.col("declared_match") == "swapped"
    as_declared = (pl.col("declared_match") == "exact") & (pl.col("declared_width") != pl.col("declared_height"))
    shows = evidence.has(swapped | as_declared)
    return evidence.sample.share(evidence.has(swapped), shows) if shows.any() else None


def _exact_kind(evidence: Evidence, kind: Kind, historical: Views[Share]) -> Share | None:
    """Over all valid rows, where the pooled profiles can tell."""
    declared = evidence.declared
    if declared is None or declared.short_side.n == 0:
        return None
    below_promise = declared.short_side.between(0, evidence.minimum_side_px)
    if kind is Kind.DECLARED_BELOW_MINIMUM:
        return below_promise
    # Profiles count sides apart: a row below the first edge may be in the historical class or, with a huge other side,
    # in the largest one. Only when no row is below can the historical class be all straddlers.
    if kind is Kind.STRADDLES_BUCKETS and historical.declared_all is not None:
        first_edge = evidence.requirement.edges_px[0]
        if declared.short_side.between(0, first_edge).count == 0:
            return exact_share(historical.declared_all.count, historical.declared_all.n)
    return None


def _examples(evidence: Evidence, kind: Kind) -> list[Example]:
    chosen = evidence.rows.filter(pl.col(kind.value)).head(EXAMPLES_PER_KIND)
    return [
        Example(
            kind=kind.value,
            part=row["part"],
            row=row["row"],
            host=displayable(row["host"], 60),
            caption=displayable(row["caption"] or "", CAPTION_CHARACTERS),
            declared_width=row["declared_width"],
            declared_height=row["declared_height"],
            true_width=row["true_width"],
            true_height=row["true_height"],
        )
        for row in chosen.iter_rows(named=True)
    ]


def displayable(text: str, length: int) -> str:
    """A stranger's text on one line: no control or direction characters, cut to ``length``."""
    visible = " ".join(re.sub(INVISIBLE, " ", text[: 20 * length]).split())
    return visible if len(visible) <= length else visible[: length - 1].rstrip() + "…"


def agreement(evidence: Evidence) -> list[Agreement]:
    """How true sizes relate to declared ones, among reachable rows that declare a size."""
    if not evidence.probed:
        return []
    told = evidence.has(pl.col("declared_match").is_not_null())
    return [
        Agreement(
            name=name,
            meaning=meaning,
            share=evidence.sample.share(evidence.has(pl.col("declared_match") == name), told),
        )
        for name, meaning in _MATCHES.items()
    ]
