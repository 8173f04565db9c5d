"""Valid rows as ``validated_metadata`` holds them, made up column by column."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.probes.schema import PROBE_SCHEMA


def valid_rows(count: int, *, part: str = "part-00000", **columns: Sequence[Any]) -> pl.DataFrame:
    """``count`` ordinary rows; the columns given replace the ordinary ones."""
    ordinary: dict[str, Sequence[Any]] = {
        "part": [part] * count,
        "row": range(count),
        "url": [f"https://img{index % 7}.example.org/{part}/{index}.jpg" for index in range(count)],
        "caption": [f"a photograph of thing {index}" for index in range(count)],
        "declared_width": [1600] * count,
        "declared_height": [1200] * count,
        "similarity": [0.3] * count,
        "language": ["en"] * count,
        "row_hash": [hash((part, index)) for index in range(count)],
        "pwatermark": [0.1] * count,
        "punsafe": [0.01] * count,
        "flags": [[] for _ in range(count)],
    }
    return pl.DataFrame({**ordinary, **columns}, schema=VALIDATED_SCHEMA)


def probes_of(rows: pl.DataFrame, **columns: Sequence[Any]) -> pl.DataFrame:
    """Probes of rows, all of them fine unless columns say otherwise; each row stands for itself."""
    count = rows.height
    fine: dict[str, Sequence[Any]] = {
        "outcome": ["ok"] * count,
        "error": [None] * count,
        "http_status": [200] * count,
        "true_width": [1600] * count,
        "true_height": [1200] * count,
        "format": ["jpeg"] * count,
        "exif_orientation": [None] * count,
        "file_bytes": [400_000] * count,
        "bytes_read": [4096] * count,
        "requests": [1] * count,
        "seconds": [0.1] * count,
        "final_host": ["img.example.org"] * count,
        "opted_out": [False] * count,
        "probed_at": [None] * count,
    }
    probed = pl.DataFrame({**fine, **columns}, schema=PROBE_SCHEMA)
    return pl.concat([rows.with_columns(pl.lit(1.0).alias("weight")), probed], how="horizontal")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))
