"""Columns computed from canonical ones that rules may look at.

The two ``repeats_`` columns compare a row with the rows before it and are computed by ``validation``; they exist
only for rows that are not quarantined, so only flags may look at them.
"""

import polars as pl

_WIDTH, _HEIGHT = pl.col("declared_width"), pl.col("declared_height")

DERIVED: dict[str, tuple[frozenset[str], pl.Expr]] = {
    "short_side": (frozenset({"declared_width", "declared_height"}), pl.when(_WIDTH < _HEIGHT).then(_WIDTH).otherwise(_HEIGHT)),
    "long_side": (frozenset({"declared_width", "declared_height"}), pl.when(_WIDTH < _HEIGHT).then(_HEIGHT).otherwise(_WIDTH)),
    "aspect": (frozenset({"declared_width", "declared_height"}), _WIDTH / _HEIGHT),
    "elongation": (frozenset({"declared_width", "declared_height"}), pl.max_horizontal(_WIDTH, _HEIGHT) / pl.min_horizontal(_WIDTH, _HEIGHT)),
    "megapixels": (frozenset({"declared_width", "declared_height"}), _WIDTH.cast(pl.Int64) * _HEIGHT / 1e6),
    "caption_chars": (frozenset({"caption"}), pl.col("caption").str.len_chars()),
    "caption_words": (frozenset({"caption"}), pl.col("caption").str.count_matches(r"\S+")),
    "url_host": (frozenset({"url"}), pl.col("url").str.extract(r"(?i)^https?://(?:[^/?#]*@)?([^/?#@:]+)").str.to_lowercase()),
}  # fmt: skip
"""Name, the canonical columns it needs, and how it is computed."""

REPEATS: dict[str, frozenset[str]] = {
    "repeats_url": frozenset({"url"}),
    "repeats_url_caption": frozenset({"url", "caption"}),
}
"""Whether an earlier valid row of the same part is the same in these columns."""
