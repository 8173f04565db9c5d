"""The canonical columns of a row, and how published names map onto them.

What every room above reads and writes: names, types, meaning. Rules about values live in ``rules``.
"""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Column:
    """One canonical column: its name, its type, what it means, and the names publishers give it."""

    name: str
    dtype: pl.DataType
    meaning: str
    aliases: tuple[str, ...] = ()
    required: bool = False


CANONICAL_COLUMNS: tuple[Column, ...] = (
    Column(
        "url",
        pl.String(),
        "where the image is published",
        ("url", "image_url", "img_url", "link"),
        required=True,
    ),
    Column(
        "caption",
        pl.String(),
        "the text published with it",
        ("text", "caption", "alt", "alt_text", "top_caption", "prompt", "title", "description"),
    ),
    Column(
        "declared_width",
        pl.Int32(),
        "width in px as the publisher says",
        ("width", "original_width", "image_width", "w"),
    ),
    Column(
        "declared_height",
        pl.Int32(),
        "height in px as the publisher says",
        ("height", "original_height", "image_height", "h"),
    ),
    Column(
        "similarity",
        pl.Float64(),
        "cosine similarity of image and caption; comparable within one of {en, everything else}",
        ("similarity", "clip_similarity_vitb32", "clip_b32_similarity_score"),
    ),
    Column("language", pl.String(), "language code of the caption, or nolang", ("language", "lang")),
    Column(
        "row_hash", pl.Int64(), "first half of mmh3's 128-bit x64 hash of url + caption: identifies the row", ("hash",)
    ),
    Column("pwatermark", pl.Float32(), "probability of a watermark", ("pwatermark", "watermark_score")),
    Column("punsafe", pl.Float32(), "probability of unsafe content", ("punsafe", "nsfw_score_opennsfw2")),
)
"""Matching is by alias without regard to case; a dataset's YAML can put further aliases in front."""

PROVENANCE_SCHEMA: dict[str, pl.DataType] = {"part": pl.String(), "row": pl.UInt32()}
"""``part`` is the partition key, ``row`` the 0-based position in the published file: together they name a row."""

VALIDATED_SCHEMA: dict[str, pl.DataType] = {
    **PROVENANCE_SCHEMA,
    **{column.name: column.dtype for column in CANONICAL_COLUMNS},
    "flags": pl.List(pl.String()),
}
"""What ``validated_metadata`` holds, in this order. Columns the dataset does not publish are present and null."""
