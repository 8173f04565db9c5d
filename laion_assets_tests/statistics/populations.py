"""Made-up populations with known truth: rows, profiles and probes shaped as the rooms below write them."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl

import laion_assets
from laion_assets.metadata.profile import PROFILE_SCHEMA
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.size_classes import historical_bucket, short_side_bucket
from laion_assets.probes.schema import PROBE_SCHEMA

FITTED = Path(laion_assets.__file__).parent / "sandbox" / "laion_hr_sizes.parquet"

SCORES = ("similarity", "punsafe", "pwatermark")

_WORDS = [
    "red",
    "oak",
    "table",
    "lamp",
    "with",
    "brass",
    "foot",
    "mountain",
    "lake",
    "morning",
    "light",
    "vintage",
    "poster",
    "kitchen",
    "garden",
    "path",
    "old",
]


def fitted_sizes(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sizes resampled from the pairs fitted to the published figures."""
    pairs = pl.read_parquet(FITTED)
    chosen = np.random.default_rng(seed).integers(0, pairs.height, rows)
    return pairs["width"].to_numpy()[chosen], pairs["height"].to_numpy()[chosen]


def population(rows: int = 20_000, *, seed: int = 0, parts: int = 4) -> pl.DataFrame:
    """Valid rows of a dataset like LAION-High-Resolution."""
    random = np.random.default_rng(seed)
    width, height = fitted_sizes(rows, seed)
    hosts = np.minimum(random.geometric(0.08, rows), 60)
    language = random.choice(["en", "de", "ja", "nolang"], rows, p=[0.55, 0.2, 0.15, 0.1])
    words = random.poisson(8, rows)
    captions = [" ".join(random.choice(_WORDS, n)) + f" {i}" if n else "DSC_0123" for i, n in enumerate(words)]
    unknown = random.random(rows) < 0.02
    return pl.DataFrame(
        {
            "part": [f"part-{i * parts // max(rows, 1):05d}" for i in range(rows)],
            "row": np.arange(rows, dtype=np.uint32),
            "url": [f"https://shop{h}.example/{i}.jpg" for i, h in enumerate(hosts)],
            "caption": captions,
            "declared_width": width,
            "declared_height": height,
            "similarity": np.round(random.normal(0.32, 0.04, rows), 4),
            "language": language,
            "row_hash": random.integers(-(2**62), 2**62, rows),
            "pwatermark": [None if u else float(p) for u, p in zip(unknown, random.beta(0.4, 1.6, rows), strict=True)],
            "punsafe": [None if u else float(p) for u, p in zip(unknown, random.beta(0.1, 8, rows), strict=True)],
            "flags": [[] for _ in range(rows)],
        },
        schema_overrides=VALIDATED_SCHEMA,
        strict=False,
    ).select(list(VALIDATED_SCHEMA))


def probe(rows: pl.DataFrame, *, seed: int = 0, reachable: float = 0.85, smaller: float = 0.03) -> pl.DataFrame:
    """The truth about every row: ``smaller`` of the images shrink to a thumbnail, the rest of the links die."""
    random = np.random.default_rng(seed + 1)
    n = rows.height
    alive, shrunk = random.random(n) < reachable, random.random(n) < smaller
    factor = np.where(shrunk, 0.2 + 0.2 * random.random(n), 1.0)
    short = np.minimum(rows["declared_width"].to_numpy(), rows["declared_height"].to_numpy())
    factor = np.where(shrunk, np.minimum(factor, 1000 / np.maximum(short, 1)), factor)
    true_width = np.maximum(1, (rows["declared_width"].to_numpy() * factor).astype(int))
    true_height = np.maximum(1, (rows["declared_height"].to_numpy() * factor).astype(int))
    dead = random.choice(
        ["not_found", "dns_failed", "forbidden", "timed_out", "server_error"], n, p=[0.5, 0.2, 0.15, 0.1, 0.05]
    )
    file_bytes = (random.lognormal(13, 1.0, n) * factor).astype(int) + 1
    told = random.random(n) < 0.97
    start = datetime(2025, 3, 1, 8, 0, tzinfo=timezone.utc)
    found: dict[str, Sequence[object]] = {
        "outcome": np.where(alive, "ok", dead).tolist(),
        "error": [None] * n,
        "http_status": np.where(alive, 200, 404).tolist(),
        "true_width": known(alive, true_width),
        "true_height": known(alive, true_height),
        "format": known(alive, random.choice(["jpeg", "png", "webp"], n, p=[0.85, 0.1, 0.05])),
        "exif_orientation": [None] * n,
        "file_bytes": known(alive & told, file_bytes),
        "bytes_read": [4096] * n,
        "requests": [1] * n,
        "seconds": [0.2] * n,
        "final_host": [None] * n,
        "opted_out": (random.random(n) < 0.003).tolist(),
        "probed_at": [start + timedelta(seconds=i) for i in range(n)],
    }
    columns = {
        name: pl.Series(name, list(values), dtype=PROBE_SCHEMA[name], strict=False) for name, values in found.items()
    }
    return rows.with_columns(**columns)


def known(there: np.ndarray, values: np.ndarray) -> list[object]:
    """The values, None where they are not there."""
    return [value if yes else None for yes, value in zip(there, values.tolist(), strict=True)]


def profiles(rows: pl.DataFrame, *, quarantined: int = 25) -> pl.DataFrame:
    """One profile per part, with the mergeable figures that statistics pool."""
    width, height = pl.col("declared_width"), pl.col("declared_height")
    short = pl.min_horizontal(width, height)
    ratio = width / height
    aspect = (
        pl.when(ratio > 1.1)
        .then(pl.lit("landscape"))
        .when(ratio < 0.9)
        .then(pl.lit("portrait"))
        .when(ratio.is_not_null())
        .then(pl.lit("square"))
    )
    host = pl.col("url").str.extract("//([^/]+)", 1)
    centi = (width.cast(pl.Int64) * height.cast(pl.Int64) // 10_000).cast(pl.Int32)

    def counted(of: pl.Expr, key: str) -> dict[str, list[dict[str, object]]]:
        known = rows.select("part", of.alias(key)).drop_nulls(key)
        counts = known.group_by("part", key).agg(pl.len().cast(pl.Int64).alias("count")).sort("part", key)
        return {part: one.drop("part").to_dicts() for (part,), one in counts.partition_by("part", as_dict=True).items()}

    counts = {
        "width_counts": counted(width, "value"),
        "height_counts": counted(height, "value"),
        "short_side_counts": counted(short, "value"),
        "megapixel_counts": counted(centi, "centi_megapixels"),
        "bucket_counts": counted(short_side_bucket(width, height), "name"),
        "historical_bucket_counts": counted(historical_bucket(width, height), "name"),
        "aspect_counts": counted(aspect, "name"),
        "language_counts": counted(pl.col("language"), "name"),
        "host_counts": counted(host, "name"),
        **{f"{name}_counts": counted(hundredths(name), "value") for name in SCORES},
    }
    made = [
        {
            "part": part["part"][0],
            "rows_in": part.height + quarantined,
            "rows_valid": part.height,
            "rows_quarantined": quarantined,
            **{name: of_part.get(part["part"][0], []) for name, of_part in counts.items()},
            "aspect_sum": part.select(ratio.sum()).item() or 0.0,
            "sized_rows": part.drop_nulls(["declared_width", "declared_height"]).height,
            "pixels_sum": part.select((width.cast(pl.Int64) * height.cast(pl.Int64)).sum()).item(),
        }
        for part in rows.partition_by("part", maintain_order=True)
    ]
    nothing: dict[str, object] = {
        name: [] if isinstance(dtype, pl.List) else None if isinstance(dtype, pl.Struct) else 0
        for name, dtype in PROFILE_SCHEMA.items()
    }
    return pl.DataFrame([nothing | profile for profile in made], schema=PROFILE_SCHEMA)


def hundredths(name: str) -> pl.Expr:
    """As profiles count scores."""
    return (pl.col(name).cast(pl.Float64) * 100).floor().clip(-101, 101).cast(pl.Int32)


def draw(rows: pl.DataFrame, n: int, *, seed: int = 0) -> pl.DataFrame:
    """A simple random sample in canonical order, with equal weights."""
    chosen = np.sort(np.random.default_rng(seed).choice(rows.height, min(n, rows.height), replace=False))
    return rows[chosen].with_columns(weight=pl.lit(rows.height / max(1, len(chosen)), dtype=pl.Float64))
