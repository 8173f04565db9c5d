"""Sentences with numbers in them, every number named by its path in the document."""

import re
from collections.abc import Mapping
from typing import Any

from laion_assets.statistics.display import resolve, shown
from laion_assets.statistics.document import Statement

PLACE = re.compile(r"\{(\w+)\}")


def say(document: Mapping[str, Any], name: str, template: str, **values: str) -> Statement:
    """A sentence.

    Args:
        document: What has been measured, as plain values.
        name: Identifies the sentence, whatever it says.
        template: The sentence with ``{name}`` where a number goes.
        **values: Per name ``"path format"``, such as ``"reach/reachable percent"``.

    Raises:
        KeyError: A place without a value, or a path to nothing.
    """
    pairs = {key: _split(value) for key, value in values.items()}
    text = PLACE.sub(lambda place: shown(resolve(document, pairs[place[1]][0]), pairs[place[1]][1]), template)
    return Statement(id=name, template=template, values=pairs, text=text)


def _split(value: str) -> tuple[str, str]:
    path, form = value.rsplit(" ", 1)
    return path, form
