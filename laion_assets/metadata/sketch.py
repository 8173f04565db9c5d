"""A part's sketch: the valid rows that a sample draws first, whole, in a small file of their own.

A sample of 10,000 in 170 million rows is some 80 of each part, and to find those in a validated file means to read all
of it. So the pass over a part keeps the rows whose score is in the lowest hundredth of what scores can be (a theta
sketch: A. Dasgupta, K. J. Lang, L. Rhodes and J. Thaler, "A framework for estimating stream expression cardinalities",
ICDT 2016). Sketches of all parts hold every row of the dataset below that threshold, so a sample whose scores all lie
below it is the same from them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.metadata.draw_order import score
from laion_assets.metadata.schema import VALIDATED_SCHEMA

FOLDER = "sample_sketch"
"""Where sketches lie, beside the assets: a file per part, written with the validated one."""

SKETCHED_BELOW = 2**64 // 100
"""A sketch holds the rows with a smaller score."""

SKETCH_SCHEMA: dict[str, pl.DataType] = {**VALIDATED_SCHEMA, "seed": pl.UInt64(), "valid_bytes": pl.Int64()}
"""``seed`` is that of the scores, ``valid_bytes`` the size of the validated file the rows are from."""

_PARTS_AT_ONCE = 4


class Sketch:
    """Takes the sketch from a part's valid rows as they come. A hundredth of them is kept in memory."""

    def __init__(self, part: str, *, seed: int) -> None:
        self._part = part
        self._seed = seed
        self._kept: list[pl.DataFrame] = []

    def add(self, valid: pl.DataFrame) -> None:
        """Look at further rows of the part."""
        scores = score(self._seed, self._part, valid.get_column("row").to_numpy())
        rows = valid.filter(pl.Series(scores < SKETCHED_BELOW)).select(list(VALIDATED_SCHEMA))
        # By way of Arrow's older layout, which copies texts: few of them would keep the memory of all.
        self._kept.append(pl.DataFrame(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), schema=VALIDATED_SCHEMA))

    def rows(self, *, valid_bytes: int) -> pl.DataFrame:
        """What was kept, in the order it came: ``SKETCH_SCHEMA``.

        Args:
            valid_bytes: Size of the part's validated file.
        """
        made_of = {"seed": self._seed, "valid_bytes": valid_bytes}
        rows = pl.concat([pl.DataFrame(schema=VALIDATED_SCHEMA), *self._kept])
        return rows.with_columns(pl.lit(value, SKETCH_SCHEMA[name]).alias(name) for name, value in made_of.items())


def sketches_of(lake: Lake, dataset: str, parts: Sequence[str], *, seed: int) -> dict[str, pl.LazyFrame]:
    """The sketches that can stand for their parts: of this seed, and of the validated files that are there now.

    A part may have none: it was validated before there were any, its pass was interrupted between the two files, the
    dataset's seed was another one, or it is so small that no row's score is low enough.

    Args:
        lake: Where they are.
        dataset: First segment of the asset keys.
        parts: Keys of the parts that are asked about.
        seed: Of the sample that is to be drawn.

    Returns:
        Rows of ``SKETCH_SCHEMA`` by part key.
    """
    there = set(lake.list_names([dataset, FOLDER], ".parquet"))

    def usable(part: str) -> pl.LazyFrame | None:
        name = f"{part}.parquet"
        if name not in there:
            return None
        sketch = lake.scan_parquet(lake.uri([dataset, FOLDER], name))
        valid_bytes = lake.size_bytes(lake.uri([dataset, "validated_metadata"], name))
        made_of = sketch.select("seed", "valid_bytes").head(1).collect().rows()
        return sketch if made_of == [(seed, valid_bytes)] else None

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        found = dict(zip(parts, pool.map(usable, parts), strict=True))
    return {part: sketch for part, sketch in found.items() if sketch is not None}
