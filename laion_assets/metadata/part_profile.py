"""The profile of one part, made of what was counted.

Exact counts are stored as they are; figures for people (spreads, shares) follow from them.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from laion_assets.metadata.columns import Mapped
from laion_assets.metadata.profile import OTHERS, PROFILE_SCHEMA, QUANTILES, quantile_of_counts
from laion_assets.metadata.tally import Tally, steady_sum

KEPT_NAMES = 200
"""Hosts and languages counted by name; the rest are counted together."""

_Spread = Mapping[str, float | None]


def part_profile(tally: Tally, *, part: str, mapped: Mapped, rules_not_applicable: Sequence[str]) -> pl.DataFrame:
    """One row of ``PROFILE_SCHEMA``."""
    counts = {name: tally.merged(name) for name in tally.counts}
    for name in ("language_counts", "host_counts"):
        counts[name] = _most_frequent(counts.get(name))
    counts["null_counts_by_language"] = _of_languages(counts.get("null_counts_by_language"), counts["language_counts"])
    row: dict[str, object] = {
        "part": part,
        "rows_in": tally.rows_in,
        "rows_valid": tally.rows_valid,
        "rows_quarantined": tally.rows_quarantined,
        "rows_flagged": tally.rows_flagged,
        "distinct_urls": tally.distinct_urls,
        "distinct_url_captions": tally.distinct_url_captions,
        "distinct_url_share": tally.distinct_urls / tally.rows_valid if tally.rows_valid else None,
        "width": _spread(counts.get("width_counts")),
        "height": _spread(counts.get("height_counts")),
        "short_side": _spread(counts.get("short_side_counts")),
        "megapixels": _megapixel_spread(counts.get("megapixel_counts"), tally),
        **_similarity_spreads(tally.similarities),
        "rule_counts": [{"rule": rule, "count": count} for rule, count in tally.rules.items()],
        "rules_not_applicable": list(rules_not_applicable),
        "cast_losses": [{"name": name, "count": count} for name, count in sorted(tally.losses.items())],
        "published_columns": _published(mapped),
    }
    lists = []
    for name, dtype in PROFILE_SCHEMA.items():
        if name not in row:
            frame = counts.get(name)
            if frame is None:
                row[name] = [] if isinstance(dtype, pl.List) else tally.sums.get(name, 0)
            else:
                lists.append(frame.to_struct(name).implode().cast(dtype))
    single = pl.DataFrame([row], schema={name: dtype for name, dtype in PROFILE_SCHEMA.items() if name in row})
    return single.with_columns(lists).select(*PROFILE_SCHEMA)


def _most_frequent(counted: pl.DataFrame | None) -> pl.DataFrame | None:
    if counted is None:
        return None
    ordered = counted.sort(["count", "name"], descending=[True, False], nulls_last=True)
    rest = ordered.slice(KEPT_NAMES)
    if rest.height == 0:
        return ordered
    others = pl.DataFrame({"name": [OTHERS], "count": [rest.get_column("count").sum()]}, schema=ordered.schema)
    return pl.concat([ordered.head(KEPT_NAMES), others])


def _of_languages(nulls: pl.DataFrame | None, languages: pl.DataFrame | None) -> pl.DataFrame | None:
    """The same languages by name as are counted by name."""
    if nulls is None or languages is None:
        return nulls
    named = pl.col("language").is_null() | pl.col("language").is_in(languages.get_column("name").drop_nulls().implode())
    language = pl.when(named).then("language").otherwise(pl.lit(OTHERS)).alias("language")
    return nulls.group_by(language, "column").agg(pl.col("rows", "nulls").sum()).sort("language", "column")


def _spread(counts: pl.DataFrame | None) -> _Spread | None:
    if counts is None or counts.height == 0:
        return None
    value, count = counts.get_column("value"), counts.get_column("count")
    return {
        "min": float(value[0]),
        "mean": float((value.cast(pl.Int64) * count).sum()) / float(count.sum()),
        **{name: quantile_of_counts(counts, at) for name, at in QUANTILES.items()},
        "max": float(value[-1]),
    }


def _megapixel_spread(counts: pl.DataFrame | None, tally: Tally) -> _Spread | None:
    """Quantiles to the hundredth of a megapixel, the mean exactly."""
    spread = _spread(None if counts is None else counts.rename({"centi_megapixels": "value"}))
    if spread is None:
        return None
    hundredths = {name: None if value is None else value / 100 for name, value in spread.items()}
    return {**hundredths, "mean": tally.sums["pixels_sum"] / tally.sums["sized_rows"] / 1e6}


def _similarity_spreads(kept: Sequence[pl.DataFrame]) -> dict[str, object]:
    if not kept:
        return dict.fromkeys(("similarity", "similarity_en", "similarity_not_en"))
    frame = pl.concat(kept)
    return {
        "similarity": _exact_spread(frame.get_column("similarity")),
        "similarity_en": _exact_spread(frame.filter("en").get_column("similarity")),
        "similarity_not_en": _exact_spread(frame.filter(~pl.col("en")).get_column("similarity")),
    }


def _exact_spread(values: pl.Series) -> _Spread | None:
    n = values.len()
    if n == 0:
        return None
    positions = {name: max(math.ceil(at * n), 1) - 1 for name, at in QUANTILES.items()}
    ordered = np.sort(values.to_numpy())
    return {
        "min": float(ordered[0]),
        "mean": steady_sum(values) / n,
        **{name: float(ordered[position]) for name, position in positions.items()},
        "max": float(ordered[n - 1]),
    }


def _published(mapped: Mapped) -> list[dict[str, str | None]]:
    used_as = {published: name for name, published in mapped.canonical.items()} | dict(mapped.extras)
    return [{"name": name, "dtype": str(dtype), "used_as": used_as.get(name)} for name, dtype in mapped.schema.items()]
