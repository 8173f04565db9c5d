"""A part's sketch: the valid rows that a sample draws first, whole, in a small file of their own.

A sample of 10,000 in 170 million rows is some 80 of each part, and to find those in a validated file means to read all
of it. So the pass over a part keeps the rows whose score is in the lowest hundredth of what scores can be (a theta
sketch: A. Dasgupta, K. J. Lang, L. Rhodes and J. Thaler, "A framework for estimating stream expression cardinalities",
ICDT 2016). Sketches of all parts hold every row of the dataset below that threshold, so a sample whose scores all lie
below it is the same from them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.parquet import write_parquet
from laion_assets.metadata.draw_order import score
from laion_assets.metadata.schema import VALIDATED_SCHEMA

SKETCHES = "sample_sketch"
"""Where sketches lie, beside the assets: a file per part, published before the validated one."""

SKETCHED_BELOW = np.uint64(2**64 // 100)
"""A sketch holds the rows with a smaller score."""

_STAMP: dict[str, pl.DataType] = {
    "seed": pl.UInt64(),
    "below": pl.UInt64(),
    "valid_rows": pl.Int64(),
    "valid_bytes": pl.Int64(),
}
SKETCH_SCHEMA: dict[str, pl.DataType] = {**VALIDATED_SCHEMA, **_STAMP}
"""Rows as they were validated, and in each what the sketch is of: the seed of the scores, below which they are, how
many valid rows the part has, and the size of their file."""

_PARTS_AT_ONCE = 4


class Sketch:
    """Takes the sketch from a part's valid rows as they come. A hundredth of them is kept in memory."""

    def __init__(self, part: str, *, seed: int) -> None:
        self._part = part
        self._seed = seed
        self._valid_rows = 0
        self._kept: list[pl.DataFrame] = []

    def add(self, valid: pl.DataFrame) -> None:
        """Look at further rows of the part."""
        self._valid_rows += valid.height
        scores = score(self._seed, self._part, valid.get_column("row").to_numpy())
        rows = valid.select(list(VALIDATED_SCHEMA)).filter(pl.Series(scores < SKETCHED_BELOW))
        # By way of Arrow's older layout, which copies texts: few of them would keep the memory of all.
        self._kept.append(pl.DataFrame(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), schema=VALIDATED_SCHEMA))

    def rows(self, *, valid_bytes: int) -> pl.DataFrame:
        """What was kept, in the order it came.

        Args:
            valid_bytes: Size of the part's validated file.

        Returns:
            Rows of ``SKETCH_SCHEMA``.
        """
        stamp = (self._seed, int(SKETCHED_BELOW), self._valid_rows, valid_bytes)
        rows = pl.concat([pl.DataFrame(schema=VALIDATED_SCHEMA), *self._kept])
        return rows.with_columns(
            pl.lit(value, dtype).alias(name) for value, (name, dtype) in zip(stamp, _STAMP.items(), strict=True)
        )

    def write(self, path: Path, *, valid: Path) -> None:
        """Write it, once the validated file is whole."""
        write_parquet(self.rows(valid_bytes=valid.stat().st_size), path)


@dataclass(frozen=True)
class PartSketch:
    """A sketch that can stand for its part.

    Attributes:
        rows: Of ``SKETCH_SCHEMA``.
        valid_rows: How many valid rows the part has.
    """

    rows: pl.LazyFrame
    valid_rows: int


def sketches_of(lake: Lake, dataset: str, parts: Sequence[str], *, seed: int) -> dict[str, PartSketch]:
    """The sketches that can stand for their parts: of this seed, and of the validated files that are there now.

    A part may have none: it was validated before there were any or with another seed, its pass was interrupted between
    the two files, or it is so small that no row's score is low enough. Whether a sketch is of the file that is there is
    told by that file's rows and bytes.

    Args:
        lake: Where they are.
        dataset: First segment of the asset keys.
        parts: Keys of the parts that are asked about.
        seed: Of the sample that is to be drawn.

    Returns:
        Sketches by part key.
    """
    there = set(lake.list_names([dataset, SKETCHES], ".parquet"))

    def usable(part: str) -> PartSketch | None:
        name = f"{part}.parquet"
        if name not in there:
            return None
        rows = lake.scan_parquet(lake.uri([dataset, SKETCHES], name))
        valid = lake.uri([dataset, "validated_metadata"], name)
        valid_rows = int(lake.scan_parquet(valid).select(pl.len()).collect().item())
        stamp = (seed, int(SKETCHED_BELOW), valid_rows, lake.size_bytes(valid))
        return PartSketch(rows, valid_rows) if rows.select(list(_STAMP)).head(1).collect().rows() == [stamp] else None

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        found = dict(zip(parts, pool.map(usable, parts), strict=True))
    return {part: sketch for part, sketch in found.items() if sketch is not None}
