"""Published values to canonical types, without losing one silently.

A value with no lossless counterpart (a width of 1024.5, a height of "tall", a URL that is not UTF-8) becomes null and
is reported as lost, so that ``validation`` can quarantine its row. NaN in a numeric column is how pandas writes a
missing value, and is one here. Rounding a 64-bit score to the canonical 32 bits is not a loss.
"""

from dataclasses import dataclass

import polars as pl

from laion_assets.metadata.columns import Mapped
from laion_assets.metadata.schema import CANONICAL_COLUMNS

_LOST = "LOST "  # in capitals, as no name of a column here is


@dataclass(frozen=True)
class CanonicalRows:
    """The rows of a frame under canonical names.

    Attributes:
        rows: Canonical columns that the file has, then further ones under their own names.
        lost: Per canonical column that lost a value, in which rows.
    """

    rows: pl.DataFrame
    lost: dict[str, pl.Series]


def to_canonical(published: pl.DataFrame, mapped: Mapped) -> CanonicalRows:
    """Rename and cast; same rows, same order."""
    chosen: list[pl.Expr] = []
    losses: list[pl.Expr] = []
    for column in CANONICAL_COLUMNS:
        name = mapped.canonical.get(column.name)
        if name is None:
            continue
        found = mapped.schema[name]
        value = pl.col(name)
        if isinstance(found, pl.Binary) and isinstance(column.dtype, pl.String):
            value = pl.lit(_decoded(published.get_column(name)))
            losses.append((pl.col(name).is_not_null() & value.is_null()).alias(_LOST + column.name))
        elif found != column.dtype:
            value, lost = _cast(value, found, column.dtype)
            if lost is not None:
                losses.append(lost.fill_null(False).alias(_LOST + column.name))  # noqa: FBT003
        elif found.is_float():
            value = value.fill_nan(None)
        chosen.append(value.alias(column.name))
    chosen += [pl.lit(published.get_column(name)).alias(new) for name, new in mapped.extras.items()]
    frame = published.select(*chosen, *losses)
    lost_columns = {
        name.removeprefix(_LOST): frame.get_column(name)
        for name in frame.columns
        if name.startswith(_LOST) and frame.get_column(name).any()
    }
    return CanonicalRows(frame.select(pl.exclude(f"^{_LOST}.*$")), lost_columns)


def _cast(value: pl.Expr, found: pl.DataType, wanted: pl.DataType) -> tuple[pl.Expr, pl.Expr | None]:
    """The cast value, and where it lost something (None: nowhere)."""
    if isinstance(found, pl.Null) or isinstance(wanted, pl.String):
        return value.cast(wanted), None
    present = value.is_not_null()
    if isinstance(found, pl.String):
        text = value.str.strip_chars()
        number = text.cast(pl.Float64, strict=False)
        present = (text != "") & ~number.is_nan().fill_null(False)  # noqa: FBT003
        if wanted.is_integer():
            # As an integer first: a hash of 19 digits does not fit into a float.
            whole = text.str.strip_suffix(".0").cast(pl.Int64, strict=False)
            cast = pl.coalesce(whole, _whole(number, pl.Int64())).cast(wanted, strict=False)
            return cast, present & cast.is_null()
        cast = number.fill_nan(None).cast(wanted)
        return cast, (present & number.is_null()) | (cast.is_infinite() & number.is_finite())
    if isinstance(found, pl.Decimal):
        if wanted.is_integer():
            # Never through a float: a hash of 19 digits does not fit into one.
            cast = value.cast(wanted, strict=False)
            cast = pl.when(cast.cast(found, strict=False) == value).then(cast)
            return cast, present & cast.is_null()
        value = value.cast(pl.Float64)
        found = pl.Float64()
    if found.is_float():
        present = present & value.is_not_nan()
        if wanted.is_integer():
            cast = _whole(value, wanted)
            return cast, present & cast.is_null()
        cast = value.fill_nan(None).cast(wanted)
        return cast, cast.is_infinite() & value.is_finite()
    cast = value.cast(wanted, strict=False)
    return cast, present & cast.is_null()


def _whole(value: pl.Expr, wanted: pl.DataType) -> pl.Expr:
    """The float as an integer where it is one and fits, else null."""
    cast = value.cast(wanted, strict=False)
    return pl.when(cast.cast(pl.Float64) == value.cast(pl.Float64)).then(cast)


def _decoded(values: pl.Series) -> pl.Series:
    """Bytes as text, null where they are not UTF-8."""
    try:
        decoded: pl.Series = values.cast(pl.String)
    except pl.exceptions.PolarsError:
        decoded = pl.Series(values.name, [_text(value) for value in values], dtype=pl.String)
    return decoded


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
