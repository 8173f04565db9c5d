"""The figures of valid rows, counted slice by slice.

Only counting and adding happens here; what the figures are called and mean is in ``profile``, and ``part_profile``
makes a profile of them.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from laion_assets.metadata.hosts import host_counts
from laion_assets.metadata.size_classes import bucket_of_number, historical_bucket_number, short_side_bucket

LARGEST_SIDE_PX = 1_000_000
"""Rows that declare more than this are not counted in figures of sizes: no image format has as much."""

_PLACES = 2_000_000  # 16 MB
_SCORES = ("similarity", "punsafe", "pwatermark")
_NULLABLE_BY_LANGUAGE = (*_SCORES, "row_hash")
_N = pl.len().cast(pl.Int64).alias("count")


@dataclass
class Tally:
    """Counts that grow slice by slice.

    Attributes:
        rules: Rows per rule.
        losses: Values that could not be cast, per canonical column.
        sums: Whole and fractional sums by name.
        counts: Per figure, one frame of keys and counts per slice, no key twice in a frame.
        similarities: Per slice, finite ``similarity`` and whether the caption is English (``en``).
    """

    rows_in: int = 0
    rows_valid: int = 0
    rows_quarantined: int = 0
    rows_flagged: int = 0
    distinct_urls: int = 0
    distinct_url_captions: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    similarities: list[pl.DataFrame] = field(default_factory=list)

    def add_rows(self, valid: pl.DataFrame) -> None:
        """Count one slice of valid rows; columns that the dataset does not publish must not be among them."""
        self.rows_valid += valid.height
        if {"declared_width", "declared_height"} <= set(valid.columns):
            self._sizes(valid)
        if "url" in valid.columns:
            self._keep("host_counts", host_counts(valid.get_column("url")))
        if "caption" in valid.columns:
            self._caption_chars(valid)
        for name in _SCORES:
            if name in valid.columns:
                hundredth = (pl.col(name).cast(pl.Float64) * 100).floor().clip(-101, 101).cast(pl.Int32)
                self._keep(f"{name}_counts", _by_value(valid, hundredth))
        if "language" in valid.columns:
            self._languages(valid)
        if "similarity" in valid.columns:
            self._similarity(valid)
        # Not by unpivot: the columns are a stranger's, and one of them may be called "name".
        nulls = {"name": valid.columns, "count": [column.null_count() for column in valid]}
        self._keep("null_counts", pl.DataFrame(nulls, schema={"name": pl.String(), "count": pl.Int64()}))

    def merged(self, name: str) -> pl.DataFrame | None:
        """The counts of one figure over all slices, sorted by key; None where nothing was counted."""
        frames = self.counts.get(name)
        if not frames:
            return None
        frame = pl.concat(frames)
        amounts = [column for column in ("count", "rows", "nulls") if column in frame.columns]
        keys = [column for column in frame.columns if column not in amounts]
        if len(frames) > 1:
            frame = frame.group_by(keys).agg(pl.col(amounts).sum()).select(frame.columns)
        return frame.sort(keys)

    def _sizes(self, valid: pl.DataFrame) -> None:
        width, height = pl.col("w"), pl.col("h")
        # Where a dataset does without the rules about sizes: no sum may overflow, no ratio be infinite.
        possible = width.is_between(1, LARGEST_SIDE_PX) & height.is_between(1, LARGEST_SIDE_PX)
        sizes = valid.select(w="declared_width", h="declared_height").filter(possible).rechunk()
        self._add("sized_rows", sizes.height)
        self._add("aspect_sum", steady_sum(sizes.select(width / height).to_series()))
        self._add("pixels_sum", sizes.select((width.cast(pl.Int64) * height).sum()).item())
        shorter = pl.when(width < height).then(width).otherwise(height)
        hundredths = (width.cast(pl.Int64) * height // 10_000).cast(pl.Int32)
        ratio = width / height
        shape = pl.when(ratio > 1.1).then(1).when(ratio < 0.9).then(2).otherwise(0)
        self._keep("width_counts", _by_value(sizes, width))
        self._keep("height_counts", _by_value(sizes, height))
        short_sides = _by_value(sizes, shorter)
        self._keep("short_side_counts", short_sides)
        self._keep("megapixel_counts", _by_value(sizes, hundredths).rename({"value": "centi_megapixels"}))
        value, count = pl.col("value"), pl.col("count")
        buckets = short_sides.group_by(name=short_side_bucket(value, value)).agg(count.sum())
        self._keep("bucket_counts", buckets)
        historical = _by_value(sizes, historical_bucket_number(width, height))
        self._keep("historical_bucket_counts", historical.select(name=bucket_of_number(value), count=count))
        shapes = value.replace_strict([0, 1, 2], ["square", "landscape", "portrait"], return_dtype=pl.String)
        self._keep("aspect_counts", _by_value(sizes, shape).select(name=shapes, count=count))

    def _caption_chars(self, valid: pl.DataFrame) -> None:
        chars = valid.select(chars=pl.col("caption").str.len_chars().cast(pl.Int32))
        self._add("caption_chars_sum", chars.select(pl.col("chars").cast(pl.Int64).sum()).item())
        count = pl.col("chars")
        rounded = pl.when(count < 1000).then(count // 10 * 10).otherwise(count // 1000 * 1000)
        self._keep("caption_chars_counts", _by_value(chars, rounded))

    def _languages(self, valid: pl.DataFrame) -> None:
        nullable = [name for name in _NULLABLE_BY_LANGUAGE if name in valid.columns]
        nulls = pl.col(nullable).null_count().cast(pl.Int64)
        rows = valid.group_by("language").agg(_N.alias("rows"), nulls)
        self._keep("language_counts", rows.select(name="language", count="rows"))
        if nullable:
            by_column = rows.unpivot(nullable, index=["language", "rows"], variable_name="column", value_name="nulls")
            self._keep("null_counts_by_language", by_column)

    def _similarity(self, valid: pl.DataFrame) -> None:
        english = pl.col("language") == "en" if "language" in valid.columns else pl.lit(None, pl.Boolean)
        kept = valid.select("similarity", en=english).filter(pl.col("similarity").is_finite())
        self._add("similarity_sum", steady_sum(kept.get_column("similarity")))
        self.similarities.append(kept)

    def _keep(self, name: str, frame: pl.DataFrame) -> None:
        self.counts.setdefault(name, []).append(frame)

    def _add(self, name: str, amount: float) -> None:
        self.sums[name] = self.sums.get(name, 0) + amount


def steady_sum(values: pl.Series) -> float:
    """The sum of floats, the same in every run: polars adds in an order that depends on its threads."""
    return float(np.sum(values.to_numpy()))


def _by_value(frame: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    """How often each whole number occurs. Small ones, as nearly always, are counted in an array, which is quicker."""
    numbers = frame.select(value=value.drop_nulls())
    values = numbers.to_series().to_numpy()
    least = int(values.min(initial=0))
    if int(values.max(initial=0)) - least > _PLACES:
        return numbers.group_by("value").agg(_N)
    counts = np.bincount(values - least)
    found = counts.nonzero()[0]
    return pl.DataFrame({"value": pl.Series(found + least, dtype=pl.Int32), "count": counts[found]})
