"""Which captions say something about their image, and which only look like text.

Conditions on the caption column as polars expressions; counting them is done in ``measure_texts``.
"""

import polars as pl

# What image hosts, cameras and templates write when nobody wrote anything. Whole caption only, in lower case.
_BOILERPLATE = (
    r"^(?:"
    r"(?:image|img|photo|photograph|picture|pic|foto|bild|imagen|photos?|graphic|thumbnail|thumb|logo|icon|banner|"
    r"placeholder|default|untitled|unnamed|no ?name|n/?a|none|null|undefined|screenshot|screen ?shot|scan|"
    r"cover|preview|gallery|slide|attachment|product(?: image| photo)?|main image|featured image|stock (?:photo|image)|"
    r"image may contain.*|alt ?text|click to (?:enlarge|zoom|view).*|view larger.*|loading\.*)"
    r"(?:[ _#.:-]*\d+)?(?: (?:of|/) \d+)?"
    r"|(?:img|dsc|dscn|dscf|dcim|pxl|gopr|sam|cimg|mvi|wp|p|pict)[ _-]?\d{3,}(?:[ _-]\d+)*"
    r"|[\W\d_]+"
    r")[\s.!]*$"
)
_FILE_NAME = r"(?i)^[^\s/\\]*[^\s/\\.]\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|heic|svg|psd|jp2)$"
_WEB_ADDRESS = r"(?i)^\s*(?:https?://|www\.)\S+\s*$"


def clean(caption: pl.Expr) -> pl.Expr:
    """The caption without the white space around it; empty where there is none."""
    return caption.fill_null("").str.strip_chars()


def is_blank(caption: pl.Expr) -> pl.Expr:
    """Nothing is written."""
    return clean(caption).str.len_chars() == 0


def is_file_name(caption: pl.Expr) -> pl.Expr:
    """One word that ends like an image file."""
    return clean(caption).str.contains(_FILE_NAME)


def is_web_address(caption: pl.Expr) -> pl.Expr:
    """A web address and nothing else."""
    return clean(caption).str.contains(_WEB_ADDRESS)


def is_boilerplate(caption: pl.Expr) -> pl.Expr:
    """Says nothing about the image: a camera's file number, "image 12", digits and punctuation only."""
    # Longer texts are never boilerplate; cutting first keeps a million characters out of the regular expression.
    short = clean(caption)
    return (short.str.len_chars().is_between(1, 80)) & short.str.to_lowercase().str.slice(0, 81).str.contains(
        _BOILERPLATE
    )


def characters(caption: pl.Expr) -> pl.Expr:
    """Length in characters."""
    return clean(caption).str.len_chars()


def words(caption: pl.Expr) -> pl.Expr:
    """Number of words between white space."""
    return clean(caption).str.count_matches(r"\S+")
