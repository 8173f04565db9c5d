"""Made-up parts, and what one pass over them gives."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from laion_assets.metadata.reading import open_published
from laion_assets.metadata.rulebook import Rulebook, rulebook
from laion_assets.metadata.spec import ColumnsSpec
from laion_assets.metadata.validation import ROWS_PER_SLICE, validate

PUBLISHED_SCHEMA: dict[str, pl.DataType] = {
    "URL": pl.String(),
    "TEXT": pl.String(),
    "WIDTH": pl.Int32(),
    "HEIGHT": pl.Int32(),
    "similarity": pl.Float64(),
    "LANGUAGE": pl.String(),
    "hash": pl.Int64(),
    "pwatermark": pl.Float32(),
    "punsafe": pl.Float32(),
}
"""What LAION-High-Resolution publishes."""

SOUND_ROW: dict[str, Any] = {
    "URL": "https://example.org/a.jpg",
    "TEXT": "a red bicycle",
    "WIDTH": 1600,
    "HEIGHT": 1200,
    "similarity": 0.31,
    "LANGUAGE": "en",
    "hash": 1,
    "pwatermark": 0.1,
    "punsafe": 0.01,
}


@dataclass(frozen=True)
class Pass:
    """What one pass over a part wrote."""

    valid: pl.DataFrame
    quarantined: pl.DataFrame
    profile: dict[str, Any]
    profile_frame: pl.DataFrame
    valid_path: Path

    @property
    def rules(self) -> dict[str, int]:
        """Rows per rule that any row breaks."""
        return {one["rule"]: one["count"] for one in self.profile["rule_counts"] if one["count"]}

    def counts(self, name: str) -> dict[Any, int]:
        """One of the profile's lists of counts as a mapping."""
        return {next(iter(one.values())): one["count"] for one in self.profile[name]}


def rows(*changes: dict[str, Any], schema: dict[str, pl.DataType] | None = None) -> pl.DataFrame:
    """Sound rows with distinct URLs, each with some values replaced."""
    records = [{**SOUND_ROW, "URL": f"https://example.org/{n}.jpg", **change} for n, change in enumerate(changes)]
    return pl.DataFrame(records, schema=schema or PUBLISHED_SCHEMA, strict=False)


def one_pass(
    path: Path,
    *,
    book: Rulebook | None = None,
    columns: ColumnsSpec | None = None,
    rows_per_slice: int = ROWS_PER_SLICE,
    part: str = "part-00000",
) -> Pass:
    """Validate a published file."""
    valid_path, quarantine_path = path.with_name("valid.parquet"), path.with_name("quarantined.parquet")
    with open_published(path, part=part, columns=columns, scratch=path.parent) as table:
        profile = validate(
            table,
            book or rulebook(),
            valid_path=valid_path,
            quarantine_path=quarantine_path,
            rows_per_slice=rows_per_slice,
        )
    return Pass(
        pl.read_parquet(valid_path),
        pl.read_parquet(quarantine_path),
        profile.row(0, named=True),
        profile,
        valid_path,
    )


@pytest.fixture
def passed(tmp_path: Path) -> Callable[..., Pass]:
    """Publish a frame as parquet and validate it."""

    def run(frame: pl.DataFrame, **options: Any) -> Pass:  # noqa: ANN401 (those of one_pass)
        path = tmp_path / "part-00000.parquet"
        frame.write_parquet(path)
        return one_pass(path, **options)

    return run
