"""A predicate: a Polars SQL expression over one row, checked before any row is seen.

What is refused here is refused when the YAML is loaded: unknown columns, syntax errors, anything that is not true or
false, and anything that looks beyond its own row, because then a part could not be selected on its own.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

# Nodes of an expression that see more than one row. Polars' own is_row_separable misses windows (2.1).
_LOOKS_AROUND = re.compile(r'"(Agg|Over|Window|Len)"')
# Polars opens files while it parses a subquery, so a subquery is refused before it is parsed.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_READS = re.compile(r"\b(select|table|read_\w+|scan_\w+)\b", re.IGNORECASE)
_REFUSALS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError)


class PredicateError(ValueError):
    """A predicate cannot be used; the message names it, what was found and what to write instead."""


@dataclass(frozen=True)
class Predicate:
    """One named condition; ``expr`` is true, false or null (unknown) for each row."""

    name: str
    sql: str
    expr: pl.Expr


def parse_predicate(name: str, sql: str, schema: Mapping[str, pl.DataType]) -> Predicate:
    """Turn an SQL expression into a predicate, or say why it is none.

    Args:
        name: what the predicate is called in the YAML and in the funnel.
        sql: a Polars SQL expression, for example ``short_side >= 1024 AND pwatermark < 0.8``.
        schema: the columns it may name.

    Raises:
        PredicateError: unknown column, syntax error, not boolean, or not a condition on a single row.
    """
    bare = sql if "\\" in sql else _QUOTED.sub("", sql)  # a backslash may hide where a string ends
    if reads := _READS.search(bare):
        raise PredicateError(f"{name}: {reads[0]!r} reads something else than the row, in {sql!r}. Compare columns.")
    try:
        expr = pl.sql_expr(sql)
        named = list(dict.fromkeys(expr.meta.root_names()))
    except _REFUSALS as error:
        raise PredicateError(f"{name}: {_first_line(error)}, in {sql!r}. Write a Polars SQL expression.") from None

    for column in named:
        if column not in schema:
            near = difflib.get_close_matches(column.lower(), schema, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(schema)}."
            raise PredicateError(f"{name}: no column {column!r}, in {sql!r}. {hint}")
    if not named or expr.meta.has_multiple_outputs():
        raise PredicateError(f"{name}: {sql!r} is not one condition on a row. Name the columns it depends on.")

    try:
        specimen = _specimen({column: schema[column] for column in named})
        verdicts = specimen.select(expr).to_series()
        one_by_one = [specimen[index].select(expr).to_series().to_list() for index in range(specimen.height)]
    except _REFUSALS as error:
        raise PredicateError(f"{name}: {_first_line(error)}, in {sql!r}. Check the types of its columns.") from None
    if verdicts.dtype != pl.Boolean():
        raise PredicateError(f"{name}: {sql!r} yields {verdicts.dtype}, not true or false. Add a comparison.")
    if one_by_one != [[verdict] for verdict in verdicts] or _LOOKS_AROUND.search(expr.meta.serialize(format="json")):
        raise PredicateError(
            f"{name}: {sql!r} depends on other rows (an aggregate, a window or an order), so parts could not be "
            "selected one by one. Compare with a constant instead."
        )
    return Predicate(name, sql, expr)


def _specimen(schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A few unlike rows, the last without values: some mistakes, such as a bad regex, only show on values."""
    values: dict[pl.DataType, list[object]] = {
        pl.String(): ["a", "", "example"],
        pl.Boolean(): [True, False, True],
        pl.List(pl.String()): [["a"], [], ["b", "a"]],
    }
    columns = {name: [*values.get(dtype, [1, 0, 3]), None] for name, dtype in schema.items()}
    return pl.DataFrame(columns, schema=dict(schema))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:300]
