"""Which size class an image falls into.

Buckets are half-open, cover every positive size, and look at the short side alone, so no image can fall
between two of them. The historical both-sides scheme is kept beside it because published figures used it.
Drawing and statistics live elsewhere.
"""

import itertools
from collections.abc import Sequence

import polars as pl

DEFAULT_EDGES_PX = (1024, 2048, 4096)


def bucket_labels(edges_px: Sequence[int] = DEFAULT_EDGES_PX) -> list[str]:
    """Labels of the ``len(edges_px) + 1`` buckets, smallest first: ``< 1024``, ``1024-2048``, …, ``4096+``."""
    between = [f"{low}-{high}" for low, high in itertools.pairwise(edges_px)]
    return [f"< {edges_px[0]}", *between, f"{edges_px[-1]}+"]


def short_side_bucket(width: pl.Expr, height: pl.Expr, *, edges_px: Sequence[int] = DEFAULT_EDGES_PX) -> pl.Expr:
    """The label of the half-open bucket ``[edge, next edge)`` that holds the short side; null where a side is."""
    short = pl.min_horizontal(width, height)
    labels = bucket_labels(edges_px)
    chosen = pl.lit(labels[-1])
    for edge, label in reversed(list(zip(edges_px, labels, strict=False))):
        chosen = pl.when(short < edge).then(pl.lit(label)).otherwise(chosen)
    return pl.when(width.is_not_null() & height.is_not_null()).then(chosen)


def historical_bucket(width: pl.Expr, height: pl.Expr, *, edges_px: Sequence[int] = DEFAULT_EDGES_PX) -> pl.Expr:
    """The label the one-off script gave: both sides inside one bucket, either side for the top one, else ``< 1024``.

    Kept to reproduce published figures. An image with one side on each side of an edge, such as 1600 x 2500, falls
    through to the default, which is what made good images look too small.
    """
    return bucket_of_number(historical_bucket_number(width, height, edges_px=edges_px), edges_px=edges_px)


def historical_bucket_number(width: pl.Expr, height: pl.Expr, *, edges_px: Sequence[int] = DEFAULT_EDGES_PX) -> pl.Expr:
    """Which of ``bucket_labels`` is the ``historical_bucket``, from 0, null where a side is; quicker to count."""
    chosen = pl.when((width >= edges_px[-1]) | (height >= edges_px[-1])).then(len(edges_px)).otherwise(0)
    for number, (low, high) in enumerate(itertools.pairwise(edges_px), start=1):
        inside = (width >= low) & (width < high) & (height >= low) & (height < high)
        chosen = pl.when(inside).then(number).otherwise(chosen)
    return pl.when(width.is_not_null() & height.is_not_null()).then(chosen)


def bucket_of_number(number: pl.Expr, *, edges_px: Sequence[int] = DEFAULT_EDGES_PX) -> pl.Expr:
    """The label at a position in ``bucket_labels``; null of null, and any other number is refused when evaluated."""
    labels = bucket_labels(edges_px)
    return number.replace_strict(range(len(labels)), labels, return_dtype=pl.String)
