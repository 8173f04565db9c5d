"""What each sampled row shows: the derived columns that the figures, the CSV and the pictures share.

One row in, one row out. Shares and intervals are made elsewhere from these columns.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from laion_assets.metadata.hosts import host_of
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.size_classes import historical_bucket
from laion_assets.probes.anomaly import classify
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.statistics.declared import NO_NAME
from laion_assets.statistics.intervals import Bools, Floats
from laion_assets.web.outcome import Fault, Outcome

SQUARE_FROM, SQUARE_TO = 0.9, 1.1

_FAULTS = {outcome.value: outcome.fault.value for outcome in Outcome}


def derive(frame: pl.DataFrame, *, minimum_side_px: int, edges_px: Sequence[int]) -> pl.DataFrame:
    """The sample with derived columns, in canonical (part, row) order.

    Args:
        frame: ``dimension_probes``, or ``dimension_sample`` when nothing was probed: probe columns are then null.
        minimum_side_px: the side, in px, that the publisher promises.
        edges_px: edges of the size classes.

    Raises:
        ValueError: A column of the sample is missing.
    """
    missing = [name for name in (*VALIDATED_SCHEMA, "weight") if name not in frame.columns]
    if missing:
        raise ValueError(f"sample: columns {missing} are missing, found {frame.columns}: materialise it again.")
    absent = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in PROBE_SCHEMA.items() if name not in frame.columns
    ]
    measured = pl.col("true_width").is_not_null() & pl.col("true_height").is_not_null()
    return (
        frame.with_columns(absent)
        .sort("part", "row")
        .with_columns(
            # A true size counts only when both sides are known, and a declared one likewise.
            true_width=pl.when(measured).then("true_width"),
            true_height=pl.when(measured).then("true_height"),
            measured=measured,
            fault=pl.col("outcome").replace_strict(_FAULTS, default=Fault.US.value, return_dtype=pl.String),
            host=host_of(pl.col("url")).fill_null(NO_NAME),
        )
        .pipe(classify, minimum_side_px=minimum_side_px, edges_px=edges_px)
        .with_columns(
            *_shapes("declared"),
            *_shapes("true"),
            true_historical_bucket=historical_bucket(pl.col("true_width"), pl.col("true_height"), edges_px=edges_px),
        )
    )


def _shapes(side: str) -> list[pl.Expr]:
    width, height = pl.col(f"{side}_width"), pl.col(f"{side}_height")
    known = width.is_not_null() & height.is_not_null()
    return [
        pl.when(known).then(width.cast(pl.Float64) * height.cast(pl.Float64) / 1e6).alias(f"{side}_megapixels"),
        pl.when(known & (height > 0)).then(width / height).alias(f"{side}_aspect_ratio"),
        aspect_class(width, height).alias(f"{side}_aspect"),
    ]


def aspect_class(width: pl.Expr, height: pl.Expr) -> pl.Expr:
    """``square`` where 0.9 <= width / height <= 1.1, else ``landscape`` or ``portrait``; null where a side is."""
    ratio = width / height
    return pl.when(width.is_not_null() & height.is_not_null() & (height > 0)).then(
        pl.when(ratio > SQUARE_TO)
        .then(pl.lit("landscape"))
        .when(ratio < SQUARE_FROM)
        .then(pl.lit("portrait"))
        .otherwise(pl.lit("square"))
    )


def floats(frame: pl.DataFrame, column: str) -> Floats:
    """A column as floats, NaN where it is null or not finite."""
    values = frame.get_column(column).cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def bools(frame: pl.DataFrame, condition: pl.Expr) -> Bools:
    """A condition per row, false where it is null."""
    return frame.select(condition.fill_null(value=False).alias("it")).get_column("it").to_numpy().astype(np.bool_)
