"""Which rows are probed: a uniform choice over all rows of the parts that are there, seeded, nested and repeatable.

The sample is the rows with the smallest scores (``metadata.draw_order``), so the sample of one size lies within every
larger one of the same seed. Asking the web about the rows belongs to ``probe``.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from laion_assets.lake.errors import LakeError
from laion_assets.metadata.draw_order import Scores, score
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.size_classes import DEFAULT_EDGES_PX, short_side_bucket
from laion_assets.metadata.sketch import SKETCHED_BELOW, PartSketch
from laion_assets.probes.spec import SampleSpec, StratumKey

SAMPLE_SCHEMA: dict[str, pl.DataType] = {**VALIDATED_SCHEMA, "weight": pl.Float64()}
"""``weight`` is the number of rows that a sampled row stands for."""

_PARTS_AT_ONCE = 4
_EVERYTHING = ""
"""Name of the only stratum where there are none."""


class SampleError(ValueError):
    """No sample can be drawn as asked."""


@dataclass(frozen=True)
class PartCoverage:
    """How much of one part the sample holds."""

    part: str
    rows: int
    """Valid rows the part has."""
    sampled: int


@dataclass(frozen=True)
class Stratum:
    """One group of rows with a number of places in the sample of its own."""

    name: str
    rows: int
    sampled: int

    @property
    def weight(self) -> float:
        """Rows that one sampled row stands for."""
        return self.rows / self.sampled


@dataclass(frozen=True)
class Sample:
    """The rows drawn, in order of part and row, and what they were drawn from."""

    frame: pl.DataFrame
    """``SAMPLE_SCHEMA``."""
    coverage: tuple[PartCoverage, ...]
    strata: tuple[Stratum, ...]
    from_sketches: int = 0
    """Of how many parts nothing but the sketch was read."""

    @property
    def population_rows(self) -> int:
        """Rows the sample was drawn from."""
        return sum(part.rows for part in self.coverage)


def draw_sample(
    parts: Mapping[str, pl.LazyFrame], spec: SampleSpec, *, sketches: Mapping[str, PartSketch] | None = None
) -> Sample:
    """Draw a sample from the valid rows of some parts.

    Of every row only the column ``row`` is read, a few parts at a time; with strata the columns that make them, too,
    one part after the other. Further columns are read of the chosen rows alone. Memory is that of a few parts' columns
    and the sample. Of a part with a sketch only that is read, unless the sample turns out to reach beyond sketches.

    Args:
        parts: Rows of ``VALIDATED_SCHEMA`` by part key.
        spec: How many, which seed, and whether in strata.
        sketches: Of some of these parts, of this seed. The sample is the same without; strata do without, since how
            many rows each has only all rows tell.

    Raises:
        SampleError: There are more strata than rows to draw, or a share is asked for a stratum that has no rows.
        LakeError: A part became another while it was read.
    """
    keys = sorted(parts)
    if spec.strata:
        return _gather(parts, keys, *_select_in_strata(parts, keys, spec))
    if sketches:
        rows_of_part, selection = _select_from_all(parts, keys, spec, sketches)
        if selection.lies_below(SKETCHED_BELOW):
            foremost = {**parts, **{key: sketch.rows for key, sketch in sketches.items()}}
            drawn = _gather(foremost, keys, rows_of_part, {_EVERYTHING: selection})
            return replace(drawn, from_sketches=len(sketches))
    rows_of_part, selection = _select_from_all(parts, keys, spec, {})
    return _gather(parts, keys, rows_of_part, {_EVERYTHING: selection})


def _select_from_all(
    parts: Mapping[str, pl.LazyFrame], keys: Sequence[str], spec: SampleSpec, sketches: Mapping[str, PartSketch]
) -> tuple[dict[str, int], "Selection"]:
    """Rows of each part, and what is chosen from all of them, where there are sketches from what those have."""

    def scored(key: str) -> tuple[int, npt.NDArray[np.uint32], Scores]:
        sketch = sketches.get(key)
        rows = (sketch.rows if sketch else parts[key]).select("row").collect()["row"].to_numpy()
        return sketch.valid_rows if sketch else len(rows), rows, score(spec.seed, key, rows)

    rows_of_part, selection = dict[str, int](), Selection(spec.size)
    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        for first in range(0, len(keys), _PARTS_AT_ONCE):  # handed over a few at a time, so that no more are held
            some = keys[first : first + _PARTS_AT_ONCE]
            for key, (height, rows, scores) in zip(some, pool.map(scored, some), strict=True):
                rows_of_part[key] = height
                selection.offer(key, rows, scores, out_of=height)
    return rows_of_part, selection


def _select_in_strata(
    parts: Mapping[str, pl.LazyFrame], keys: Sequence[str], spec: SampleSpec
) -> tuple[dict[str, int], dict[str, "Selection"]]:
    """Rows of each part, and what is chosen from each stratum, by its name."""
    sizes: dict[str, int] = {}
    for key in keys:
        strata = _stratum_column(parts[key], spec.strata).select("stratum").collect()["stratum"]
        for name, count in strata.value_counts().iter_rows():
            sizes[name] = sizes.get(name, 0) + count
    places = allocate(sizes, spec.size, spec.stratum_shares)
    rows_of_part: dict[str, int] = {}
    selections: dict[str, Selection] = {}
    for key in keys:
        frame = _stratum_column(parts[key], spec.strata).select("row", "stratum").collect()
        rows_of_part[key] = frame.height
        for (name,), group in frame.group_by("stratum"):
            rows = group["row"].to_numpy()
            selection = selections.setdefault(str(name), Selection(places[str(name)]))
            selection.offer(key, rows, score(spec.seed, key, rows), out_of=len(rows))
    return rows_of_part, selections


def _gather(
    parts: Mapping[str, pl.LazyFrame],
    keys: Sequence[str],
    rows_of_part: Mapping[str, int],
    selections: Mapping[str, "Selection"],
) -> Sample:
    chosen: dict[str, list[pl.DataFrame]] = {}
    strata = []
    for name, selection in sorted(selections.items()):
        rows_by_part = selection.chosen()
        drawn = sum(len(rows) for rows in rows_by_part.values())
        if not drawn:
            continue
        stratum = Stratum(name, selection.offered, drawn)
        strata.append(stratum)
        for key, rows in rows_by_part.items():
            chosen.setdefault(key, []).append(
                pl.DataFrame({"row": pl.Series(rows, dtype=pl.UInt32)}).with_columns(weight=pl.lit(stratum.weight))
            )

    def rows_of(key: str) -> pl.DataFrame:
        return _rows_of_part(parts[key], key, pl.concat(chosen[key]).sort("row"))

    # Some parts of a lake that is far away are waited for at the same time. The last are read first: mostly they were
    # written last, so where memory holds some of the files, it holds those.
    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        frames = list(pool.map(rows_of, [key for key in reversed(keys) if key in chosen]))[::-1]
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=SAMPLE_SCHEMA)
    coverage = tuple(
        PartCoverage(key, rows_of_part[key], sum(frame.height for frame in chosen.get(key, ()))) for key in keys
    )
    return Sample(frame, coverage, tuple(strata))


def _rows_of_part(part: pl.LazyFrame, key: str, wanted: pl.DataFrame) -> pl.DataFrame:
    columns = [pl.lit(key).alias("part") if name == "part" else pl.col(name) for name in VALIDATED_SCHEMA]
    found = part.filter(pl.col("row").is_in(wanted["row"].implode())).select(columns).collect()
    if found.height != wanted.height:
        raise LakeError(
            f"{key}: {wanted.height} of its rows were chosen, and {found.height} of them are there now. It was "
            "validated anew meanwhile; draw the sample again.",
            retryable=True,
        )
    frame = wanted.join(found, on="row", how="left", maintain_order="left", validate="1:1")
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SAMPLE_SCHEMA.items())


class Selection:
    """The ``size`` rows with the smallest scores among all that were offered, in whatever order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.offered = 0
        self._parts: list[str] = []
        self._scores: Scores = np.empty(0, np.uint64)
        self._rows: npt.NDArray[np.uint32] = np.empty(0, np.uint32)
        self._part_numbers: npt.NDArray[np.uint32] = np.empty(0, np.uint32)
        self._threshold = 2**64 - 1

    def offer(self, part: str, rows: npt.NDArray[np.integer], scores: Scores, *, out_of: int) -> None:
        """Consider rows of one part, the foremost of so many or all of them."""
        self.offered += out_of
        if not self.size:
            return
        good = np.flatnonzero(scores <= np.uint64(self._threshold))
        self._scores = np.concatenate([self._scores, scores[good]])
        self._rows = np.concatenate([self._rows, rows[good].astype(np.uint32)])
        number = np.full(len(good), len(self._parts), np.uint32)
        self._part_numbers = np.concatenate([self._part_numbers, number])
        self._parts.append(part)
        if len(self._scores) > self.size:
            self._threshold = int(np.partition(self._scores, self.size - 1)[self.size - 1])
            kept = np.flatnonzero(self._scores <= np.uint64(self._threshold))
            self._scores, self._rows = self._scores[kept], self._rows[kept]
            self._part_numbers = self._part_numbers[kept]

    def lies_below(self, limit: np.uint64) -> bool:
        """Whether all places are taken by rows with scores below a limit: then no row above it would be chosen."""
        return int((self._scores < limit).sum()) >= self.size

    def chosen(self) -> dict[str, npt.NDArray[np.uint32]]:
        """Rows chosen, ascending, by part key."""
        # Equal scores of different parts are told apart by the parts' names, whatever order they came in.
        by_name = np.argsort(np.argsort(np.array(self._parts, dtype=object))) if self._parts else np.empty(0, np.int64)
        order = np.lexsort((self._rows, by_name[self._part_numbers], self._scores))[: self.size]
        rows, numbers = self._rows[order], self._part_numbers[order]
        return {
            part: np.sort(rows[numbers == number])
            for number, part in enumerate(self._parts)
            if (numbers == number).any()
        }


# --- strata -----------------------------------------------------------------------------------------------------------


STRATUM_OF: Mapping[StratumKey, pl.Expr] = {
    "language": pl.col("language"),
    "size_class": short_side_bucket(pl.col("declared_width"), pl.col("declared_height"), edges_px=DEFAULT_EDGES_PX),
}
"""How the stratum of a valid row is computed, for each of the keys that strata can have."""


def _stratum_column(part: pl.LazyFrame, keys: Iterable[StratumKey]) -> pl.LazyFrame:
    named = [STRATUM_OF[key].fill_null("unknown") for key in keys]
    return part.with_columns(stratum=pl.concat_str(named, separator="/"))


def allocate(sizes: Mapping[str, int], size: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many places of a sample each stratum has.

    Places are handed out one after another, which is what keeps samples nested: first one to every stratum, since a
    stratum without any could not be estimated, then each to the one furthest behind its share (Sainte-Laguë's rule).

    Args:
        sizes: Rows per stratum, none of them zero.
        size: Places in all; fewer are handed out where there are fewer rows.
        shares: Share of the places for some strata; the others divide what is left by their size.

    Raises:
        SampleError: There are more strata than places, or a share is asked for a stratum that has no rows.
    """
    absent = sorted(set(shares) - set(sizes))
    if absent:
        raise SampleError(
            f"stratum_shares name {absent}, but the rows only have {_some(sorted(sizes))}; correct the names."
        )
    if len(sizes) > size:
        raise SampleError(f"{len(sizes)} strata do not fit into {size} places; draw more rows or name fewer strata.")
    left = max(0.0, 1 - sum(shares.values()))
    others = sum(rows for name, rows in sizes.items() if name not in shares)
    target = {name: shares.get(name, left * rows / others if others else 0.0) for name, rows in sizes.items()}
    places = dict.fromkeys(sizes, 1)
    waiting = [(-target[name] / 3, name) for name, rows in sizes.items() if rows > 1]
    heapq.heapify(waiting)
    for _ in range(size - len(sizes)):
        if not waiting:
            break
        _, name = heapq.heappop(waiting)
        places[name] += 1
        if places[name] < sizes[name]:
            heapq.heappush(waiting, (-target[name] / (2 * places[name] + 1), name))
    return places


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
