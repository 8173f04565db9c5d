"""Which column means what in a file nobody described: what the user says, and telling what was guessed."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from laion_assets.metadata.schema import CANONICAL_COLUMNS
from laion_assets.metadata.spec import ColumnsSpec
from laion_assets.statistics.anomaly import displayable

SHORT_NAMES = {"width": "declared_width", "height": "declared_height", "text": "caption", "hash": "row_hash"}
"""What people call a canonical column on the command line."""

_MOST_OTHERS = 8


def parse_columns(options: Iterable[str]) -> ColumnsSpec:
    """Column names as the command line gives them: ``url=link,caption=title``, or ``url=#1`` without a header.

    Raises:
        ValueError: Not of that form, or a column that there is none of.
    """
    known = [column.name for column in CANONICAL_COLUMNS]
    columns: ColumnsSpec = {}
    for pair in (pair.strip() for option in options for pair in option.split(",")):
        if not pair:
            continue
        name, equals, published = (text.strip() for text in pair.partition("="))
        if not (name and equals and published):
            raise ValueError(
                f"--columns: {pair!r} is not of the form name=published. Write url=<its column>,caption=<its column>, "
                "and url=#1 for the first column of a file without a header."
            )
        canonical = SHORT_NAMES.get(name.lower(), name.lower())
        if canonical not in known:
            near = difflib.get_close_matches(canonical, [*known, *SHORT_NAMES], n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
            raise ValueError(f"--columns: there is no column {name!r}. {hint}")
        if columns.get(canonical, [published]) != [published]:
            raise ValueError(f"--columns: {canonical} is given twice, as {columns[canonical][0]!r} and {published!r}.")
        columns[canonical] = [published]
    return columns


@dataclass(frozen=True)
class ColumnsRead:
    """How the columns of one part were understood.

    Attributes:
        canonical: Published name per canonical column.
        others: Columns that mean nothing to us, in small letters.
    """

    canonical: Mapping[str, str]
    others: tuple[str, ...]


def told(read: ColumnsRead, given: ColumnsSpec) -> str:
    """One line on which published column was read as what, and what the file does not tell.

    Args:
        read: How the columns were understood.
        given: What the user said.
    """
    shown = {name: f"{name} = {displayable(published, 40)}" for name, published in read.canonical.items()}
    guessed = [pair for name, pair in shown.items() if name not in given]
    as_told = [pair for name, pair in shown.items() if name in given]
    lines = [f"{', '.join(pairs)} ({how})" for pairs, how in ((guessed, "guessed"), (as_told, "as told")) if pairs]
    if not {"declared_width", "declared_height"} <= read.canonical.keys():
        lines.append("no declared sizes: unknown until probed")
    if "caption" not in read.canonical:
        lines.append("no captions")
    if read.others:
        names = [displayable(name, 40) for name in read.others[:_MOST_OTHERS]]
        more = ", …" if len(read.others) > _MOST_OTHERS else ""
        lines.append(f"not used: {', '.join(names)}{more}")
    return "; ".join(lines)
