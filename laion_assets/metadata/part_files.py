"""A parquet file written slice by slice, the same bytes however often it is written.

One slice goes straight into the file. Several are kept beside it and joined by a streaming copy at the end, because a
parquet file cannot be appended to.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import polars as pl
from typing_extensions import Self

_ROWS_PER_GROUP = 250_000
# zstd level 1 writes a part in 0.45 s, level 3 in 0.75 s, for files 6 % smaller.
_LEVEL = 1


@dataclass(frozen=True)
class WrittenFile:
    """What was written: rows read back from the file's own footer, bytes, and what identifies the content."""

    rows: int
    size_bytes: int
    sha256: str


def describe(path: Path) -> WrittenFile:
    """Rows, size and digest of a parquet file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    rows = int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    return WrittenFile(rows, path.stat().st_size, digest.hexdigest())


class PartFile:
    """Collects the slices of one table; the file is there when the block ends well."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first: pl.DataFrame | None = None
        self._slices: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def append(self, rows: pl.DataFrame) -> None:
        """Add rows after those already there."""
        if self._first is None and not self._slices:
            self._first = rows
            return
        if self._first is not None:
            self._spill(self._first)
            self._first = None
        self._spill(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._first is not None:
                write(self._first, self.path)
            elif kind is None and self._slices:
                pl.scan_parquet(self._slices, glob=False).sink_parquet(
                    self.path,
                    compression="zstd",
                    compression_level=_LEVEL,
                    row_group_size=_ROWS_PER_GROUP,
                    maintain_order=True,
                )
        finally:
            for slice_path in self._slices:
                slice_path.unlink(missing_ok=True)

    def _spill(self, rows: pl.DataFrame) -> None:
        path = self.path.with_name(f".{self.path.name}.{len(self._slices)}.slice")
        self._slices.append(path)
        rows.write_parquet(path, compression="lz4", statistics=False)


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame in one go."""
    frame.rechunk().write_parquet(
        path, compression="zstd", compression_level=_LEVEL, statistics=True, row_group_size=_ROWS_PER_GROUP
    )
