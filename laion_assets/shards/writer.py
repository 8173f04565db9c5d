"""img2dataset's webdataset writer, made reproducible: at given paths, named by true format, hashed while written.

What is inherited is the format itself: which members a sample has, how they are named, what the JSON looks like.
"""

import hashlib
import tarfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset as wds

from laion_assets.shards.upstream import BufferedParquetWriter, WebDatasetSampleWriter

# img2dataset flushes every 100 rows, each time as a row group of its own.
_ROWS_PER_GROUP = 10_000
_WRITE_BYTES = 1 << 22


class HashedFile:
    """A file that knows the sha256 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        """Write and hash."""
        self._hash.update(content)
        self.size += len(content)
        return self._file.write(content)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Flush the file below."""
        self._file.flush()

    def close(self) -> None:
        """Close the file below."""
        self._file.close()

    def hexdigest(self) -> str:
        """The sha256 of everything so far."""
        return self._hash.hexdigest()


class _TableWriter(BufferedParquetWriter):  # type: ignore[misc]
    """Builds its tables with polars: pyarrow would import pandas for it, which takes a second."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.buffer_size = _ROWS_PER_GROUP
        self.schema = schema
        self._types = pl.from_arrow(schema.empty_table()).schema  # type: ignore[union-attr]
        self._initiatlize_buffer()
        self.output_fd = path.open("wb")
        self.parquet_writer = pq.ParquetWriter(self.output_fd, schema)

    def flush(self) -> None:
        """Write the buffered rows as one row group."""
        if self.current_buffer_size == 0:
            return
        table = pl.DataFrame(self.buffer, schema=self._types).to_arrow()
        self.parquet_writer.write_table(table.cast(self.schema))
        self._initiatlize_buffer()


class ShardWriter(WebDatasetSampleWriter):  # type: ignore[misc]
    """Writes the tar and the parquet of one shard."""

    def __init__(self, *, tar: Path, parquet: Path, schema: pa.Schema) -> None:
        self.tar_fd = HashedFile(tar.open("wb", buffering=_WRITE_BYTES))
        # Without a fixed time two tars of the same images would differ; a float costs a PAX header of 1 KB per member.
        self.tarwriter = wds.TarWriter(self.tar_fd, mtime=0)
        # webdataset opens a stream of 10 KiB blocks; whole images at a time take a third of the time.
        self.tarwriter.tarstream = cast("Any", tarfile).open(
            fileobj=self.tar_fd, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=_WRITE_BYTES
        )
        self.buffered_parquet_writer = _TableWriter(parquet, schema)
        self.save_caption = True
        self.encode_format = "jpg"

    def write(
        self, img_str: bytes | None, key: str, caption: str | None, meta: dict[str, Any], suffix: str = "jpg"
    ) -> None:
        """Write one row: to the parquet always, to the tar if there is an image, as ``<key>.<suffix>``."""
        self.encode_format = suffix
        super().write(img_str, key, caption, meta)
