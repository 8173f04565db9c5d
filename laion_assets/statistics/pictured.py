"""What the pictures are drawn from: the document for every share, and the points and bins that it does not hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from laion_assets.probes.anomaly import AnomalyKind
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.distribution import ValueCounts
from laion_assets.statistics.document import Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import Floats

BINS_PER_OCTAVE = 8
MEASURES = ("width", "height", "short_side")


@dataclass(frozen=True)
class Histogram:
    """Shares of images per bin; bins are half-open and start at the edges of the size classes."""

    edges: Floats
    declared: Floats | None
    true: Floats | None
    declared_is_exact: bool
    beyond: tuple[bool, bool]
    """Whether sizes below the first and above the last edge are counted in the bins at the ends."""


@dataclass(frozen=True)
class Pictured:
    """All a picture needs."""

    statistics: Statistics
    histograms: dict[str, Histogram]
    points: pl.DataFrame
    kinds: dict[str, int]
    """Sampled rows with declared sizes per kind of anomaly, and under an empty name those of none."""
    matches: dict[str, int]
    """Sampled rows whose declared and true size are known, by how the two compare."""


def pictured(evidence: Evidence, statistics: Statistics, *, most_points: int = 20_000) -> Pictured:
    """Bins and points for the pictures.

    Args:
        evidence: What was observed.
        statistics: What was measured from it.
        most_points: Rows drawn in scatters. Where there are more, what is frequent is thinned evenly; rows with a
            defect are all drawn while they are the smaller half.
    """
    rows = evidence.rows
    sized = rows.drop_nulls(["declared_width", "declared_height"])
    matched = rows.drop_nulls(["declared_short_side", "true_short_side"])
    return Pictured(
        statistics=statistics,
        histograms={name: _histogram(evidence, name) for name in MEASURES},
        kinds={"": sized.get_column("anomaly_kind").null_count()}
        | {kind.value: int(sized.get_column(kind.value).sum()) for kind in AnomalyKind},
        matches=dict(matched.group_by("declared_match").len().iter_rows()),
        points=_thinned(rows, most_points).select(
            "declared_width",
            "declared_height",
            "true_width",
            "true_height",
            "declared_short_side",
            "true_short_side",
            "declared_match",
            "anomaly_kind",
            "straddles_buckets",
            "declared_below_minimum",
            "true_below_minimum",
            "declared_swapped",
        ),
    )


def _thinned(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    if rows.height <= most:
        return rows
    frequent = pl.col("anomaly_kind").is_null() | (pl.col("anomaly_kind") == AnomalyKind.STRADDLES_BUCKETS.value)
    frequent &= pl.col("declared_match").is_null() | (pl.col("declared_match") == "exact")
    rare = rows.filter(~frequent)
    if rare.height > most / 2:
        return rows.gather_every(math.ceil(rows.height / most))
    others = rows.filter(frequent)
    return pl.concat([rare, others.gather_every(math.ceil(others.height / (most - rare.height)))])


def _histogram(evidence: Evidence, name: str) -> Histogram:
    exact = _exact(evidence.declared, name)
    declared = evidence.values(f"declared_{name}")
    sampled = ~np.isnan(declared)
    true = evidence.values(f"true_{name}")
    reached = ~np.isnan(true)
    values = [declared[sampled], true[reached], *([exact.values] if exact else [])]
    everything = np.concatenate(values)
    edges = bin_edges(everything, evidence.requirement.edges_px)
    weight = evidence.sample.weight
    return Histogram(
        edges=edges,
        declared=_shares(exact.values, exact.counts.astype(np.float64), edges)
        if exact
        else _shares(declared[sampled], weight[sampled], edges),
        true=_shares(true[reached], weight[reached], edges),
        declared_is_exact=exact is not None,
        beyond=(bool((everything < edges[0]).any()), bool((everything >= edges[-1]).any())),
    )


def _exact(declared: Declared | None, name: str) -> ValueCounts | None:
    if declared is None or declared.short_side.n == 0:
        return None
    return {"width": declared.width, "height": declared.height, "short_side": declared.short_side}[name]


def bin_edges(values: Floats, edges_px: Sequence[int]) -> Floats:
    """Edges in steps of an eighth of an octave that hit the first class edge, and with it every doubling of it.

    Whole numbers: a size belongs to the bin that starts at it, so that 1024 is never drawn below 1024. Sizes beyond the
    frame go into the bin at its end.
    """
    low, high = frame_of(values, edges_px)
    first = math.floor(BINS_PER_OCTAVE * math.log2(low / edges_px[0]) + 1e-9)
    last = math.ceil(BINS_PER_OCTAVE * math.log2(high / edges_px[0]) - 1e-9)
    return np.unique(np.round(edges_px[0] * 2.0 ** (np.arange(first, last + 1) / BINS_PER_OCTAVE)))


def frame_of(values: Floats, edges_px: Sequence[int]) -> tuple[float, float]:
    """The range that is drawn: what occurs, but no more than three octaves below and two above the class edges.

    A tracking pixel of 1 x 1 or a bomb of 32,768 px would otherwise squeeze everything else into a corner.
    """
    least, most = edges_px[0] / 8, edges_px[-1] * 4.0
    low = max(least, float(values.min())) if len(values) else edges_px[0]
    high = min(most, float(values.max()) + 1) if len(values) else edges_px[-1]
    return min(low, edges_px[0] / 2), max(high, edges_px[-1] * 1.5)


def _shares(values: Floats, weight: Floats, edges: Floats) -> Floats | None:
    if weight.sum() == 0:
        return None
    held = np.searchsorted(edges, values, side="right") - 1
    counted = np.zeros(len(edges) - 1)
    np.add.at(counted, np.clip(held, 0, len(counted) - 1), weight)
    shares: Floats = counted / weight.sum()
    return shares
