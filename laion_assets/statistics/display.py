"""How numbers of the document look to a reader, and how a path names one of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

NBSP = "\u00a0"
UNKNOWN = "\u2013"

_KEYS = ("name", "id", "kind", "outcome", "minimum_side_px", "half_width")


def resolve(document: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 (whatever the document holds there)
    """The value a path names, such as ``sizes/width/views/true_sample/mean``.

    Raises:
        KeyError: Nothing is there.
    """
    here: Any = document
    for segment in path.split("/"):
        if isinstance(here, Mapping):
            here = here[segment]
        elif isinstance(here, Sequence) and not isinstance(here, str):
            named = [entry for entry in here if isinstance(entry, Mapping) and _is_called(entry, segment)]
            if not named and not segment.isdecimal():
                raise KeyError(f"{path}: no entry {segment!r}")
            here = named[0] if named else here[int(segment)]
        else:
            raise KeyError(f"{path}: nothing below {segment!r}")
    return here


def _is_called(entry: Mapping[str, Any], segment: str) -> bool:
    """Whether a segment names an entry. Digits never are a text's name: a stranger's would pass for a position."""
    names = [entry.get(key) for key in _KEYS]
    return any(str(name) == segment for name in names if not (isinstance(name, str) and segment.isdecimal()))


def number_of(value: Any) -> float | None:  # noqa: ANN401
    """The number itself: of an estimate, its estimate."""
    if isinstance(value, Mapping):
        value = value["estimate"]
    return None if value is None else float(value)


def percent(share: float | None) -> str:
    """``16.5 %``; small and nearly complete shares get more digits, and only 0 and 1 read as 0 and 100."""
    if share is None:
        return UNKNOWN
    if share in (0, 1):
        return f"{share:.0%}".replace("%", f"{NBSP}%")
    distance = min(abs(share), abs(1 - share))
    if distance < 0.0000005:
        return f"<{NBSP}0.0001{NBSP}%" if share < 0.5 else f">{NBSP}99.9999{NBSP}%"
    decimals = 1 if distance >= 0.01 else 2 if distance >= 0.0001 else -math.floor(math.log10(distance * 100))
    return f"{share * 100:.{decimals}f}{NBSP}%"


def round_percent(share: float | None) -> str:
    """A share somebody chose, such as a target: ``99 %``, as few digits as say it."""
    return UNKNOWN if share is None else f"{share * 100:.6g}{NBSP}%"


def count(value: float | None) -> str:
    """``1,234`` and, from a million, ``1.23 million``."""
    if value is None:
        return UNKNOWN
    if abs(value) >= 999_500_000:
        return f"{_three(value / 1e9)}{NBSP}billion"
    if abs(value) >= 999_500:
        return f"{_three(value / 1e6)}{NBSP}million"
    return f"{round(value):,}"


def pluralize(word: str, value: float | None, plural: str = "") -> str:
    """A word as it stands beside a number that ``count`` shows: ``row``, or ``rows`` beside any but 1."""
    return word if value is not None and round(value) == 1 else plural or f"{word}s"


def full_count(value: float | None) -> str:
    """``1,234,567``."""
    return UNKNOWN if value is None else f"{round(value):,}"


def size(value: float | None) -> str:
    """Bytes in decimal units: ``433 KB``."""
    if value is None:
        return UNKNOWN
    for limit, unit in ((999.5e12, "PB"), (999.5e9, "TB"), (999.5e6, "GB"), (999.5e3, "MB"), (999.5, "KB")):
        if abs(value) >= limit:
            return f"{_three(value / (limit / 0.9995))}{NBSP}{unit}"
    return f"{round(value)}{NBSP}bytes"


def pixels(value: float | None) -> str:
    """``1600``: sides are names as much as numbers, so without a thousands separator."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.1f}"


def identity(value: float | None) -> str:
    """A whole number that names something: a side, a row."""
    return UNKNOWN if value is None else f"{value:.0f}"


def decimal(value: float | None) -> str:
    """Two digits after the point."""
    return UNKNOWN if value is None else f"{value:.2f}"


def fine(value: float | None) -> str:
    """Three digits after the point, for scores that are close to each other."""
    return UNKNOWN if value is None else f"{value:.3f}"


def tidy(value: float | None) -> str:
    """As few digits as say it: ``0.8``, ``5``."""
    return UNKNOWN if value is None else f"{value:.6g}"


def hours(value: float | None) -> str:
    """Minutes, hours or days, whichever reads best."""
    if value is None:
        return UNKNOWN
    if value < 1 / 60:
        return f"{max(value * 3600, 0):.1f}{NBSP}seconds"
    if value < 2:
        return f"{_three(value * 60)}{NBSP}minutes"
    if value < 72:
        return f"{_three(value)}{NBSP}hours"
    return f"{_three(value / 24)}{NBSP}days"


def points(value: float | None) -> str:
    """A half width in percentage points."""
    return UNKNOWN if value is None else f"±{NBSP}{value * 100:.6g}{NBSP}pp"


def _three(value: float) -> str:
    """Three significant digits, never in exponent form."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value) * 1.000501)))
    return f"{value:,.{digits}f}"


FORMATS = {
    "percent": percent,
    "round_percent": round_percent,
    "count": count,
    "full_count": full_count,
    "bytes": size,
    "px": pixels,
    "decimal": decimal,
    "fine": fine,
    "tidy": tidy,
    "tidy_int": identity,
    "hours": hours,
    "points": points,
}
"""Formats by the name that a statement's values use."""


def shown(value: Any, form: str) -> str:  # noqa: ANN401
    """A value of the document as text."""
    return FORMATS[form](number_of(value))


def range_texts(ends: Sequence[float | None], form: str) -> list[str]:
    """Both ends of a range, the unit once where it is the same, ``…`` for an end that is not bounded."""
    low, high = ("…" if end is None else shown(end, form) for end in ends)
    unit = high.rpartition(NBSP)[2]
    if NBSP in high and low.endswith(f"{NBSP}{unit}"):
        low = low.removesuffix(f"{NBSP}{unit}")
    return [low, high]
