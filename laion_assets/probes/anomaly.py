"""Images "below 1024" taken apart: a reporting artefact, a broken promise, a changed web, or exchanged sides.

One row at a time and without input or output: what is wrong with a row's sizes, and the shares of each kind. Words for
people (conclusions, recommendations) belong to whoever reports them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import polars as pl
from typing_extensions import Self

from laion_assets.metadata.size_classes import DEFAULT_EDGES_PX, bucket_labels, historical_bucket, short_side_bucket
from laion_assets.probes.share import Share, weighted_share


class AnomalyKind(str, Enum):
    """Why an image counts, or was once counted, as too small."""

    meaning: str
    remedy: str
    needs_probe: bool

    def __new__(cls, word: str, meaning: str, remedy: str, needs_probe: bool) -> Self:  # noqa: FBT001
        """Bind meaning, remedy, and whether only a probe can see it, to the word."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        member.remedy = remedy
        member.needs_probe = needs_probe
        return member

    STRADDLES_BUCKETS = (
        "straddles_buckets",
        "one side on each side of a bucket's edge: too small only in a report that asks for both sides in one bucket",
        "keep: bucket by the short side",
        False,
    )
    DECLARED_BELOW_MINIMUM = (
        "declared_below_minimum",
        "the metadata itself declares a side below the minimum",
        "exclude: the metadata itself says that they are too small",
        False,
    )
    TRUE_BELOW_MINIMUM = (
        "true_below_minimum",
        "declared large enough, but the web now serves less",
        "enforce the minimum at download: only the image itself shows it",
        True,
    )
    DECLARED_SWAPPED = (
        "declared_swapped",
        "width and height are exchanged in the metadata",
        "exchange the two columns: in the dataset's YAML, or with --columns",
        True,
    )


DECLARED_MATCHES = ("exact", "swapped", "scaled_down", "replaced")
"""How a true size relates to the declared one: equal; sides exchanged; smaller with the same shape; anything else."""

_ASPECT_TOLERANCE = 0.03


def classify(frame: pl.DataFrame, *, minimum_side_px: int, edges_px: Sequence[int] = DEFAULT_EDGES_PX) -> pl.DataFrame:
    """Say of every row what is wrong with its sizes.

    Args:
        frame: Has ``declared_width`` and ``declared_height``; ``true_width`` and ``true_height`` where probed. All may
            be null, and a frame without the true ones is one where nothing was probed.
        minimum_side_px: What the short side must reach.
        edges_px: The buckets' edges, see ``size_classes``.

    Returns:
        The frame with these columns added: ``declared_short_side``, ``true_short_side`` (px), ``declared_bucket``,
        ``true_bucket``, ``historical_bucket`` (labels), one Boolean column per ``AnomalyKind`` (null where it cannot be
        told, because a size is not known), ``declared_match`` (a word of ``DECLARED_MATCHES``, null where not probed),
        and ``anomaly_kind``: the one kind that decides what to do with the row, null where there is none. A row can be
        of several kinds; a defect then counts before the artefact.
    """
    missing = [name for name in ("true_width", "true_height") if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, pl.Int32).alias(name) for name in missing)
    width, height = pl.col("declared_width"), pl.col("declared_height")
    true_width, true_height = pl.col("true_width"), pl.col("true_height")
    smallest = bucket_labels(edges_px)[0]
    frame = frame.with_columns(
        declared_short_side=_short_side(width, height),
        true_short_side=_short_side(true_width, true_height),
        declared_bucket=short_side_bucket(width, height, edges_px=edges_px),
        true_bucket=short_side_bucket(true_width, true_height, edges_px=edges_px),
        historical_bucket=historical_bucket(width, height, edges_px=edges_px),
        declared_match=_declared_match(),
    )
    declared, true = pl.col("declared_short_side"), pl.col("true_short_side")
    frame = frame.with_columns(
        straddles_buckets=(pl.col("historical_bucket") == smallest) & (declared >= edges_px[0]),
        declared_below_minimum=declared < minimum_side_px,
        true_below_minimum=pl.when(declared.is_not_null() & true.is_not_null()).then(
            (true < minimum_side_px) & (declared >= minimum_side_px)
        ),
        declared_swapped=pl.col("declared_match") == "swapped",
    )
    chosen = pl.lit(None, pl.String)
    for kind in (
        AnomalyKind.STRADDLES_BUCKETS,
        AnomalyKind.DECLARED_SWAPPED,
        AnomalyKind.TRUE_BELOW_MINIMUM,
        AnomalyKind.DECLARED_BELOW_MINIMUM,
    ):
        chosen = pl.when(pl.col(kind.value)).then(pl.lit(kind.value)).otherwise(chosen)
    frame = frame.with_columns(anomaly_kind=chosen)
    return frame.drop(missing)


def _short_side(width: pl.Expr, height: pl.Expr) -> pl.Expr:
    return pl.when(width.is_not_null() & height.is_not_null()).then(pl.min_horizontal(width, height))


def _declared_match() -> pl.Expr:
    width, height = pl.col("declared_width").cast(pl.Int64), pl.col("declared_height").cast(pl.Int64)
    true_width, true_height = pl.col("true_width").cast(pl.Int64), pl.col("true_height").cast(pl.Int64)
    difference = (true_width * height - true_height * width).abs()
    # Rounding both sides moves the cross product by at most their sum; on tiny images that excuses any shape, hence
    # the relative bound beside it.
    same_shape = (difference <= width + height) & (difference <= _ASPECT_TOLERANCE * true_width * height)
    return pl.when(
        width.is_not_null() & height.is_not_null() & true_width.is_not_null() & true_height.is_not_null()
    ).then(
        pl.when((true_width == width) & (true_height == height))
        .then(pl.lit("exact"))
        .when((true_width == height) & (true_height == width))
        .then(pl.lit("swapped"))
        .when((true_width < width) & (true_height < height) & same_shape)
        .then(pl.lit("scaled_down"))
        .otherwise(pl.lit("replaced"))
    )


@dataclass(frozen=True)
class KindShare:
    """How many rows are of one kind, and what share of the dataset that makes.

    ``out_of`` is the number of rows where the kind can be told at all: those with declared sizes, or, for a kind that
    needs a probe, those whose true size was learned as well. The share is among such rows.
    """

    kind: AnomalyKind
    rows: int
    out_of: int
    share: Share


def decompose(classified: pl.DataFrame, *, population_rows: int | None = None) -> list[KindShare]:
    """The four-way table of a classified sample.

    Args:
        classified: What ``classify`` returned, with ``weight`` (rows represented) where rows stand for unequal numbers.
        population_rows: Rows the sample was drawn from, for the finite-population correction.
    """
    weights = classified["weight"] if "weight" in classified.columns else pl.Series([1.0] * classified.height)
    table = []
    for kind in AnomalyKind:
        hits = classified[kind.value]
        out_of = hits.len() - hits.null_count()
        # The rows where a kind can be told are drawn from as large a part of the dataset as they are of the sample.
        within = None if population_rows is None else population_rows * out_of / max(1, hits.len())
        table.append(KindShare(kind, int(hits.sum() or 0), out_of, weighted_share(hits, weights, within)))
    return table
