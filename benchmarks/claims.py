"""What a benchmark found: claims with their figures and goals, as a table for a README and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

_WIDE = 300


@dataclass(frozen=True)
class Claim:
    """One line of the result: what is claimed, what was measured, and whether it holds.

    Attributes:
        claim: In words.
        unit: Of ``ours`` and ``peer``.
        ours: What was measured of us.
        peer: The same of somebody else, or of us elsewhere.
        peer_name: Who that is.
        ratio: The larger the better, or as the claim says.
        goal: In words, empty without one.
        met: Whether the goal is; None without one.
    """

    claim: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


def show(claims: Sequence[Claim], console: Console) -> None:
    """Print the table, one line per claim however narrow the place is: it goes into a README."""
    table = Table("claim", "ours", "peer", "", "ratio", "goal", "met", box=box.MARKDOWN)
    for column in table.columns:
        column.no_wrap = True
    for one in claims:
        table.add_row(
            one.claim,
            f"{_figure(one.ours)} {one.unit}",
            "" if one.peer is None else f"{_figure(one.peer)} {one.unit}",
            one.peer_name,
            "" if one.ratio is None else _figure(one.ratio),
            one.goal,
            {True: "yes", False: "NO", None: ""}[one.met],
        )
    wide = Console(file=console.file, width=_WIDE, no_color=True)
    with wide.capture() as lines:
        wide.print(table)
    print("\n".join(line.rstrip() for line in lines.get().splitlines() if line.strip()), file=console.file)


def write(claims: Sequence[Claim], path: Path) -> None:
    """Write them as JSON, a list of objects with the fields of ``Claim``."""
    path.write_text(json.dumps([asdict(one) for one in claims], indent=2) + "\n")


def _figure(value: float) -> str:
    """With as many digits as there is something to read in them."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 100 or abs(value) < 1 else f"{value:.2f}"
