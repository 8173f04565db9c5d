"""What only the dataset as a whole can decide about a subset: rows repeated in other parts, and the cap.

The result is small (a threshold and a list of repeated rows), so that every part can apply it on its own and the same
rows come out however the work was split.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from laion_assets.subsets.selection import duplicate_column
from laion_assets.subsets.spec import SubsetSpec

REPEATED_SCHEMA: dict[str, pl.DataType] = {"part": pl.String(), "row": pl.UInt32()}
"""Rows left out because an earlier part, or an earlier row, has the same."""

# Rows whose hashes are compared at once: 20 million take about 1 GB.
_ROWS_AT_ONCE = 20_000_000
# 18 bits split the numbers from 0.5 to 1 into 64 buckets.
_BUCKET_BITS = 18
_BUCKETS = 1 << _BUCKET_BITS


class StalePlanError(RuntimeError):
    """The plan does not fit the rows, or these not the subset; the message says what to materialise."""


def outdated_plan(part: str) -> StalePlanError:
    """The plan was made for other rows of this part."""
    return StalePlanError(f"{part}: the plan was made before its rows. Materialise the subset's plan again.")


@dataclass(frozen=True)
class PartCut:
    """What is left of one part."""

    selected: int
    """Rows its own ``rows`` asset holds."""
    repeated: int
    """Of these, repeated in an earlier part."""
    planned: int
    """Of the others, within the cap: the rows to download."""


@dataclass(frozen=True)
class Cut:
    """Where the subset ends: rows up to and including the threshold, in the order of score, part and row."""

    parts: Mapping[str, PartCut]
    threshold: tuple[float, str, int] | None
    """None where every row is in."""
    cap: int | None
    """The cap that was applied: in proportion while only some of the expected parts are there."""
    ordered_by_score: bool

    @property
    def planned(self) -> int:
        """Rows to download, over all parts."""
        return sum(part.planned for part in self.parts.values())

    @property
    def selected(self) -> int:
        """Rows all parts selected, each on its own."""
        return sum(part.selected for part in self.parts.values())

    @property
    def repeated(self) -> int:
        """Rows left out because an earlier part has the same."""
        return sum(part.repeated for part in self.parts.values())

    def apply(self, part: str, rows: pl.DataFrame, repeated: pl.DataFrame) -> pl.DataFrame:
        """The planned rows of one part, in the order in which they go into shards.

        Under a cap that order is by score, so that a higher cap only adds rows at the end and finished shards stay.

        Raises:
            StalePlanError: The plan was made for other rows.
        """
        mine = self.parts.get(part)
        planned = rows.join(repeated.filter(pl.col("part") == part), on=["part", "row"], how="anti")
        if self.threshold is not None:
            score, last_part, last_row = self.threshold
            tied = pl.col("score") == score
            before = (pl.lit(part) < last_part) | ((pl.lit(part) == last_part) & (pl.col("row") <= last_row))
            planned = planned.filter((pl.col("score") < score) | (tied & before))
        if mine is None or mine.planned != planned.height:
            raise outdated_plan(part)
        return planned.sort("score", "row") if self.ordered_by_score else planned.sort("row")

    def to_json(self) -> dict[str, Any]:
        """The cut as it is stored; JSON has no infinity, the score of rows without a value, so that is a word."""
        score, *last = self.threshold or (None,)
        return {
            "parts": {key: vars(part) for key, part in self.parts.items()},
            "threshold": [score if math.isfinite(score) else str(score), *last] if score is not None else None,
            "cap": self.cap,
            "ordered_by_score": self.ordered_by_score,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Cut":
        """The cut that was stored."""
        threshold = stored["threshold"]
        return cls(
            {key: PartCut(**part) for key, part in stored["parts"].items()},
            (float(threshold[0]), str(threshold[1]), int(threshold[2])) if threshold else None,
            stored["cap"],
            stored["ordered_by_score"],
        )


def make_cut(
    parts: Mapping[str, pl.LazyFrame], subset: SubsetSpec, *, expected_parts: int | None = None
) -> tuple[Cut, pl.DataFrame]:
    """Decide what the subset is, over all parts that are there.

    Args:
        parts: the selected rows of each part, in ``ROWS_SCHEMA``.
        subset: what is wanted.
        expected_parts: how many parts the dataset has when complete; while fewer are there, the cap is applied in
            proportion, so that the rows chosen now are mostly those that are chosen in the end.

    Returns:
        The cut, and the repeated rows in ``REPEATED_SCHEMA``.
    """
    keys = sorted(parts)
    selected = {key: int(parts[key].select(pl.len()).collect().item()) for key in keys}
    repeated = _repeated(parts, keys, subset, sum(selected.values()))
    repeats = dict(repeated.group_by("part").len().iter_rows())

    cap = subset.cap.rows if subset.cap else None
    if cap is not None and expected_parts is not None and 0 < len(keys) < expected_parts:
        cap = max(1, round(cap * len(keys) / expected_parts))
    left = {key: selected[key] - repeats.get(key, 0) for key in keys}
    threshold, planned = None, left
    if cap is not None and sum(left.values()) > cap:
        threshold, planned = _threshold(parts, keys, repeated, cap)
    cuts = {key: PartCut(selected[key], repeats.get(key, 0), planned[key]) for key in keys}
    return Cut(cuts, threshold, cap, ordered_by_score=subset.cap is not None), repeated


def _repeated(parts: Mapping[str, pl.LazyFrame], keys: list[str], subset: SubsetSpec, total: int) -> pl.DataFrame:
    if subset.duplicates == "keep" or len(keys) < 2:
        return pl.DataFrame(schema=REPEATED_SCHEMA)
    column = pl.col(duplicate_column(subset))
    identity = column.hash() if subset.duplicates == "drop_same_url" else column.cast(pl.UInt64, wrap_numerical=True)
    slices = max(1, -(-total // _ROWS_AT_ONCE))
    found = []
    for turn in range(slices):
        ids = pl.concat(
            [
                parts[key]
                .filter(column.is_not_null())
                .select(identity.alias("id"), pl.lit(index, pl.UInt32).alias("index"), "row")
                .filter(pl.col("id") % slices == turn)
                for index, key in enumerate(keys)
            ]
        )
        rows = ids.collect(engine="streaming").sort("id", "index", "row")
        found.append(rows.filter(~pl.col("id").is_first_distinct()).select("index", "row"))
    names = pl.DataFrame({"index": range(len(keys)), "part": keys}, schema={"index": pl.UInt32, "part": pl.String})
    return pl.concat(found).join(names, on="index").select("part", "row").sort("part", "row")


def _threshold(
    parts: Mapping[str, pl.LazyFrame], keys: list[str], repeated: pl.DataFrame, cap: int
) -> tuple[tuple[float, str, int], dict[str, int]]:
    """The last row within the cap, and how many rows of each part are within it.

    Three passes over two narrow columns, and never all rows at once: count ranks by their leading bits, look closer at
    the one bucket the cap falls into, count again.
    """

    def candidates(key: str) -> pl.DataFrame:
        gone = repeated.filter(pl.col("part") == key)["row"]
        rows = parts[key].select("row", "score").collect()
        return rows.filter(~pl.col("row").is_in(gone.implode())) if len(gone) else rows

    counts = np.zeros(_BUCKETS, dtype=np.int64)
    for key in keys:
        counts += np.bincount(_bucket(candidates(key)["score"]), minlength=_BUCKETS)
    full = np.cumsum(counts)
    bucket = int(np.searchsorted(full, cap))
    before = int(full[bucket - 1]) if bucket else 0
    close = np.concatenate([_in_bucket(candidates(key)["score"], bucket) for key in keys])
    limit = float(np.partition(close, cap - before - 1)[cap - before - 1])

    planned, tied = {}, {}
    for key in keys:
        rows = candidates(key)
        planned[key] = int((rows["score"] < limit).sum())
        tied[key] = rows.filter(pl.col("score") == limit)["row"].sort()
    missing = cap - sum(planned.values())
    last = (limit, keys[0], 0)
    for key in keys:
        taken = tied[key].head(missing)
        if len(taken):
            planned[key] += len(taken)
            missing -= len(taken)
            last = (limit, key, int(taken[-1]))
    return last, planned


def _bucket(scores: pl.Series) -> NDArray[np.int64]:
    """The leading bits of scores, as numbers in the same order (sign and magnitude turned into two's complement)."""
    bits = (scores.to_numpy() + 0.0).view(np.uint64)  # + 0.0 makes minus zero zero
    ordered = np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))
    return (ordered >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)


def _in_bucket(scores: pl.Series, bucket: int) -> NDArray[np.float64]:
    return np.asarray(scores.to_numpy()[_bucket(scores) == bucket], dtype=np.float64)
