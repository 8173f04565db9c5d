"""The profile of a part: its schema, and how profiles of several parts add up to one.

A profile is one row. Beside figures for people (quantiles, shares) it has exact counts per value, from which the same
figures follow for any number of parts without reading a row again. How one is computed from rows: ``tally``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

OTHERS = "(others)"
"""Name under which hosts and languages beyond the most frequent ones are counted together."""

QUANTILES = {"p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}

COUNTS_BY_VALUE = ("width_counts", "height_counts", "short_side_counts")
"""Rows per exact value in px."""

COUNTS_BY_HUNDREDTH = ("similarity_counts", "punsafe_counts", "pwatermark_counts")
"""Rows per hundredth, ``value`` being ``floor(100 x)``, clipped to [-101, 101]; nulls are not counted."""

COUNTS_BY_NAME = (
    "null_counts",
    "cast_losses",
    "bucket_counts",
    "historical_bucket_counts",
    "aspect_counts",
    "language_counts",
    "host_counts",
)

ADDITIVE = (
    "rows_in",
    "rows_valid",
    "rows_quarantined",
    "rows_flagged",
    "distinct_urls",
    "distinct_url_captions",
    "sized_rows",
    "aspect_sum",
    "pixels_sum",
    "similarity_sum",
    "caption_chars_sum",
)

_VALUES = pl.List(pl.Struct({"value": pl.Int32(), "count": pl.Int64()}))
_NAMES = pl.List(pl.Struct({"name": pl.String(), "count": pl.Int64()}))
_SPREAD = pl.Struct(
    {"min": pl.Float64(), "mean": pl.Float64(), **dict.fromkeys(QUANTILES, pl.Float64()), "max": pl.Float64()}
)

PROFILE_SCHEMA: dict[str, pl.DataType] = {
    "part": pl.String(),
    "rows_in": pl.Int64(),
    "rows_valid": pl.Int64(),
    "rows_quarantined": pl.Int64(),
    "rows_flagged": pl.Int64(),
    "distinct_urls": pl.Int64(),
    "distinct_url_captions": pl.Int64(),
    "distinct_url_share": pl.Float64(),
    "sized_rows": pl.Int64(),
    "aspect_sum": pl.Float64(),
    "pixels_sum": pl.Int64(),
    "similarity_sum": pl.Float64(),
    "caption_chars_sum": pl.Int64(),
    "width": _SPREAD,
    "height": _SPREAD,
    "short_side": _SPREAD,
    "megapixels": _SPREAD,
    "similarity": _SPREAD,
    "similarity_en": _SPREAD,
    "similarity_not_en": _SPREAD,
    "rule_counts": pl.List(pl.Struct({"rule": pl.String(), "count": pl.Int64()})),
    "rules_not_applicable": pl.List(pl.String()),
    "null_counts": _NAMES,
    "null_counts_by_language": pl.List(
        pl.Struct({"language": pl.String(), "column": pl.String(), "rows": pl.Int64(), "nulls": pl.Int64()})
    ),
    "cast_losses": _NAMES,
    "width_counts": _VALUES,
    "height_counts": _VALUES,
    "short_side_counts": _VALUES,
    "megapixel_counts": pl.List(pl.Struct({"centi_megapixels": pl.Int32(), "count": pl.Int64()})),
    "bucket_counts": _NAMES,
    "historical_bucket_counts": _NAMES,
    "aspect_counts": _NAMES,
    "language_counts": _NAMES,
    "host_counts": _NAMES,
    "similarity_counts": _VALUES,
    "punsafe_counts": _VALUES,
    "pwatermark_counts": _VALUES,
    "caption_chars_counts": _VALUES,
    "published_columns": pl.List(
        pl.Struct({"name": pl.String(), "dtype": pl.String(), "used_as": pl.String()})
    ),
}  # fmt: skip
"""What ``metadata_profile`` holds. Counts and sums are over valid rows, ``rows_in`` and quarantine rules over all.

* ``sized_rows``, ``aspect_sum``, ``pixels_sum``: rows with two sides from 1 to 1,000,000 px, which is what all figures
  of sizes count, and sums of width / height and of pixels.
* ``width`` … ``similarity_not_en``: spread for people to read, null where nothing is published; infinite similarities
  are neither in it nor in ``similarity_sum``.
* ``rule_counts``: rows that break each rule that applies. A row may break several.
* ``megapixel_counts``: rows per ``floor(pixels / 10,000)``.
* ``aspect_counts``: square (0.9 to 1.1 wide per high), landscape, portrait.
* ``language_counts``, ``host_counts``: the 200 most frequent and ``(others)``; a missing language has a null name.
* ``caption_chars_counts``: rows per lower edge of bins 10 characters wide below 1,000, 1,000 wide from there on.
* ``published_columns``: the file's columns and the canonical or kept name of each, null where it was dropped.
"""


@dataclass(frozen=True)
class PooledProfile:
    """The figures of several parts together, exact except where a part counts ``(others)``.

    Attributes:
        parts: How many profiles went in.
        rules: Rows per rule.
        by_value: Rows per value, per column such as ``width_counts``; frames of (value, count), by value.
        by_name: Rows per name, per column such as ``language_counts``; frames of (name, count), most frequent first.
        nulls_by_language: Frame of (language, column, rows, nulls).
    """

    parts: int
    rows_in: int
    rows_valid: int
    rows_quarantined: int
    rows_flagged: int
    sized_rows: int
    aspect_sum: float
    pixels_sum: int
    similarity_sum: float
    caption_chars_sum: int
    rules: Mapping[str, int]
    by_value: Mapping[str, pl.DataFrame]
    by_name: Mapping[str, pl.DataFrame]
    nulls_by_language: pl.DataFrame

    def share(self, rule: str) -> float:
        """Share of all rows read that break a rule."""
        return self.rules.get(rule, 0) / self.rows_in if self.rows_in else 0.0

    def quantile(self, column: str, at: float) -> float | None:
        """The value below or at which a share ``at`` of the rows lies: the ``ceil(at n)``-th smallest one."""
        counts = self.by_value[column]
        return quantile_of_counts(counts, at)


def pool(profiles: pl.DataFrame) -> PooledProfile:
    """Add up the mergeable figures of profiles.

    Args:
        profiles: One row per part, columns of ``PROFILE_SCHEMA``.
    """
    total = {name: profiles.get_column(name).sum() for name in ADDITIVE}
    return PooledProfile(
        parts=profiles.height,
        rows_in=int(total["rows_in"]),
        rows_valid=int(total["rows_valid"]),
        rows_quarantined=int(total["rows_quarantined"]),
        rows_flagged=int(total["rows_flagged"]),
        sized_rows=int(total["sized_rows"]),
        aspect_sum=float(total["aspect_sum"]),
        pixels_sum=int(total["pixels_sum"]),
        similarity_sum=float(total["similarity_sum"]),
        caption_chars_sum=int(total["caption_chars_sum"]),
        rules=dict(_summed(profiles, "rule_counts", "rule").iter_rows()),
        by_value={
            **{
                name: _summed(profiles, name, "value").sort("value")
                for name in (*COUNTS_BY_VALUE, *COUNTS_BY_HUNDREDTH, "caption_chars_counts")
            },
            "megapixel_counts": _summed(profiles, "megapixel_counts", "centi_megapixels")
            .rename({"centi_megapixels": "value"})
            .sort("value"),
        },
        by_name={name: _summed(profiles, name, "name") for name in COUNTS_BY_NAME},
        nulls_by_language=_exploded(profiles, "null_counts_by_language")
        .group_by("language", "column")
        .agg(pl.col("rows", "nulls").sum())
        .sort("language", "column"),
    )


def quantile_of_counts(counts: pl.DataFrame, at: float) -> float | None:
    """The ``ceil(at n)``-th smallest of n values given as sorted (value, count); None of no values."""
    if counts.height == 0:
        return None
    reached = counts.get_column("count").cum_sum()
    position = min(reached.search_sorted(max(at * reached[-1], 1), side="left"), counts.height - 1)
    return float(counts.get_column("value")[position])


def _exploded(profiles: pl.DataFrame, column: str) -> pl.DataFrame:
    return profiles.select(pl.col(column).explode(empty_as_null=False)).unnest(column)


def _summed(profiles: pl.DataFrame, column: str, key: str) -> pl.DataFrame:
    return (
        _exploded(profiles, column)
        .group_by(key)
        .agg(pl.col("count").sum())
        .sort(["count", key], descending=[True, False], nulls_last=True)
    )
