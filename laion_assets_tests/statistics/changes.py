"""Populations changed before or after they are probed, and the document that is measured of them."""

import functools
from collections.abc import Callable

import polars as pl

from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.document import Statement, Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.populations import draw, population, probe, profiles

Change = Callable[[pl.DataFrame], pl.DataFrame]
ROWS, DRAWN = 3_000, 1_500
TRUE = ["true_width", "true_height"]
SIZES = ["declared_width", "declared_height"]


def unchanged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


@functools.cache
def everybody() -> pl.DataFrame:
    return population(ROWS)


@functools.cache
def found(
    before: Change = unchanged,
    after: Change = unchanged,
    *,
    reachable: float = 0.9,
    smaller: float = 0.03,
    probed: bool = True,
    requirement: RequirementSpec | None = None,
    drawn: int = DRAWN,
    quarantined: int = 2,
    parts_expected: int | None = None,
) -> Statistics:
    """The document of a population that was changed before or after it was probed."""
    rows = after(probe(before(everybody()), reachable=reachable, smaller=smaller))
    sample = draw(rows, drawn)
    evidence = Evidence.of(
        sample if probed else sample.select([*VALIDATED_SCHEMA, "weight"]),
        declared=Declared.of(profiles(rows, quarantined=quarantined)),
        requirement=requirement or RequirementSpec(),
        minimum_side_px=1024,
    )
    return measure(evidence, dataset="d", title="D", parts_expected=parts_expected)


def sentence(statements: list[Statement], name: str) -> str:
    texts = [statement.text.replace("\u00a0", " ") for statement in statements if statement.id == name]
    return " | ".join(texts)


def every_tenth(value: pl.Expr, column: str) -> pl.Expr:
    return pl.when(pl.col("row") % 10 == 0).then(value).otherwise(pl.col(column)).alias(column)


def nothing_straddles(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(declared_width=pl.lit(1500, pl.Int32), declared_height=pl.lit(1200, pl.Int32))


def tenth_declared_small(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(every_tenth(pl.lit(800, pl.Int32), "declared_width"))


def without_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(None, pl.Int32).alias(name) for name in SIZES)


def exchanged(share_of_ten: int) -> Change:
    """Declares width and height the wrong way round in so many rows of ten."""
    return lambda rows: rows.with_columns(
        pl.when(pl.col("row") % 10 < share_of_ten).then(other).otherwise(own).alias(own)
        for own, other in (SIZES, SIZES[::-1])
    )


def dead(rows: pl.DataFrame) -> pl.DataFrame:
    nothing = [pl.lit(None).cast(rows.schema[name]).alias(name) for name in [*TRUE, "file_bytes", "format"]]
    return rows.with_columns(*nothing, outcome=pl.lit("not_found"))


def tiny_true(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(300, pl.Int32)).alias(name) for name in TRUE
    )


def large_true(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(2100, pl.Int32)).alias(name) for name in TRUE
    )


def texts(value: str) -> Change:
    return lambda rows: rows.with_columns(caption=pl.lit(value))


def column(name: str, value: object) -> Change:
    return lambda rows: rows.with_columns(pl.lit(value).cast(rows.schema[name]).alias(name))


def one_host(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(url="https://one.example/" + pl.col("row").cast(pl.String))


def many_wanted(rows: int) -> RequirementSpec:
    return RequirementSpec(rows_wanted=rows)


def untold(rows: pl.DataFrame) -> pl.DataFrame:
    """No server tells how long a file is."""
    return rows.with_columns(file_bytes=pl.lit(None, pl.Int64))


def busy(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(outcome=pl.when(pl.col("outcome") == "ok").then("outcome").otherwise(pl.lit("timed_out")))


def gone(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(outcome=pl.when(pl.col("outcome") == "ok").then("outcome").otherwise(pl.lit("not_found")))
