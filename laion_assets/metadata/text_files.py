"""CSV, TSV and JSON lines as parquet, with every value as text so that nothing is guessed and nothing is lost.

TSV is read line by line without quoting, because that is how captions are published in it: a quotation mark is a
quotation mark. What a line holds beyond its last column goes into an extra column, which a rule quarantines.
"""

import contextlib
import csv
import itertools
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from laion_assets.lake.errors import is_no_room
from laion_assets.metadata.columns import OVERFLOW, free_name
from laion_assets.metadata.errors import DamagedPartError
from laion_assets.metadata.part_files import PartFile
from laion_assets.metadata.spec import ColumnsSpec

_TEXT_FILE = re.compile(r"\.(csv|tsv|txt|jsonl|ndjson)(\.gz|\.zst)?\Z", re.IGNORECASE)
_JSON_BATCH = 50_000
_BOM = "\ufeff"


def is_text_file(name: str) -> bool:
    """Whether a file of this name is one that this module reads."""
    return text_file_start(name) is not None


def text_file_start(name: str) -> int | None:
    """Where in the name the ending of a text file starts."""
    found = _TEXT_FILE.search(name)
    return found.start() if found else None


@contextlib.contextmanager
def text_to_parquet(path: Path, *, where: str, columns: ColumnsSpec, scratch: Path) -> Iterator[Path]:
    """Yield a parquet file with the same rows, which is removed at the end of the block.

    A file whose YAML maps columns by position (``#1``) has no header; its columns are called ``#1``, ``#2``, ….

    Raises:
        DamagedPartError: The text is not UTF-8, not the format its name says, or an HTML page.
    """
    kind = str(_TEXT_FILE.search(path.name).group(1)).lower()  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".text-") as folder:
        target = Path(folder) / "rows.parquet"
        with _damage_named(where, kind):
            if kind in ("jsonl", "ndjson"):
                _json_lines(path, target, where)
            else:
                read = _comma_separated if kind == "csv" else _tab_separated
                read(path, where, columns).sink_parquet(target, compression="lz4")
        yield target


@contextlib.contextmanager
def _damage_named(where: str, kind: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, csv.Error, RecursionError) as error:
        if is_no_room(error) or (isinstance(error, OSError) and error.errno is not None):
            raise  # the disk's trouble, not the file's
        finding = " ".join(str(error).split())[:200]
        raise DamagedPartError(
            f"{where}: cannot be read as {kind.upper()} ({finding}). Fetch the part again."
        ) from error


def _positions(columns: ColumnsSpec) -> int:
    """The highest column position that the YAML maps, 0 when the file has a header."""
    numbers = [int(alias[1:]) for aliases in columns.values() for alias in aliases if re.fullmatch(r"#[1-9]\d*", alias)]
    return max(numbers, default=0)


def _lines(path: Path) -> pl.LazyFrame:
    """Lines with something in them, and how many lines of any kind are before each."""
    lines = pl.scan_lines(path, name="line").with_row_index("before")
    return lines.with_columns(pl.col("line").str.strip_suffix("\r")).filter(pl.col("line") != "")


def _first_line(path: Path, where: str) -> tuple[int, str]:
    """How many empty lines a file begins with, and the one behind them."""
    found = _lines(path).head(1).collect()
    if found.height == 0:
        raise DamagedPartError(f"{where}: the file has no line with text in it. Fetch the part again.")
    empty, first = found.row(0)
    line = str(first).removeprefix(_BOM)
    if re.match(r"\s*<(!doctype|html|\?xml)", line, re.IGNORECASE):
        raise DamagedPartError(
            f"{where}: an HTML page came in place of the file, probably a login or error page. "
            "Check token and terms of the source, then fetch the part again."
        )
    return empty, line


def _with_overflow(names: list[str]) -> list[str]:
    taken: set[str] = set()
    unique = []
    for position, name in enumerate(names, 1):
        unique.append(free_name(name.strip() or f"#{position}", taken))
        taken.add(unique[-1])
    return [*unique, OVERFLOW]


def _tab_separated(path: Path, where: str, columns: ColumnsSpec) -> pl.LazyFrame:
    _, line = _first_line(path, where)
    first = line.split("\t")
    headerless = _positions(columns) > 0
    width = max(len(first), _positions(columns))
    names = _with_overflow([f"#{n + 1}" for n in range(width)] if headerless else first)
    lines = _lines(path) if headerless else _lines(path).slice(1)
    fields = pl.col("line").str.strip_prefix(_BOM).str.splitn("\t", len(names)).struct.rename_fields(names)
    return lines.select(fields).unnest("line")


def _comma_separated(path: Path, where: str, columns: ColumnsSpec) -> pl.LazyFrame:
    empty, line = _first_line(path, where)
    first = next(csv.reader([line]))
    headerless = _positions(columns) > 0
    width = max(len(first), _positions(columns))
    names = _with_overflow([f"#{n + 1}" for n in range(width)] if headerless else first)
    return pl.scan_csv(
        path,
        has_header=False,
        skip_rows=0 if headerless else empty + 1,
        schema=dict.fromkeys(names, pl.String()),
        missing_columns="insert",
        truncate_ragged_lines=True,
        glob=False,
    )


def _json_lines(path: Path, target: Path, where: str) -> None:
    """Each line's members as text; a member that is itself a list or an object stays JSON."""
    _first_line(path, where)
    names: dict[str, None] = {}
    for row in _objects(path, where):
        names.update(dict.fromkeys(row))
    schema = dict.fromkeys(names, pl.String())
    rows = _objects(path, where)
    with PartFile(target) as file:
        while batch := list(itertools.islice(rows, _JSON_BATCH)):
            file.append(pl.DataFrame(batch, schema=schema))


def _objects(path: Path, where: str) -> Iterator[dict[str, str | None]]:
    number = 0
    for batch in _lines(path).collect_batches(chunk_size=_JSON_BATCH, maintain_order=True):
        for line in batch.get_column("line"):
            number += 1
            try:
                value = json.loads(line.removeprefix(_BOM))
            except ValueError as error:
                finding = f"line {number} is not JSON ({error})"
                raise DamagedPartError(f"{where}: {finding}. Fetch the part again.") from error
            if not isinstance(value, dict):
                raise DamagedPartError(f"{where}: line {number} is JSON, but no object. Fetch the part again.")
            yield {_encodable(key): _as_text(member) for key, member in value.items()}


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return _encodable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _encodable(text: str) -> str:
    r"""JSON can spell half a surrogate pair (an emoji cut in two), which UTF-8 cannot: it stays spelled ``\ud83d``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
