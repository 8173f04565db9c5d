"""A published file as a table of rows: parquet as it is, CSV, TSV and JSON lines turned into parquet first.

Whatever is wrong with the file as a whole is found here and said in one sentence that names file, part and finding.
Columns are given meaning in ``columns``.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from laion_assets.lake.errors import is_no_room
from laion_assets.metadata.columns import Mapped, map_columns
from laion_assets.metadata.errors import DamagedPartError
from laion_assets.metadata.spec import ColumnsSpec
from laion_assets.metadata.text_files import is_text_file, text_file_start, text_to_parquet

_MAGIC = b"PAR1"
_REFETCH = "Fetch the part again; if it stays so, the publisher's file is damaged."


@dataclass(frozen=True)
class PublishedTable:
    """The rows of one part as published.

    Attributes:
        part: Partition key.
        file: Name of the file, for messages.
        rows: How many rows it has.
        mapped: Which column means what.
    """

    part: str
    file: str
    rows: int
    mapped: Mapped
    path: Path

    @property
    def where(self) -> str:
        """File and part, as messages begin."""
        return f"{self.file} ({self.part})"

    def slices(self, rows_per_slice: int) -> Iterator[tuple[int, pl.DataFrame]]:
        """All rows in order, at most so many at a time, each slice with the position of its first row.

        Raises:
            DamagedPartError: Bytes in the middle of the file do not decode.
        """
        for offset in range(0, self.rows, rows_per_slice):
            with damage_named(self.where):
                frame = pl.scan_parquet(self.path, glob=False).slice(offset, rows_per_slice).collect().rechunk()
            if frame.height != min(rows_per_slice, self.rows - offset):
                found = offset + frame.height
                raise DamagedPartError(f"{self.where}: announces {self.rows:,} rows and holds {found:,}. {_REFETCH}")
            yield offset, frame


def is_file_of_part(name: str, part: str) -> bool:
    """Whether a file of this name is the published file of a part: its key and an ending that we read."""
    ending = name.removeprefix(part)
    return ending != name and (ending == ".parquet" or text_file_start(ending) == 0)


@contextlib.contextmanager
def open_published(
    path: Path, *, part: str, file: str | None = None, columns: ColumnsSpec | None = None, scratch: Path
) -> Iterator[PublishedTable]:
    """Open a published file.

    Args:
        path: The file; its name's ending says what it is (.parquet, .csv, .tsv, .jsonl, .ndjson; .gz, .zst).
        part: Partition key.
        file: What messages call the file; its name by default.
        columns: The dataset's aliases.
        scratch: Folder for the parquet form of a text file, removed again.

    Raises:
        DamagedPartError: The file is empty, cut off, not what its name says, or has no rows.
        SchemaMismatchError: A column is missing or of a wrong type.
    """
    file = file or path.name
    where = f"{file} ({part})"
    if path.stat().st_size == 0:
        raise DamagedPartError(f"{where}: the file is empty, 0 bytes. {_REFETCH}")
    with contextlib.ExitStack() as stack:
        if is_text_file(path.name):
            table = stack.enter_context(text_to_parquet(path, where=where, columns=columns or {}, scratch=scratch))
        else:
            _check_is_parquet(path, where)
            table = path
        with damage_named(where):
            lazy = pl.scan_parquet(table, glob=False)
            schema = lazy.collect_schema()
            rows = int(lazy.select(pl.len()).collect().item())
        mapped = map_columns(schema, columns, where=where)
        if rows == 0:
            raise DamagedPartError(f"{where}: the file has its columns but zero rows. {_REFETCH}")
        yield PublishedTable(part, file, rows, mapped, table)


@contextlib.contextmanager
def damage_named(where: str) -> Iterator[None]:
    """Turn what the parquet reader throws at damaged bytes into one sentence."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        if is_no_room(error) or (isinstance(error, OSError) and error.errno is not None):
            raise  # the disk's trouble, not the file's
        finding = " ".join(str(error).split())[:300]
        raise DamagedPartError(f"{where}: its bytes do not decode ({finding}). {_REFETCH}") from error


def _check_is_parquet(path: Path, where: str) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(512)
        file.seek(max(0, size - len(_MAGIC)))
        tail = file.read()
    if head.startswith(_MAGIC):
        if tail != _MAGIC or size < 12:
            raise DamagedPartError(
                f"{where}: the parquet file is cut off after {size:,} bytes, its end is missing. {_REFETCH}"
            )
        return
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise DamagedPartError(
            f"{where}: an HTML or XML page came in place of parquet, probably a login or error page of the hub. "
            "Check token and terms of the source, then fetch the part again."
        )
    if head.startswith(b"version https://git-lfs"):
        raise DamagedPartError(f"{where}: a Git LFS pointer came in place of the file it points to. {_REFETCH}")
    raise DamagedPartError(f"{where}: not a parquet file, it begins with {head[:12]!r}. {_REFETCH}")
