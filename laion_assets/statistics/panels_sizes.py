"""Panels about sizes: distributions, size classes, shapes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from laion_assets.statistics.display import NBSP, percent, pixels
from laion_assets.statistics.document import Class
from laion_assets.statistics.estimate import Share
from laion_assets.statistics.pictured import Pictured
from laion_assets.statistics.theme import DECLARED, GREY, LABEL, NOTE, TRUE, Theme, dress, no_data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_TITLES = {"width": "Width", "height": "Height", "short_side": "Short side"}


def draw_distribution(axes: "Axes", theme: Theme, data: Pictured, *, measure: str) -> None:
    """How wide (high, …) images are: declared as a filled outline, true as a line, on a logarithmic axis."""
    histogram = data.histograms[measure]
    sizes = next(size for size in data.statistics.sizes if size.name == measure)
    views = sizes.views
    medians = [
        f"{name} {pixels(view.percentiles['p50'].estimate)}"
        for name, view in (("declared", views.declared_all or views.declared_sample), ("true", views.true_sample))
        if view is not None and view.n
    ]
    subtitle = f"share of images; median {', '.join(medians)} px" if medians else ""
    dress(axes, theme, title=_TITLES[measure], subtitle=subtitle)
    if histogram.declared is None and histogram.true is None:
        no_data(axes, theme, "no sizes known")
        return
    if histogram.declared is not None:
        label = f"declared, {'all rows' if histogram.declared_is_exact else 'sample'}"
        axes.stairs(histogram.declared, histogram.edges, fill=True, color=DECLARED, alpha=0.30, linewidth=0)
        axes.stairs(histogram.declared, histogram.edges, color=DECLARED, linewidth=1.4, label=label)
    if histogram.true is not None:
        axes.stairs(histogram.true, histogram.edges, color=TRUE, linewidth=1.8, label="true, reachable")
    edges = data.statistics.requirement.edges_px
    size_axis(axes, "x", (histogram.edges[0], histogram.edges[-1]), edges, beyond=histogram.beyond, most_ticks=6)
    for edge in edges:
        axes.axvline(edge, 0, 0.8, color=theme.quiet, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0.5)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    percent_axis(axes.yaxis)
    legend(axes, theme, loc="upper right")


def draw_classes(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """Size classes: the historical both-sides scheme beside the short side, declared and true."""
    found = data.statistics
    dress(
        axes,
        theme,
        title="Size classes",
        subtitle="by short side and by the historical both-sides scheme; 95 % intervals",
    )
    groups = (
        ("historical scheme, declared", GREY, _picked(found.historical_buckets, declared=True), "////"),
        ("short side, declared", DECLARED, _picked(found.buckets, declared=True), ""),
        ("short side, true", TRUE, _picked(found.buckets, declared=False), ""),
    )
    _grouped(axes, theme, [bucket.name for bucket in found.buckets], groups)


def draw_shapes(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """Square, landscape and portrait."""
    found = data.statistics
    dress(axes, theme, title="Shapes", subtitle="square: width / height from 0.9 to 1.1; 95 % intervals")
    groups = (
        ("declared", DECLARED, _picked(found.aspect, declared=True), ""),
        ("true", TRUE, _picked(found.aspect, declared=False), ""),
    )
    _grouped(axes, theme, [shape.name for shape in found.aspect], groups)


def _picked(classes: list[Class], *, declared: bool) -> list[Share | None]:
    if not declared:
        return [entry.views.true_sample for entry in classes]
    return [entry.views.declared_sample or entry.views.declared_all for entry in classes]


def _grouped(
    axes: "Axes", theme: Theme, names: list[str], groups: tuple[tuple[str, str, list[Share | None], str], ...]
) -> None:
    shown = [group for group in groups if any(share is not None and share.n for share in group[2])]
    if not shown:
        no_data(axes, theme, "no sizes known")
        return
    width = 0.78 / len(shown)
    for index, (label, colour, shares, hatch) in enumerate(shown):
        centre = [place + (index - (len(shown) - 1) / 2) * width for place in range(len(names))]
        values = [0.0 if share is None or share.estimate is None else share.estimate for share in shares]
        axes.bar(
            centre,
            values,
            width * 0.92,
            color=colour,
            label=label,
            hatch=hatch or None,
            edgecolor=theme.paper,
            linewidth=0,
        )
        for x, value, share in zip(centre, values, shares, strict=True):
            top = value
            if share is not None and share.low is not None and share.high is not None:
                top = share.high
                axes.plot([x, x], [share.low, share.high], color=theme.ink, linewidth=1.1, solid_capstyle="butt")
            text = percent(share.estimate if share is not None else None).replace(f"{NBSP}%", "")
            axes.annotate(
                text,
                (x, top),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=NOTE,
                color=theme.ink,
            )
    axes.set_xticks(range(len(names)), names, fontsize=LABEL + 0.6, color=theme.ink, parse_math=False)
    axes.set_ylim(0, max(0.05, axes.get_ylim()[1]) * 1.16)
    percent_axis(axes.yaxis)
    legend(axes, theme, loc="upper right")


def size_axis(
    axes: "Axes",
    name: Literal["x", "y"],
    frame: tuple[float, float],
    edges_px: Sequence[int],
    *,
    beyond: tuple[bool, bool] = (False, False),
    most_ticks: int = 9,
) -> None:
    """A logarithmic axis with ticks at the first class edge and its doublings; ``≤`` and ``≥`` where it is cut off."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    low, high = frame
    ticks = [edges_px[0] * 2.0**power for power in range(-16, 17)]
    shown = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
    if len(shown) > most_ticks:
        shown = [tick for tick in shown if round(math.log2(tick / edges_px[0])) % 2 == 0]
    labels = [f"{tick:.0f}" for tick in shown]
    if beyond[0] and shown[0] <= low * 1.1:
        labels[0] = f"\u2264{NBSP}{labels[0]}"
    if beyond[1] and shown[-1] >= high * 0.9:
        labels[-1] = f"\u2265{NBSP}{labels[-1]}"
    axis = axes.xaxis if name == "x" else axes.yaxis
    axes.set(**{f"{name}scale": "log"})
    axes.set(**{f"{name}lim": frame})
    axis.set_major_locator(FixedLocator(shown))
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())
    if name == "x" and shown[-1] >= high * 0.99:
        axis.get_majorticklabels()[-1].set_horizontalalignment("right")


def percent_axis(axis: "Axis", *, most_ticks: int = 6) -> None:
    """Round percentages along an axis of shares."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most_ticks, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.4g}{NBSP}%"))


def legend(axes: "Axes", theme: Theme, *, loc: Literal["upper right", "upper left", "lower right"]) -> None:
    """A legend on a plate of paper, so that grid lines do not run through its words."""
    made = axes.legend(
        loc=loc,
        frameon=True,
        framealpha=0.9,
        facecolor=theme.paper,
        edgecolor="none",
        fontsize=NOTE,
        labelcolor=theme.ink,
        handlelength=1.2,
        handletextpad=0.5,
        borderaxespad=0.1,
        borderpad=0.3,
        markerscale=1.4,
    )
    made.set_zorder(5)
    for handle in made.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
