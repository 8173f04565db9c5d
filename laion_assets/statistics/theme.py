"""Colours, type sizes and axes manners of every picture. Okabe & Ito's palette, told apart by all kinds of sight."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#8A8F98"

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW)

DECLARED, TRUE = BLUE, ORANGE


@dataclass(frozen=True)
class Theme:
    """Paper and ink, and how loud the quiet things are."""

    paper: str
    ink: str
    quiet: str
    line: str
    dots: str


LIGHT = Theme(paper="#ffffff", ink="#1b1f24", quiet="#59636e", line="#d6dbe1", dots="#b4bbc4")
DARK = Theme(paper="#15181d", ink="#e8ebef", quiet="#a3adb8", line="#363d47", dots="#59626e")

TITLE, SUBTITLE, LABEL, TICK, NOTE = 12.5, 9.2, 9.2, 8.8, 8.4
"""Type sizes in points, largest first."""

KIND_COLOURS = {
    "straddles_buckets": SKY,
    "declared_below_minimum": PURPLE,
    "true_below_minimum": VERMILLION,
    "declared_swapped": GREEN,
}
KIND_MARKERS = {
    "straddles_buckets": "o",
    "declared_below_minimum": "v",
    "true_below_minimum": "X",
    "declared_swapped": "D",
}
KIND_NAMES = {
    "straddles_buckets": "straddles a class edge: artefact",
    "declared_below_minimum": "declared too small",
    "true_below_minimum": "truly too small (at its true size)",
    "declared_swapped": "width and height exchanged",
}
MATCH_COLOURS = {"exact": BLUE, "swapped": GREEN, "scaled_down": ORANGE, "replaced": VERMILLION}
MATCH_MARKERS = {"exact": "o", "swapped": "D", "scaled_down": "s", "replaced": "X"}
MATCH_NAMES = {
    "exact": "as declared",
    "swapped": "exchanged",
    "scaled_down": "scaled down",
    "replaced": "another image",
}
FAULT_COLOURS = {"link": VERMILLION, "server": ORANGE, "policy": PURPLE, "us": BLUE, "nobody": GREEN}
FAULT_NAMES = {
    "link": "link rot",
    "server": "server busy or failing",
    "policy": "a rule said no",
    "us": "our own side",
    "nobody": "answered",
}


def dress(axes: "Axes", theme: Theme, *, title: str, subtitle: str = "", grid: Literal["x", "y", ""] = "y") -> None:
    """Title and subtitle on the left, no box, a quiet grid along one axis (``x``, ``y`` or none)."""
    axes.set_facecolor(theme.paper)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(theme.line)
    axes.tick_params(colors=theme.quiet, labelsize=TICK, length=0, which="both", pad=4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(theme.quiet)
        axis.label.set_fontsize(LABEL)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(visible=True, axis=grid, color=theme.line, linewidth=0.7)
        axes.spines["left" if grid == "y" else "bottom"].set_visible(False)
    above = 21 if subtitle else 9
    axes.annotate(
        title,
        (0, 1),
        xytext=(0, above),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=TITLE,
        fontweight="bold",
        color=theme.ink,
        va="bottom",
        parse_math=False,
        in_layout=False,
    )
    if subtitle:
        axes.annotate(
            subtitle,
            (0, 1),
            xytext=(0, 7),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=SUBTITLE,
            color=theme.quiet,
            va="bottom",
            parse_math=False,
            in_layout=False,
        )


def no_data(axes: "Axes", theme: Theme, text: str) -> None:
    """An empty panel that says why."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=theme.quiet, fontsize=LABEL)
