"""What the pictures are drawn from: the document for every share, and the points and bins that it does not hold."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

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


@dataclass(frozen=True)
class Pictured:
    """All a picture needs."""

    statistics: Statistics
    histograms: dict[str, Histogram]
    points: pl.DataFrame


def pictured(evidence: Evidence, statistics: Statistics, *, most_points: int = 20_000) -> Pictured:
    """Bins and points for the pictures.

    Args:
        evidence: What was observed.
        statistics: What was measured from it.
        most_points: Rows drawn in scatters; the first ones, which in canonical order are a fair choice across parts
            only when all fit, so the rows are thinned evenly instead.
    """
    rows = evidence.rows
    if rows.height > most_points:
        rows = rows.gather_every(math.ceil(rows.height / most_points))
    return Pictured(
        statistics=statistics,
        histograms={name: _histogram(evidence, name) for name in MEASURES},
        points=rows.select(
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


def _histogram(evidence: Evidence, name: str) -> Histogram:
    exact = _exact(evidence.declared, name)
    declared = evidence.values(f"declared_{name}")
    sampled = ~np.isnan(declared)
    true = evidence.values(f"true_{name}")
    reached = ~np.isnan(true)
    values = [declared[sampled], true[reached], *([exact.values] if exact else [])]
    edges = bin_edges(np.concatenate(values), first_edge_px=evidence.requirement.edges_px[0])
    weight = evidence.sample.weight
    return Histogram(
        edges=edges,
        declared=_shares(exact.values, exact.counts.astype(np.float64), edges)
        if exact
        else _shares(declared[sampled], weight[sampled], edges),
        true=_shares(true[reached], weight[reached], edges),
        declared_is_exact=exact is not None,
    )


def _exact(declared: Declared | None, name: str) -> ValueCounts | None:
    if declared is None or declared.short_side.n == 0:
        return None
    return {"width": declared.width, "height": declared.height, "short_side": declared.short_side}[name]


def bin_edges(values: Floats, *, first_edge_px: int) -> Floats:
    """Edges in steps of an eighth of an octave that hit the first class edge, and with it every doubling of it.

    Whole numbers: a size belongs to the bin that starts at it, so that 1024 is never drawn below 1024.
    """
    least, most = (values.min(), values.max()) if len(values) else (first_edge_px, 2 * first_edge_px)
    first = math.floor(BINS_PER_OCTAVE * math.log2(max(least, 16) / first_edge_px))
    last = math.ceil(BINS_PER_OCTAVE * math.log2((max(most, 17) + 1) / first_edge_px))
    steps = np.arange(min(first, -BINS_PER_OCTAVE), max(last, BINS_PER_OCTAVE) + 1)
    edges = np.unique(np.round(first_edge_px * 2.0 ** (steps / BINS_PER_OCTAVE)))
    edges[0] = min(edges[0], max(least, 1))
    return edges


def _shares(values: Floats, weight: Floats, edges: Floats) -> Floats | None:
    if weight.sum() == 0:
        return None
    held = np.searchsorted(edges, values, side="right") - 1
    counted = np.zeros(len(edges) - 1)
    np.add.at(counted, np.clip(held, 0, len(counted) - 1), weight)
    shares: Floats = counted / weight.sum()
    return shares
