"""How tables are written as parquet: the same bytes for the same rows, whatever their chunks and threads."""

from pathlib import Path
from typing import Any

import polars as pl

SETTINGS: dict[str, Any] = {
    # A part takes a twentieth to a sixth less time to validate than with zstd at its quickest level. Files are about as
    # large as published ones, which have snappy; those of zstd are 0.7 times the size.
    "compression": "lz4",
    # Least and largest values take 7 % of a part's time. Those of URLs spare a reader nothing, those of row numbers do,
    # and polars has one setting for all columns.
    "statistics": True,
    "row_group_size": 250_000,
    # In place of polars' 1 MiB: with zstd files were 2.6 % larger and took as long to write, and a hundred rows of a
    # part were found in half to two thirds of the processor time, since a page that has none of them is not unpacked.
    "data_page_size": 1 << 17,
}
"""For a frame or for a stream."""


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame in one go."""
    frame.rechunk().write_parquet(path, **SETTINGS)
