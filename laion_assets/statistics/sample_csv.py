"""The sampled rows as a CSV people open in a spreadsheet: documented columns, one row per sampled URL.

Text comes from strangers. Control characters become spaces, and a cell that a spreadsheet would run as a formula
(``= + - @``, after leading white space too) gets an apostrophe in front. Numbers are never changed.
"""

import polars as pl

from laion_assets.statistics.anomaly import INVISIBLE
from laion_assets.statistics.evidence import Evidence

COLUMNS: dict[str, str] = {
    "part": "partition key of the published file",
    "row": "0-based position in that file",
    "weight": "rows of the dataset this row stands for",
    "url": "where the image is published",
    "host": "host of the URL",
    "caption": "the text published with it",
    "language": "language code of the caption",
    "similarity": "similarity of image and caption as published; comparable within one of {en, everything else}",
    "pwatermark": "probability of a watermark as published",
    "punsafe": "probability of unsafe content as published",
    "flags": "what validation found suspicious, separated by spaces",
    "declared_width": "width in px as published",
    "declared_height": "height in px as published",
    "declared_short_side": "smaller of the two, px",
    "declared_megapixels": "declared width x height, in millions",
    "declared_aspect_ratio": "declared width / height",
    "declared_aspect": "square (0.9 to 1.1), landscape or portrait, by declared size",
    "declared_bucket": "size class by the declared short side",
    "historical_bucket": "size class of the historical both-sides scheme, by declared size",
    "outcome": "how the probe ended; ok when the true size is known",
    "fault": "whose fault that is: nobody, link, server, policy, us",
    "http_status": "last HTTP status, where there was one",
    "true_width": "stored width of the image in px",
    "true_height": "stored height of the image in px",
    "true_short_side": "smaller of the two, px",
    "true_megapixels": "true width x height, in millions",
    "true_aspect_ratio": "true width / height",
    "true_aspect": "square, landscape or portrait, by true size",
    "true_bucket": "size class by the true short side",
    "declared_match": "how true relates to declared: exact, swapped, scaled_down, replaced",
    "straddles_buckets": "one side on each side of a class edge: called too small by the historical scheme only",
    "declared_below_minimum": "the row itself declares a side below the minimum",
    "true_below_minimum": "declared large enough, but the image is not",
    "declared_swapped": "width and height are exchanged",
    "anomaly_kind": "the one of these four that decides what to do with the row",
    "meets_requirement": "true short side reaches the required minimum",
    "format": "image format",
    "exif_orientation": "EXIF orientation, where there is one",
    "file_bytes": "size of the whole file, where the server tells it",
    "final_host": "host that served the image after redirects",
    "opted_out": "the publisher asked not to be used for training",
    "probed_at": "when the probe was made, UTC",
}
"""Every column and what it means, in order."""


def sample_csv(evidence: Evidence) -> bytes:
    """The CSV: UTF-8, comma-separated, Unix line ends, empty where nothing is known."""
    required = evidence.requirement.minimum_side_px
    rows = evidence.rows.with_columns(
        meets_requirement=pl.col("true_short_side") >= required,
        flags=pl.col("flags").list.join(" "),
        fault=pl.when(pl.col("outcome").is_not_null()).then("fault"),
    ).select(list(COLUMNS))
    harmless = rows.with_columns(
        without_formulas(pl.col(name)).alias(name) for name, dtype in rows.schema.items() if dtype == pl.String
    )
    text = harmless.write_csv(float_precision=None, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    return text.encode()


def without_formulas(text: pl.Expr) -> pl.Expr:
    """A text that no spreadsheet runs and no terminal obeys."""
    visible = text.str.replace_all(INVISIBLE, " ")
    return (
        pl.when(visible.str.contains(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]"))
        .then(pl.lit("'") + visible)
        .otherwise(visible)
    )
