"""Sentences with numbers in them, every number named by its path in the document.

A format with ``+ci`` puts the interval behind the number, where there is one: ``3.1 % (2.8 % to 3.4 %)``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from laion_assets.statistics.display import resolve, shown
from laion_assets.statistics.document import Statement

_PLACE = re.compile(r"\{(\w+)\}")
_WITH_INTERVAL = "+ci"

Piece = str | tuple[str, str]
"""Words, or a number as (path, format)."""


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
    text = "".join(piece if isinstance(piece, str) else shown(resolve(document, piece[0]), piece[1]) for piece in made)
    return Statement(id=name, template=template, values=pairs, text=text)


def pieces(
    document: Mapping[str, Any], template: str, values: Mapping[str, tuple[str, str] | list[str]]
) -> Iterator[Piece]:
    """A sentence taken apart into words and numbers, in order."""
    for place, piece in enumerate(_PLACE.split(template)):
        if place % 2 == 0:
            yield piece
        else:
            path, form = values[piece]
            yield path, form.removesuffix(_WITH_INTERVAL)
            if form.endswith(_WITH_INTERVAL):
                yield from _interval(document, path, form.removesuffix(_WITH_INTERVAL))


def _interval(document: Mapping[str, Any], path: str, form: str) -> Iterator[Piece]:
    found = resolve(document, path)
    low, high = found["low"], found["high"]
    if found["estimate"] is None or (low is None and high is None) or found["method"] in ("exact", "census"):
        return
    if low is None:
        yield from (" (at most ", (f"{path}/high", form), ")")
    elif high is None:
        yield from (" (at least ", (f"{path}/low", form), ")")
    else:
        yield from (" (", (f"{path}/low", form), " to ", (f"{path}/high", form), ")")


def _split(value: str) -> tuple[str, str]:
    path, form = value.rsplit(" ", 1)
    return path, form
