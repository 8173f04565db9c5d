"""The figures of valid rows, counted: what a profile is made of.

Works on slices of a part, so that a part of any size has a profile. Only counting and adding happens here; names and
types are in ``profile``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from laion_assets.metadata.columns import Mapped
from laion_assets.metadata.profile import OTHERS, PROFILE_SCHEMA, QUANTILES, quantile_of_counts
from laion_assets.metadata.size_classes import historical_bucket, short_side_bucket

_KEPT_NAMES = 200
_AUTHORITY = re.compile(r"(?:.*@)?(\[[^\]]*\]|[^:]*)", re.DOTALL)
_NULLABLE_BY_LANGUAGE = ("similarity", "punsafe", "pwatermark", "row_hash")


@dataclass
class Tally:
    """Counts that grow slice by slice."""

    rows_in: int = 0
    rows_valid: int = 0
    rows_quarantined: int = 0
    rows_flagged: int = 0
    distinct_urls: int = 0
    distinct_url_captions: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    counts: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    similarities: list[pl.DataFrame] = field(default_factory=list)

    def add_rows(self, valid: pl.DataFrame) -> None:
        """Count one slice of valid rows under canonical names."""
        self.rows_valid += valid.height
        has = set(valid.columns)
        self._count("null_counts", valid.null_count().unpivot(variable_name="name", value_name="count"))
        if {"declared_width", "declared_height"} <= has:
            self._count_sizes(valid)
        for name in ("similarity", "punsafe", "pwatermark"):
            if name in has:
                hundredths = (pl.col(name).cast(pl.Float64) * 100).floor().clip(-101, 101).cast(pl.Int32)
                self._count(f"{name}_counts", _values(valid, hundredths))
        if "caption" in has:
            chars = valid.get_column("caption").str.len_chars().cast(pl.Int32).to_frame("chars")
            self._sum("caption_chars_sum", chars.get_column("chars").cast(pl.Int64).sum())
            one = pl.col("chars")
            edge = pl.when(one < 1000).then(one // 10 * 10).otherwise(one // 1000 * 1000)
            self._count("caption_chars_counts", _values(chars, edge))
        if "language" in has:
            self._count("language_counts", _names(valid.get_column("language")))
            self._count_nulls_by_language(valid)
        if "similarity" in has:
            language = pl.col("language") == "en" if "language" in has else pl.lit(None, pl.Boolean)
            kept = valid.select("similarity", en=language)
            self._sum("similarity_sum", kept.get_column("similarity").sum())
            self.similarities.append(kept)
        if "url" in has:
            self._count("host_counts", _hosts(valid.get_column("url")))

    def profile(self, *, part: str, mapped: Mapped, rules_not_applicable: Sequence[str]) -> pl.DataFrame:
        """The profile of the part, one row of ``PROFILE_SCHEMA``."""
        counted = {name: _merged(frames) for name, frames in self.counts.items()}
        similarity = _similarity_spreads(self.similarities)
        row: dict[str, object] = {
            "part": part,
            "rows_in": self.rows_in,
            "rows_valid": self.rows_valid,
            "rows_quarantined": self.rows_quarantined,
            "rows_flagged": self.rows_flagged,
            "distinct_urls": self.distinct_urls,
            "distinct_url_captions": self.distinct_url_captions,
            "distinct_url_share": self.distinct_urls / self.rows_valid if self.rows_valid else None,
            "sized_rows": int(self.sums.get("sized_rows", 0)),
            "aspect_sum": float(self.sums.get("aspect_sum", 0.0)),
            "pixels_sum": int(self.sums.get("pixels_sum", 0)),
            "similarity_sum": float(self.sums.get("similarity_sum", 0.0)),
            "caption_chars_sum": int(self.sums.get("caption_chars_sum", 0)),
            "width": _spread(counted.get("width_counts")),
            "height": _spread(counted.get("height_counts")),
            "short_side": _spread(counted.get("short_side_counts")),
            "megapixels": _megapixel_spread(counted.get("megapixel_counts"), self.sums),
            **similarity,
            "rule_counts": [{"rule": rule, "count": count} for rule, count in self.rules.items()],
            "rules_not_applicable": list(rules_not_applicable),
            "cast_losses": [{"name": name, "count": count} for name, count in self.losses.items()],
            "published_columns": _published(mapped),
        }
        for name in ("language_counts", "host_counts"):
            if name in counted:
                counted[name] = _most_frequent(counted[name])
        for name, dtype in PROFILE_SCHEMA.items():
            if name not in row:
                frame = counted.get(name)
                row[name] = [] if frame is None else frame.to_dicts()
        return pl.DataFrame([row], schema=PROFILE_SCHEMA)

    def _count_sizes(self, valid: pl.DataFrame) -> None:
        width, height = pl.col("w"), pl.col("h")
        sizes = valid.select(w="declared_width", h="declared_height").drop_nulls()
        # Many rows share a size: 1.33 M rows have some 500,000 pairs, and pairs are all that sizes are about.
        pairs = sizes.group_by("w", "h").agg(n=pl.len().cast(pl.Int64)).sort("w", "h")
        pixels = width.cast(pl.Int64) * height.cast(pl.Int64)
        aspect = width / height
        figures = pairs.select(
            "n", "w", "h",
            short=pl.min_horizontal("w", "h"),
            pixels=pixels,
            aspect=aspect,
            bucket=short_side_bucket(width, height),
            historical=historical_bucket(width, height),
            shape=pl.when(aspect > 1.1).then(pl.lit("landscape")).when(aspect < 0.9).then(pl.lit("portrait"))
            .otherwise(pl.lit("square")),
        )  # fmt: skip
        n = pl.col("n")
        totals = figures.select(rows=n.sum(), aspect=(n * pl.col("aspect")).sum(), pixels=(n * pl.col("pixels")).sum())
        self._sum("sized_rows", totals.item(0, "rows"))
        self._sum("aspect_sum", totals.item(0, "aspect"))
        self._sum("pixels_sum", totals.item(0, "pixels"))
        centi = (pl.col("pixels") // 10_000).cast(pl.Int32)
        for name, key, label in (
            ("width_counts", pl.col("w"), "value"),
            ("height_counts", pl.col("h"), "value"),
            ("short_side_counts", pl.col("short"), "value"),
            ("megapixel_counts", centi, "centi_megapixels"),
            ("bucket_counts", pl.col("bucket"), "name"),
            ("historical_bucket_counts", pl.col("historical"), "name"),
            ("aspect_counts", pl.col("shape"), "name"),
        ):
            self._count(name, figures.group_by(key.alias(label)).agg(count=n.sum()))

    def _count_nulls_by_language(self, valid: pl.DataFrame) -> None:
        columns = [name for name in _NULLABLE_BY_LANGUAGE if name in valid.columns]
        if not columns:
            return
        grouped = valid.group_by("language").agg(pl.len().cast(pl.Int64).alias("rows"), pl.col(columns).null_count())
        frame = grouped.unpivot(columns, index=["language", "rows"], variable_name="column", value_name="nulls")
        self._count(
            "null_counts_by_language", frame.select("language", "column", "rows", pl.col("nulls").cast(pl.Int64))
        )

    def _count(self, name: str, frame: pl.DataFrame) -> None:
        self.counts.setdefault(name, []).append(frame)

    def _sum(self, name: str, amount: float) -> None:
        self.sums[name] = self.sums.get(name, 0) + amount


def _values(frame: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    return frame.lazy().select(value=value).drop_nulls().group_by("value").agg(count=pl.len().cast(pl.Int64)).collect()


def _names(values: pl.Series) -> pl.DataFrame:
    return values.alias("name").to_frame().group_by("name").agg(count=pl.len().cast(pl.Int64))


def _hosts(urls: pl.Series) -> pl.DataFrame:
    """Rows per host, without user, port and case; the URL is split on rows, the rest is done once per distinct value."""
    authority = urls.str.split_exact("/", 2).struct.field("field_2").alias("name")
    counted = _names(authority)
    hosts = [_host(value) for value in counted.get_column("name")]
    return counted.with_columns(name=pl.Series(hosts, dtype=pl.String)).group_by("name").agg(pl.col("count").sum())


def _host(authority: str | None) -> str | None:
    if authority is None:
        return None
    found = _AUTHORITY.match(re.split(r"[?#]", authority, maxsplit=1)[0])
    return found.group(1).lower() if found else None


def _merged(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One frame with counts added per key, sorted by key; keys are all columns but the counts."""
    frame = pl.concat(frames)
    amounts = [name for name in ("count", "rows", "nulls") if name in frame.columns]
    keys = [name for name in frame.columns if name not in amounts]
    return frame.group_by(keys).agg(pl.col(amounts).cast(pl.Int64).sum()).sort(keys).select(frame.columns)


def _most_frequent(counted: pl.DataFrame) -> pl.DataFrame:
    ordered = counted.sort(["count", "name"], descending=[True, False], nulls_last=True)
    rest = ordered.slice(_KEPT_NAMES)
    if rest.height == 0:
        return ordered
    others = pl.DataFrame({"name": [OTHERS], "count": [rest.get_column("count").sum()]}, schema=ordered.schema)
    return pl.concat([ordered.head(_KEPT_NAMES), others])


def _spread(counts: pl.DataFrame | None) -> dict[str, float | None] | None:
    if counts is None or counts.height == 0:
        return None
    value, count = counts.get_column("value"), counts.get_column("count")
    return {
        "min": float(value[0]),
        "mean": float((value.cast(pl.Int64) * count).sum()) / float(count.sum()),
        **{name: quantile_of_counts(counts, at) for name, at in QUANTILES.items()},
        "max": float(value[-1]),
    }


def _megapixel_spread(counts: pl.DataFrame | None, sums: Mapping[str, float]) -> dict[str, float | None] | None:
    """Quantiles to the hundredth of a megapixel, the mean exactly."""
    spread = _spread(None if counts is None else counts.rename({"centi_megapixels": "value"}))
    if spread is None:
        return None
    hundredths = {name: value / 100 if value is not None else None for name, value in spread.items()}
    return {**hundredths, "mean": sums["pixels_sum"] / sums["sized_rows"] / 1e6}


def _similarity_spreads(kept: Sequence[pl.DataFrame]) -> dict[str, object]:
    if not kept:
        return dict.fromkeys(("similarity", "similarity_en", "similarity_not_en"))
    frame = pl.concat(kept).drop_nulls("similarity").sort("similarity")
    return {
        "similarity": _sorted_spread(frame),
        "similarity_en": _sorted_spread(frame.filter("en")),
        "similarity_not_en": _sorted_spread(frame.filter(~pl.col("en"))),
    }


def _sorted_spread(frame: pl.DataFrame) -> dict[str, float] | None:
    n = frame.height
    if n == 0:
        return None
    values = frame.get_column("similarity")
    positions = {name: min(max(-int(-(at * n) // 1) - 1, 0), n - 1) for name, at in QUANTILES.items()}
    return {
        "min": values[0],
        "mean": float(values.mean()),  # type: ignore[arg-type]
        **{name: values[position] for name, position in positions.items()},
        "max": values[n - 1],
    }


def _published(mapped: Mapped) -> list[dict[str, str | None]]:
    used_as = {published: name for name, published in mapped.canonical.items()} | dict(mapped.extras)
    return [{"name": name, "dtype": str(dtype), "used_as": used_as.get(name)} for name, dtype in mapped.schema.items()]
