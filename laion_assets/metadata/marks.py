"""Which rows break which rules: one boolean series per rule, and lists of names made of them."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from laion_assets.metadata.derived import DERIVED
from laion_assets.metadata.errors import RuleError
from laion_assets.metadata.rule import Rule, columns_of, parsed

Marks = Mapping[str, pl.Series]
"""Per rule, true in the rows that break it."""

_BITS = 64


def marks_of(rules: Sequence[Rule], rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Which rows break which rule; the columns that rules look at, or derive from, must be there.

    Raises:
        RuleError: A rule compares what cannot be compared, or is neither true nor false.
    """
    marks: dict[str, pl.Series] = {}
    for clearing in dict.fromkeys(rule.clearing for rule in rules):
        alike = [rule for rule in rules if rule.clearing == clearing]
        conditions = {rule.name: rule.condition for rule in alike}
        if clearing is None:
            marks |= _evaluated(conditions, rows)
            continue
        left = (~_evaluated({alike[0].name: clearing}, rows)[alike[0].name]).arg_true()
        looked_at_by_them = sorted(frozenset[str]().union(*map(looked_at, alike)) & set(rows.columns))
        for name, mark in _evaluated(conditions, rows.select(looked_at_by_them)[left]).items():
            marks[name] = _nowhere(rows.height).scatter(left.filter(mark), True)  # noqa: FBT003
    return {rule.name: marks[rule.name] for rule in rules}


def _evaluated(conditions: Mapping[str, str], rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Per rule, where its condition is true."""
    wanted = frozenset[str]().union(*map(columns_of, conditions.values())) - set(rows.columns)
    derived = [expression.alias(name) for name, (_, expression) in DERIVED.items() if name in wanted]
    prepared = rows.lazy().with_columns(derived)
    try:
        frame = prepared.select(parsed(condition).alias(name) for name, condition in conditions.items()).collect()
    except pl.exceptions.PolarsError:
        for name, condition in conditions.items():
            _try_alone(name, condition, prepared)
        raise
    for name, condition in conditions.items():
        if frame.schema[name] != pl.Boolean():
            raise RuleError(f"rule {name}: {condition!r} is {frame.schema[name]}, not true or false.")
    return {name: frame.get_column(name) for name in conditions}


def _try_alone(name: str, condition: str, prepared: pl.LazyFrame) -> None:
    try:
        prepared.select(parsed(condition)).collect()
    except pl.exceptions.PolarsError as error:
        finding = str(error).splitlines()[0]
        raise RuleError(f"rule {name}: {condition!r} cannot be evaluated ({finding}).") from error


def looked_at(rule: Rule) -> frozenset[str]:
    """Canonical columns that a rule looks at, through derived ones too."""
    return rule.columns.union(*(DERIVED[name][0] for name in rule.columns & DERIVED.keys()))


def any_of(marks: Iterable[pl.Series], height: int) -> pl.Series:
    """Rows that have at least one mark."""
    result = _nowhere(height)
    for mark in marks:
        result = result | mark
    return result


def _nowhere(height: int) -> pl.Series:
    return pl.repeat(False, height, dtype=pl.Boolean, eager=True)  # noqa: FBT003


def names_of(marks: Marks, height: int) -> pl.Series:
    """Per row, the names of the marks it has, as ``List[String]``.

    Marks become bits of one number per row; a list is made once per distinct number, of which there are few.
    """
    names = list(marks)
    if len(names) > _BITS:
        first, rest = ({name: marks[name] for name in some} for some in (names[:_BITS], names[_BITS:]))
        return pl.select(pl.concat_list(names_of(first, height), names_of(rest, height)).alias("names")).to_series()
    bits = pl.repeat(0, height, dtype=pl.UInt64, eager=True)
    for position, mark in enumerate(marks.values()):
        bits = bits | (mark.cast(pl.UInt64) * (1 << position))
    distinct = bits.unique().sort()
    lists = [[name for position, name in enumerate(names) if number >> position & 1] for number in distinct]
    return pl.Series("names", lists, dtype=pl.List(pl.String)).gather(distinct.search_sorted(bits))
