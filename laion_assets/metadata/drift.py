"""Whether parts look alike, as random shuffles of one dataset must.

Each part is compared with all others pooled, figure by figure, by Pearson's test of homogeneity. Looking at 128 parts
and a dozen figures finds something by chance alone, so probabilities are corrected for the number of looks (Holm). The
most unlike part is then put aside and the rest compared again, because one damaged part pulls the pool away from the
good ones.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from laion_assets.metadata.chance import Counts, below_chance, homogeneity
from laion_assets.metadata.profile import OTHERS

LEVEL = 0.001
"""Chance of calling any part of a sound dataset unlike the others."""

_KEYS = {
    "language_counts": "name",
    "host_counts": "name",
    "bucket_counts": "name",
    "aspect_counts": "name",
    "short_side_counts": "value",
    "megapixel_counts": "centi_megapixels",
    "similarity_counts": "value",
    "punsafe_counts": "value",
    "pwatermark_counts": "value",
    "caption_chars_counts": "value",
}
# A row repeats another one of its part: not a property of the row alone, so it does not shuffle.
_NOT_OF_ONE_ROW = ("repeated_url", "repeated_url_caption")
_CLEARLY = 6.0
"""Standard deviations by which a class must be more frequent than those that a part counts together."""


@dataclass(frozen=True)
class Drifting:
    """A part that differs from the others beyond chance.

    Attributes:
        part: Partition key.
        figure: In which figure it differs most surely.
        probability: Of a difference at least as large, were it a random shuffle like the others.
        distance: Share of its rows that would have to move to make the figure the same (total variation).
    """

    part: str
    figure: str
    probability: float
    distance: float


@dataclass(frozen=True)
class DriftReport:
    """What comparing the parts found.

    Attributes:
        parts: How many parts were compared.
        tests: How many comparisons the correction is for.
        drifting: Parts that differ, most unlike first.
        smallest_probability: Of all comparisons among the parts that do not drift.
    """

    parts: int
    tests: int
    drifting: tuple[Drifting, ...]
    smallest_probability: float


def compare_parts(profiles: pl.DataFrame, *, level: float = LEVEL) -> DriftReport:
    """Find the parts that are unlike the others.

    Args:
        profiles: One row per part, columns of ``PROFILE_SCHEMA``.
        level: Chance of naming any part although all are alike.
    """
    figures = _tables(profiles)
    names = profiles.get_column("part").to_list()
    kept = np.arange(len(names))
    tests = len(names) * len(figures)
    drifting: list[Drifting] = []
    smallest = 1.0
    # With half of the parts put aside there is no majority left to be unlike.
    while len(kept) > max(1, len(names) // 2) and figures:
        found = []
        for figure, table in figures.items():
            pooled = table[kept].sum(axis=0)
            found += [(homogeneity(table[index], pooled - table[index]), index, figure) for index in kept]
        log_probability, index, figure = min(found)
        probability = math.exp(log_probability)
        if not below_chance(log_probability, level=level, looks=len(found)):
            smallest = probability
            break
        part, rest = figures[figure][index], figures[figure][kept].sum(axis=0) - figures[figure][index]
        distance = 0.5 * float(np.abs(part / max(part.sum(), 1) - rest / max(rest.sum(), 1)).sum())
        drifting.append(Drifting(names[index], figure, probability, distance))
        kept = kept[kept != index]
    return DriftReport(len(names), tests, tuple(drifting), smallest)


def _tables(profiles: pl.DataFrame) -> dict[str, Counts]:
    """Per figure, a table of counts with one line per part and one column per class."""
    tables = {}
    for figure, key in _KEYS.items():
        table = _table(profiles, figure, key)
        if table is not None:
            tables[figure.removesuffix("_counts")] = table
    rules = _table(profiles, "rule_counts", "rule")
    if rules is not None:
        rows_in = profiles.get_column("rows_in").to_numpy()
        names = sorted(
            profiles.select(pl.col("rule_counts").explode().struct.field("rule").drop_nulls()).to_series().unique()
        )
        for position, name in enumerate(names):
            if name not in _NOT_OF_ONE_ROW and rules[:, position].any():
                tables[f"rule {name}"] = np.column_stack([rules[:, position], rows_in - rules[:, position]])
    return tables


def _table(profiles: pl.DataFrame, figure: str, key: str) -> Counts | None:
    counted = (
        profiles.select(pl.int_range(pl.len()).alias("line"), pl.col(figure))
        .explode(figure, empty_as_null=False)
        .unnest(figure)
        .with_columns(pl.col(key).cast(pl.String).fill_null("(missing)"))
    )
    classes = counted.get_column(key).unique().sort()
    if classes.len() < 2 and figure != "rule_counts":
        return None
    if classes.len() == 0:
        return None
    table = np.zeros((profiles.height, classes.len()), dtype=np.int64)
    lines = counted.get_column("line").to_numpy()
    np.add.at(
        table,
        (lines, classes.search_sorted(counted.get_column(key)).to_numpy()),
        counted.get_column("count").to_numpy(),
    )
    return _counted_apart(table, classes.to_list().index(OTHERS)) if OTHERS in classes else table


def _counted_apart(table: Counts, others: int) -> Counts:
    """The classes that every part of one dataset names, and all rows of the rest in one.

    A part names its most frequent hosts alone, and which ones are the last of them differs by chance: a host that is
    named here and among the others there is no more frequent here.

    Args:
        table: One line per part, one column per class.
        others: The column of rows whose class the part does not name.
    """
    named, rows = np.delete(table, others, axis=1), table.sum(axis=1)
    least = np.where(named > 0, named, rows.max()).min(axis=1) * (table[:, others] > 0)
    in_doubt = ((least + _CLEARLY * np.sqrt(least)) / np.maximum(rows, 1)).max()
    apart = named[:, named.sum(axis=0) / rows.sum() > in_doubt]
    return np.column_stack([apart, rows - apart.sum(axis=1)])
