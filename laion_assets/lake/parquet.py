"""How tables are written as parquet: the same bytes for the same rows, whatever their chunks and threads."""

from pathlib import Path
from typing import Any

import polars as pl

# Level 3 takes 1.8 times as long to write the rows of a part, for files 5 % smaller. Pages of 128 KB make files 2.6 %
# larger than those of 1 MB that polars writes, and to find a hundred rows of a part take half the time: a page that has
# none of them is not unpacked.
SETTINGS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "statistics": True,
    "row_group_size": 250_000,
    "data_page_size": 1 << 17,
}
"""For a frame or for a stream."""


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame in one go."""
    frame.rechunk().write_parquet(path, **SETTINGS)
