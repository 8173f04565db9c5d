"""The columns a predicate may name: the canonical ones and those derived from them.

Derived columns exist only while a part is being selected; they are never stored.
"""

import polars as pl
import polars.selectors as cs

from laion_assets.metadata.hosts import host_of
from laion_assets.metadata.schema import VALIDATED_SCHEMA

EXTRA_DTYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
}
"""Types a published column beyond the canonical ones can be declared with."""

_WIDTH, _HEIGHT = pl.col("declared_width"), pl.col("declared_height")

_BOTH_SIDES = _WIDTH.is_not_null() & _HEIGHT.is_not_null()

DERIVED_COLUMNS: dict[str, tuple[pl.DataType, pl.Expr]] = {
    "short_side": (
        pl.Int32(),
        pl.when(_BOTH_SIDES).then(pl.min_horizontal(_WIDTH, _HEIGHT)),
    ),
    "long_side": (
        pl.Int32(),
        pl.when(_BOTH_SIDES).then(pl.max_horizontal(_WIDTH, _HEIGHT)),
    ),
    "megapixels": (pl.Float64(), _WIDTH.cast(pl.Float64) * _HEIGHT.cast(pl.Float64) / 1e6),
    "aspect": (pl.Float64(), pl.when(_HEIGHT > 0).then(_WIDTH / _HEIGHT)),
    "caption_words": (pl.UInt32(), pl.col("caption").str.count_matches(r"\S+")),
    "caption_chars": (pl.UInt32(), pl.col("caption").str.len_chars()),
    "url_host": (pl.String(), host_of(pl.col("url"))),
}
"""Name, type and recipe: sides in px, ``aspect`` is width / height, words are runs of non-blanks."""


def with_derived(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add the derived columns to rows that have the canonical ones; not-a-number becomes unknown.

    Polars holds NaN for larger than any number, so a row without a similarity would pass every threshold.
    """
    known = frame.with_columns(cs.float().fill_nan(None))
    return known.with_columns(recipe.alias(name) for name, (_, recipe) in DERIVED_COLUMNS.items())


def predicate_schema(extra: dict[str, str]) -> dict[str, pl.DataType]:
    """Every column a predicate may name, with its type.

    Args:
        extra: published columns beyond the canonical ones, by the kind of their values (see ``EXTRA_DTYPES``).
    """
    return {
        **VALIDATED_SCHEMA,
        **{name: dtype for name, (dtype, _) in DERIVED_COLUMNS.items()},
        **{name: EXTRA_DTYPES[kind] for name, kind in extra.items()},
    }
