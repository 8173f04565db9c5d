"""Whether the published hash is the one of URL and caption.

The hash is the first half of mmh3's 128-bit x64 hash of the two strings put together. Where it does not fit, URL,
caption or hash were changed after publication, or columns were mixed up.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

SAMPLED_ROWS = 1000


@dataclass(frozen=True)
class HashFinding:
    """How many of the rows looked at have the hash of their URL and caption."""

    looked_at: int
    fitting: int
    misfits: tuple[int, ...]
    """``row`` of the first few that do not fit."""

    @property
    def share(self) -> float:
        """Share of fitting rows; 1 when there was none to look at."""
        return self.fitting / self.looked_at if self.looked_at else 1.0


def sampled_positions(rows: int, *, part: str, seed: int = 0, size: int = SAMPLED_ROWS) -> list[int]:
    """A uniform choice of positions that depends on nothing but seed, part and number of rows."""
    return sorted(random.Random(f"{seed}/{part}").sample(range(rows), min(size, rows)))  # noqa: S311 (no secret)


def row_hash(url: str | None, caption: str | None) -> int:
    """The hash that LAION published with a row."""
    import mmh3

    return mmh3.hash64((url or "") + (caption or ""))[0]


def published_or_computed(rows: pl.DataFrame) -> pl.Series:
    """The hash of each row: as published, and where there is none, the one LAION would have published.

    Args:
        rows: Columns ``url``, ``caption``, ``row_hash``.
    """
    published = rows.get_column("row_hash")
    absent = published.is_null().arg_true()
    if absent.is_empty():
        return published
    computed = [row_hash(url, caption) for url, caption in rows.select("url", "caption")[absent].iter_rows()]
    return published.scatter(absent, computed)


def check_hashes(rows: pl.DataFrame) -> HashFinding:
    """Compare published with computed hashes.

    Args:
        rows: Columns ``row``, ``url``, ``caption``, ``row_hash``; rows without a hash are not looked at.
    """
    published = rows.filter(pl.col("row_hash").is_not_null())
    misfits = [row for row, url, caption, found in _tuples(published) if row_hash(url, caption) != found]
    return HashFinding(published.height, published.height - len(misfits), tuple(misfits[:5]))


def _tuples(rows: pl.DataFrame) -> Sequence[tuple[int, str | None, str | None, int]]:
    return rows.select("row", "url", "caption", "row_hash").rows()
