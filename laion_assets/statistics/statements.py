"""Sentences with numbers in them, every number named by its path in the document.

A format with ``+ci`` puts the interval behind the number: ``3.1 % (2.8 to 3.4 %)``. There is none behind a number that
is counted, nor where both ends read as the number itself.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from laion_assets.statistics.display import range_texts, resolve, shown
from laion_assets.statistics.document import Statement
from laion_assets.statistics.intervals import UNDOUBTED

_PLACE = re.compile(r"\{(\w+)\}")
_WITH_INTERVAL = "+ci"

Piece = str | tuple[str, str, str]
"""Words, or a number as (path, format, text)."""


def say(document: Mapping[str, Any], name: str, template: str, **values: str) -> Statement:
    """A sentence.

    Args:
        document: What has been measured, as plain values.
        name: Identifies the sentence, whatever it says.
        template: The sentence with ``{name}`` where a number goes.
        **values: Per name ``"path format"``, such as ``"reach/reachable percent+ci"``.

    Raises:
        KeyError: A place without a value, or a path to nothing.
    """
    pairs = {key: _split(value) for key, value in values.items()}
    made = pieces(document, template, pairs)
    text = "".join(piece if isinstance(piece, str) else piece[-1] for piece in made)
    return Statement(id=name, template=template, values=pairs, text=text)


def pieces(
    document: Mapping[str, Any], template: str, values: Mapping[str, tuple[str, str] | list[str]]
) -> Iterator[Piece]:
    """A sentence taken apart into words and numbers, in order."""
    for place, piece in enumerate(_PLACE.split(template)):
        if place % 2 == 0:
            yield piece
        else:
            path, form = values[piece][0], values[piece][1].removesuffix(_WITH_INTERVAL)
            yield path, form, shown(resolve(document, path), form)
            if values[piece][1].endswith(_WITH_INTERVAL):
                yield from _interval(document, path, form)


def _interval(document: Mapping[str, Any], path: str, form: str) -> Iterator[Piece]:
    found = resolve(document, path)
    ends = [found["low"], found["high"]]
    if found["estimate"] is None or ends == [None, None] or found["method"] in UNDOUBTED:
        return
    if {shown(end, form) for end in ends} == {shown(found, form)}:
        return
    low, high = (
        (f"{path}/{end}", form, text) for end, text in zip(("low", "high"), range_texts(ends, form), strict=True)
    )
    if found["low"] is None:
        yield from (" (at most ", high, ")")
    elif found["high"] is None:
        yield from (" (at least ", low, ")")
    else:
        yield from (" (", low, " to ", high, ")")


def _split(value: str) -> tuple[str, str]:
    path, form = value.rsplit(" ", 1)
    return path, form
