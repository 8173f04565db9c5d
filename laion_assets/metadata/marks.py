"""Which rows break which rules: one boolean series per rule, and lists of names made of them."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from laion_assets.metadata.derived import DERIVED
from laion_assets.metadata.rule import Rule

Marks = Mapping[str, pl.Series]
"""Per rule, true in the rows that break it."""


def marks_of(rules: Sequence[Rule], rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Evaluate rules on all rows; the columns they look at, or derive from, must be there."""
    if not rules:
        return {}
    wanted = frozenset[str]().union(*(rule.columns for rule in rules)) - set(rows.columns)
    derived = [expression.alias(name) for name, (_, expression) in DERIVED.items() if name in wanted]
    frame = rows.lazy().with_columns(derived).select(rule.expression for rule in rules).collect()
    return {rule.name: frame.get_column(rule.name) for rule in rules}


def looked_at(rule: Rule) -> frozenset[str]:
    """Canonical columns that a rule looks at, through derived ones too."""
    return rule.columns.union(*(DERIVED[name][0] for name in rule.columns & DERIVED.keys()))


def any_of(marks: Iterable[pl.Series], height: int) -> pl.Series:
    """Rows that have at least one mark."""
    result = pl.repeat(False, height, dtype=pl.Boolean, eager=True)  # noqa: FBT003
    for mark in marks:
        result = result | mark
    return result


def names_of(marks: Marks, height: int) -> pl.Series:
    """Per row, the names of the marks it has, as ``List[String]``.

    Marks become bits of one number per row; a list is made once per distinct number, of which there are few.
    """
    names = list(marks)
    if len(names) > 64:
        raise ValueError(f"{len(names)} rules are broken at once, and a row has room for 64. Switch some rules off.")
    bits = pl.repeat(0, height, dtype=pl.UInt64, eager=True)
    for position, mark in enumerate(marks.values()):
        bits = bits | (mark.cast(pl.UInt64) * (1 << position))
    distinct = bits.unique().sort()
    lists = [[name for position, name in enumerate(names) if number >> position & 1] for number in distinct]
    return pl.Series("names", lists, dtype=pl.List(pl.String)).gather(distinct.search_sorted(bits))
