"""Which rows cannot be used, and which can but are suspicious: the rules that every dataset has.

A dataset's YAML adds, tunes and switches off rules (``spec``); ``rulebook`` decides which of them apply.
"""

import re
from typing import Any

from laion_assets.metadata.rule import Rule, Twin


def _twin(type_: str, **kwargs: Any) -> Twin:  # noqa: ANN401 (whatever the expectation takes)
    return Twin(type=f"expect_{type_}", kwargs=kwargs)


def _matches(column: str, regex: str) -> Twin:
    return _twin("column_values_to_match_regex", column=column, regex=_python(regex))


def _avoids(column: str, regex: str) -> Twin:
    return _twin("column_values_to_not_match_regex", column=column, regex=_python(regex))


def _python(regex: str) -> str:
    """In Python, ``$`` also matches before a line break at the end; in Rust it does not."""
    return regex.replace("$", r"\Z")


def _between(column: str, low: float | str | None, high: float | str | None) -> Twin:
    return _twin("column_values_to_be_between", column=column, min_value=low, max_value=high)


# Spelled out, because what \s and \d cover differs between the regular expressions of Rust and Python.
_CONTROL = r"[\x00-\x1f\x7f-\x9f]"
_SPACE = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
_VISIBLE = f"[^{_SPACE}]"
_HTTP = r"^[hH][tT][tT][pP][sS]?://"
# Up to the last @ it is user info; what is behind a backslash is path.
_WITH_HOST = _HTTP + r"(?:[^/?#\\]*@)?[^/?#@:.\x00-\x20\x7f\\][^/?#@\\]*(?:[/?#\\]|$)"
_FILE_NAME = (
    r"^[^\x00-\x20]+\."
    r"(?:[jJ][pP][eE]?[gG]|[pP][nN][gG]|[gG][iI][fF]|[wW][eE][bB][pP]|[aA][vV][iI][fF]|[bB][mM][pP]|[tT][iI][fF][fF]?)$"
)
_URL_ALONE = r"^(?:[hH][tT][tT][pP][sS]?://|[wW][wW][wW]\.)[^\x00-\x20]+$"
_NUMBER = r"^-?[0-9]+(?:\.[0-9]+)?$"
_SAFETY_TAG = r"^(?:UNLIKELY|UNSURE|NSFW|LIKELY|SAFE)$"

# Cheap to see, and true of nearly all rows. No user info, and what follows the slashes begins a host's name.
_USUAL_URL = "REGEXP_LIKE(url, '^https?://[a-zA-Z0-9]') AND url NOT LIKE '%@%'"
_SEVERAL_WORDS = "caption LIKE '% %'"
_BEGINS_VISIBLY = "caption BETWEEN '!' AND '~'"
_BEGINS_IN_LOWER_CASE = "language >= 'a'"


def _rust(regex: str) -> str:
    r"""Rust writes ``\u2028`` as ``\x{2028}``; everything else here is common to both."""
    return re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", regex)


RULES: tuple[Rule, ...] = (
    Rule(
        name="url_missing",
        reason="there is no URL",
        severity="quarantine",
        tolerance=0.001,
        breaks="url IS NULL",
        twin=_twin("column_values_to_not_be_null", column="url"),
    ),
    Rule(
        name="url_empty",
        reason="the URL is empty",
        severity="quarantine",
        tolerance=0.001,
        breaks="url = ''",
        twin=_twin("column_value_lengths_to_be_between", column="url", min_value=1),
    ),
    Rule(
        name="url_not_http",
        reason="the URL is not http or https",
        severity="quarantine",
        tolerance=0.005,
        breaks=f"NOT REGEXP_LIKE(url, '{_HTTP}')",
        cleared_by=_USUAL_URL,
        twin=_matches("url", _HTTP),
    ),
    Rule(
        name="url_without_host",
        reason="the URL names no host",
        severity="quarantine",
        tolerance=0.001,
        breaks=f"REGEXP_LIKE(url, '{_HTTP}') AND NOT REGEXP_LIKE(url, '{_WITH_HOST}')",
        cleared_by=_USUAL_URL,
        twin=_matches("url", f"^(?!{_HTTP[1:]})|{_WITH_HOST}"),
    ),
    Rule(
        name="url_too_long",
        reason="the URL has more characters than servers accept",
        severity="quarantine",
        tolerance=0.001,
        breaks="CHAR_LENGTH(url) > {limit}",
        cleared_by="OCTET_LENGTH(url) <= {limit}",
        limit=8000,  # RFC 9110, 4.1: support at least 8000 octets
        twin=_twin("column_value_lengths_to_be_between", column="url", max_value="{limit}"),
    ),
    Rule(
        name="url_with_control_characters",
        reason="the URL has control characters in it",
        severity="quarantine",
        tolerance=0.001,
        breaks="url_has_control",
        twin=_avoids("url", _CONTROL),
    ),
    Rule(
        name="caption_missing",
        reason="there is no caption",
        severity="quarantine",
        tolerance=0.01,
        breaks="caption IS NULL",
        twin=_twin("column_values_to_not_be_null", column="caption"),
    ),
    Rule(
        name="caption_blank",
        reason="the caption has no visible character",
        severity="quarantine",
        tolerance=0.01,
        breaks=f"NOT REGEXP_LIKE(caption, '{_rust(_VISIBLE)}')",
        cleared_by=_BEGINS_VISIBLY,
        twin=_matches("caption", _VISIBLE),
    ),
    Rule(
        name="width_missing",
        reason="the declared width is missing",
        severity="quarantine",
        tolerance=0.005,
        breaks="declared_width IS NULL",
        twin=_twin("column_values_to_not_be_null", column="declared_width"),
    ),
    Rule(
        name="height_missing",
        reason="the declared height is missing",
        severity="quarantine",
        tolerance=0.005,
        breaks="declared_height IS NULL",
        twin=_twin("column_values_to_not_be_null", column="declared_height"),
    ),
    Rule(
        name="width_not_positive",
        reason="the declared width is zero or negative",
        severity="quarantine",
        tolerance=0.001,
        breaks="declared_width <= 0",
        twin=_between("declared_width", 1, None),
    ),
    Rule(
        name="height_not_positive",
        reason="the declared height is zero or negative",
        severity="quarantine",
        tolerance=0.001,
        breaks="declared_height <= 0",
        twin=_between("declared_height", 1, None),
    ),
    Rule(
        name="width_too_large",
        reason="the declared width is beyond what image formats hold",
        severity="quarantine",
        tolerance=0.001,
        breaks="declared_width > {limit}",
        limit=65_500,  # libjpeg's JPEG_MAX_DIMENSION
        twin=_between("declared_width", None, "{limit}"),
    ),
    Rule(
        name="height_too_large",
        reason="the declared height is beyond what image formats hold",
        severity="quarantine",
        tolerance=0.001,
        breaks="declared_height > {limit}",
        limit=65_500,
        twin=_between("declared_height", None, "{limit}"),
    ),
    Rule(
        name="shifted_url",
        reason="the URL reads like another column: a separator in the caption shifted the row",
        severity="quarantine",
        tolerance=0.001,
        breaks=f"REGEXP_LIKE(url, '{_SAFETY_TAG}') OR REGEXP_LIKE(url, '{_NUMBER}')",
        cleared_by=_USUAL_URL,
        twin=_avoids("url", f"{_SAFETY_TAG}|{_NUMBER}"),
    ),
    Rule(
        name="shifted_language",
        reason="the language is a number or a safety tag: a separator in the caption shifted the row",
        severity="quarantine",
        tolerance=0.001,
        breaks=f"REGEXP_LIKE(language, '{_SAFETY_TAG}') OR REGEXP_LIKE(language, '{_NUMBER}')",
        cleared_by=_BEGINS_IN_LOWER_CASE,
        twin=_avoids("language", f"{_SAFETY_TAG}|{_NUMBER}"),
    ),
    Rule(
        name="shifted_license",
        reason="the licence is a number: a separator in the caption shifted the row",
        severity="quarantine",
        tolerance=0.001,
        breaks=f"REGEXP_LIKE(license, '{_NUMBER}')",
        twin=_avoids("license", _NUMBER),
    ),
    Rule(
        name="too_many_fields",
        reason="the line has more fields than columns: a separator in a value shifted the row",
        severity="quarantine",
        tolerance=0.001,
        breaks="__overflow__ IS NOT NULL",
        twin=_twin("column_values_to_be_null", column="__overflow__"),
    ),
    Rule(
        name="below_minimum",
        reason="the metadata itself declares a side below the minimum",
        severity="flag",
        tolerance=0.05,
        breaks="short_side < {limit}",
        limit=1024,
        twin=_between("short_side", "{limit}", None),
    ),
    Rule(
        name="extreme_aspect",
        reason="one declared side is many times the other",
        severity="flag",
        tolerance=0.05,
        breaks="elongation > {limit}",
        limit=5,
        twin=_between("elongation", None, "{limit}"),
    ),
    Rule(
        name="similarity_out_of_range",
        reason="the similarity is no cosine: outside [-1, 1]",
        severity="flag",
        tolerance=0.001,
        breaks="similarity < -1 OR similarity > 1",
        twin=_between("similarity", -1, 1),
    ),
    Rule(
        name="punsafe_missing",
        reason="there is no punsafe",
        severity="flag",
        tolerance=0.2,
        breaks="punsafe IS NULL",
        twin=_twin("column_values_to_not_be_null", column="punsafe"),
    ),
    Rule(
        name="punsafe_out_of_range",
        reason="punsafe is no probability: outside [0, 1]",
        severity="flag",
        tolerance=0.001,
        breaks="punsafe < 0 OR punsafe > 1",
        twin=_between("punsafe", 0, 1),
    ),
    Rule(
        name="pwatermark_missing",
        reason="there is no pwatermark",
        severity="flag",
        tolerance=0.2,
        breaks="pwatermark IS NULL",
        twin=_twin("column_values_to_not_be_null", column="pwatermark"),
    ),
    Rule(
        name="pwatermark_out_of_range",
        reason="pwatermark is no probability: outside [0, 1]",
        severity="flag",
        tolerance=0.001,
        breaks="pwatermark < 0 OR pwatermark > 1",
        twin=_between("pwatermark", 0, 1),
    ),
    Rule(
        name="caption_too_long",
        reason="the caption is longer than any caption",
        severity="flag",
        tolerance=0.01,
        breaks="CHAR_LENGTH(caption) > {limit}",
        cleared_by="OCTET_LENGTH(caption) <= {limit}",
        limit=10_000,
        twin=_twin("column_value_lengths_to_be_between", column="caption", max_value="{limit}"),
    ),
    Rule(
        name="caption_is_file_name",
        reason="the caption is the name of an image file",
        severity="flag",
        tolerance=0.1,
        breaks=f"REGEXP_LIKE(caption, '{_FILE_NAME}')",
        cleared_by=_SEVERAL_WORDS,
        twin=_avoids("caption", _FILE_NAME),
    ),
    Rule(
        name="caption_is_url",
        reason="the caption is a URL",
        severity="flag",
        tolerance=0.05,
        breaks=f"REGEXP_LIKE(caption, '{_URL_ALONE}')",
        cleared_by=_SEVERAL_WORDS,
        twin=_avoids("caption", _URL_ALONE),
    ),
    Rule(
        name="repeated_url",
        reason="an earlier valid row of the part has the same URL",
        severity="flag",
        tolerance=0.2,
        breaks="repeats_url",
        twin=_twin("column_values_to_be_in_set", column="repeats_url", value_set=[False]),
    ),
    Rule(
        name="repeated_url_caption",
        reason="an earlier valid row of the part has the same URL and caption",
        severity="flag",
        tolerance=0.1,
        breaks="repeats_url_caption",
        twin=_twin("column_values_to_be_in_set", column="repeats_url_caption", value_set=[False]),
    ),
)  # fmt: skip
"""What holds for every dataset that publishes the columns a rule looks at."""

NOT_CASTABLE = "not_castable"
"""Reason of rows with a value that has no lossless counterpart of the canonical type, such as a width of 1024.5.

Not a rule that could be switched off: without it, the row's value would be lost silently.
"""
NOT_CASTABLE_TOLERANCE = 0.001
