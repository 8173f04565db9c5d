"""What the publisher says about every valid row, pooled over the parts: the exact half of the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from laion_assets.metadata.profile import OTHERS, PooledProfile, pool
from laion_assets.statistics.distribution import ValueCounts

NO_NAME = "(none)"
"""Shown for a missing language, host or format."""


@dataclass(frozen=True)
class Declared:
    """Counts over all valid rows of the materialised parts. Empty counts where the dataset publishes none.

    Attributes:
        centi_megapixels: Rows per ``floor(pixels / 10,000)``.
        scores: Rows per ``floor(100 x)`` of each score.
        languages: Rows per language, for those that every part counts by name.
        hosts: The same for hosts.
    """

    parts: int
    rows_in: int
    rows_valid: int
    rows_quarantined: int
    sized_rows: int
    pixels_sum: int
    aspect_sum: float
    width: ValueCounts
    height: ValueCounts
    short_side: ValueCounts
    centi_megapixels: ValueCounts
    historical_buckets: Mapping[str, int] = field(default_factory=dict)
    aspect: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, ValueCounts] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    hosts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, profiles: pl.DataFrame) -> "Declared":
        """From ``metadata_profile``, one row per part."""
        pooled = pool(profiles)
        return cls(
            parts=pooled.parts,
            rows_in=pooled.rows_in,
            rows_valid=pooled.rows_valid,
            rows_quarantined=pooled.rows_quarantined,
            sized_rows=pooled.sized_rows,
            pixels_sum=pooled.pixels_sum,
            aspect_sum=pooled.aspect_sum,
            width=_by_value(pooled, "width_counts"),
            height=_by_value(pooled, "height_counts"),
            short_side=_by_value(pooled, "short_side_counts"),
            centi_megapixels=_by_value(pooled, "megapixel_counts"),
            # A null bucket or shape is a row without sizes: it is not part of what is shared out.
            historical_buckets=_sized(pooled, "historical_bucket_counts"),
            aspect=_sized(pooled, "aspect_counts"),
            scores={name: _by_value(pooled, f"{name}_counts") for name in ("similarity", "punsafe", "pwatermark")},
            languages=_counted_everywhere(profiles, pooled, "language_counts"),
            hosts=_counted_everywhere(profiles, pooled, "host_counts"),
        )


def _by_value(pooled: PooledProfile, column: str) -> ValueCounts:
    counts = pooled.by_value[column].drop_nulls()
    return ValueCounts(
        counts.get_column("value").to_numpy().astype(np.float64), counts.get_column("count").to_numpy().astype(np.int64)
    )


def _sized(pooled: PooledProfile, column: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in pooled.by_name[column].drop_nulls().iter_rows()}


def _counted_everywhere(profiles: pl.DataFrame, pooled: PooledProfile, column: str) -> dict[str, int]:
    """Names whose pooled count is complete: no part may have counted them among its ``(others)``."""
    lists = profiles.select("part", pl.col(column)).explode(column, empty_as_null=False).unnest(column)
    cut = lists.filter(pl.col("name") == OTHERS).get_column("part").unique()
    named = lists.filter(pl.col("part").is_in(cut.implode())).group_by("name").agg(pl.col("part").n_unique())
    in_cut_parts = dict(named.iter_rows())
    return {
        NO_NAME if name is None else str(name): int(count)
        for name, count in pooled.by_name[column].iter_rows()
        if name != OTHERS and in_cut_parts.get(name, 0) == cut.len()
    }
