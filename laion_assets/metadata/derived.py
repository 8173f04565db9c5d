"""Columns computed from canonical ones that rules may look at.

The two ``repeats_`` columns compare a row with the rows before it and are computed by ``repeats``; they exist
only for rows that are not quarantined, so only flags may look at them.
"""

import polars as pl

_WIDTH, _HEIGHT = pl.col("declared_width"), pl.col("declared_height")
_ASPECT = _WIDTH / _HEIGHT
_SIZES = frozenset({"declared_width", "declared_height"})
_HOST = r"(?i)^https?://(?:[^/?#]*@)?(\[[^\]/?#]*\]|[^/?#@:]+)"

DERIVED: dict[str, tuple[frozenset[str], pl.Expr]] = {
    "short_side": (_SIZES, pl.when(_WIDTH < _HEIGHT).then(_WIDTH).when(_HEIGHT <= _WIDTH).then(_HEIGHT)),
    "long_side": (_SIZES, pl.when(_WIDTH < _HEIGHT).then(_HEIGHT).when(_HEIGHT <= _WIDTH).then(_WIDTH)),
    "aspect": (_SIZES, _ASPECT),
    "elongation": (_SIZES, pl.when(_WIDTH > 0, _HEIGHT > 0).then(pl.max_horizontal(_ASPECT, _HEIGHT / _WIDTH))),
    "megapixels": (_SIZES, _WIDTH.cast(pl.Int64) * _HEIGHT / 1e6),
    "caption_chars": (frozenset({"caption"}), pl.col("caption").str.len_chars()),
    "caption_words": (frozenset({"caption"}), pl.col("caption").str.count_matches(r"\S+")),
    "url_host": (frozenset({"url"}), pl.col("url").str.extract(_HOST).str.to_lowercase()),
}  # fmt: skip
"""Name, the canonical columns it needs, and how it is computed."""

REPEATS: dict[str, tuple[str, ...]] = {
    "repeats_url": ("url",),
    "repeats_url_caption": ("url", "caption"),
}
"""Whether an earlier valid row of the same part is the same in these columns; see ``repeats``."""
