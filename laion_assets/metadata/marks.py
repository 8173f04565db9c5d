"""Which rows break which rules: one boolean series per rule, and lists of names made of them."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from laion_assets.metadata.derived import DERIVED
from laion_assets.metadata.errors import RuleError
from laion_assets.metadata.rule import Rule, columns_of, parsed

Marks = Mapping[str, pl.Series]
"""Per rule, true in the rows that break it."""

# What a set of marks is as a number, by the most marks it may have: eight bits take a third of the time of 64.
_NUMBERS = {8: pl.UInt8(), 16: pl.UInt16(), 32: pl.UInt32(), 64: pl.UInt64()}


def marks_of(rules: Sequence[Rule], rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Which rows break which rule; the columns that rules look at, or derive from, must be there.

    Raises:
        RuleError: A rule compares what cannot be compared, or is neither true nor false.
    """
    cleared = _evaluated({rule.clearing: rule.name for rule in reversed(rules) if rule.clearing is not None}, rows)
    marks: dict[str, pl.Series] = {}
    for clearing in dict.fromkeys(rule.clearing for rule in rules):
        alike = [rule for rule in rules if rule.clearing == clearing]
        conditions = {rule.condition: rule.name for rule in alike}
        if clearing is None:
            found = _evaluated(conditions, rows)
            marks |= {rule.name: found[rule.condition] for rule in alike}
            continue
        left = (~cleared[clearing]).arg_true()
        needed = sorted(frozenset[str]().union(*map(looked_at, alike)) & set(rows.columns)) or rows.columns
        found = _evaluated(conditions, rows.select(needed)[left])
        for rule in alike:
            marks[rule.name] = _nowhere(rows.height).scatter(left.filter(found[rule.condition]), True)  # noqa: FBT003
    return {rule.name: marks[rule.name] for rule in rules}


def _evaluated(conditions: Mapping[str, str], rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Where conditions are true; for each, a rule is told that has it."""
    wanted = frozenset[str]().union(*map(columns_of, conditions)) - set(rows.columns)
    derived = [expression.alias(name) for name, (_, expression) in DERIVED.items() if name in wanted]
    prepared = rows.lazy().with_columns(derived)
    try:
        # As columns beside the others: one that names no column is as long as they are.
        frame = prepared.with_columns(parsed(sql).alias(sql) for sql in conditions).select(*conditions).collect()
    except pl.exceptions.PolarsError:
        for sql, rule in conditions.items():
            _try_alone(sql, rule, prepared)
        raise
    for sql, rule in conditions.items():
        if frame.schema[sql] != pl.Boolean():
            raise RuleError(f"rule {rule}: {sql!r} is {frame.schema[sql]}, not true or false.")
    return {sql: frame.get_column(sql) for sql in conditions}


def _try_alone(sql: str, rule: str, prepared: pl.LazyFrame) -> None:
    try:
        prepared.select(parsed(sql)).collect()
    except pl.exceptions.PolarsError as error:
        finding = str(error).splitlines()[0]
        raise RuleError(f"rule {rule}: {sql!r} cannot be evaluated ({finding}).") from error


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
    most = max(_NUMBERS)
    if len(names) > most:
        first, rest = ({name: marks[name] for name in some} for some in (names[:most], names[most:]))
        return pl.select(pl.concat_list(names_of(first, height), names_of(rest, height)).alias("names")).to_series()
    dtype = next(dtype for limit, dtype in _NUMBERS.items() if len(names) <= limit)
    bits = pl.repeat(0, height, dtype=dtype, eager=True)
    for position, mark in enumerate(marks.values()):
        bits = bits | (mark.cast(dtype) * (1 << position))
    distinct = bits.unique().sort()
    lists = [[name for position, name in enumerate(names) if number >> position & 1] for number in distinct]
    return pl.Series("names", lists, dtype=pl.List(pl.String)).gather(distinct.search_sorted(bits))
