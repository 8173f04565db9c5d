"""Panels about the truth behind the links: the anomaly, declared against true, outcomes, what choices leave."""

from typing import TYPE_CHECKING

import polars as pl

from laion_assets.statistics.display import count, percent, size
from laion_assets.statistics.panels_sizes import legend, percent_axis
from laion_assets.statistics.pictured import Pictured
from laion_assets.statistics.theme import (
    DECLARED,
    FAULT_COLOURS,
    FAULT_NAMES,
    KIND_COLOURS,
    KIND_MARKERS,
    KIND_NAMES,
    LABEL,
    MATCH_COLOURS,
    MATCH_MARKERS,
    MATCH_NAMES,
    NOTE,
    Theme,
    dress,
    no_data,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_OUTCOMES = 12


def draw_anomaly(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """Where each of the four kinds lies: width against height of the sampled rows."""
    found, points = data.statistics, data.points
    historical = found.anomaly.historical.declared_sample
    share = percent(historical.estimate) if historical else "none"
    dress(
        axes,
        theme,
        title=f"The “{found.anomaly.label}” anomaly, taken apart",
        subtitle=f"width and height in px; the historical scheme calls {share} too small",
        grid="",
    )
    known = points.drop_nulls(["declared_width", "declared_height"])
    if known.is_empty():
        no_data(axes, theme, "no declared sizes")
        return
    plain = known.filter(pl.col("anomaly_kind").is_null())
    _dots(axes, plain, "declared", color=theme.dots, s=4, alpha=0.5, label=f"nothing wrong ({plain.height:,})")
    for kind, colour in KIND_COLOURS.items():
        chosen = known.filter(pl.col(kind))
        if chosen.is_empty():
            continue
        side = "true" if kind == "true_below_minimum" else "declared"
        many = kind == "straddles_buckets"
        _dots(
            axes,
            chosen,
            side,
            color=colour,
            s=6 if many else 24,
            alpha=0.75 if many else 0.95,
            marker=KIND_MARKERS[kind],
            linewidths=0 if many else 0.4,
            edgecolors=theme.paper,
            label=f"{KIND_NAMES[kind]} ({chosen.height:,})",
            zorder=2.5 if many else 3,
        )
    _square_log(axes, theme, found.requirement.edges_px)
    axes.set_xlabel("width")
    axes.set_ylabel("height")
    legend(axes, theme, loc="upper left")


def draw_agreement(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """Declared against true short side of the reachable images."""
    dress(
        axes,
        theme,
        title="Declared against true",
        subtitle="short side in px; on the diagonal the metadata is right",
        grid="",
    )
    known = data.points.drop_nulls(["declared_short_side", "true_short_side"])
    if known.is_empty():
        no_data(axes, theme, "nothing was probed" if data.statistics.reach is None else "no image was reached")
        return
    for match, colour in MATCH_COLOURS.items():
        chosen = known.filter(pl.col("declared_match") == match)
        if chosen.is_empty():
            continue
        exact = match == "exact"
        axes.scatter(
            chosen["declared_short_side"],
            chosen["true_short_side"],
            s=5 if exact else 20,
            alpha=0.45 if exact else 0.9,
            color=colour,
            marker=MATCH_MARKERS[match],
            linewidths=0 if exact else 0.4,
            edgecolors=theme.paper,
            label=f"{MATCH_NAMES[match]} ({chosen.height:,})",
            zorder=2 if exact else 3,
        )
    _square_log(axes, theme, data.statistics.requirement.edges_px)
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color=theme.quiet, linewidth=0.8, zorder=1)
    axes.set_xlabel("declared short side")
    axes.set_ylabel("true short side")
    legend(axes, theme, loc="upper left")


def _dots(axes: "Axes", rows: pl.DataFrame, side: str, **looks: object) -> None:
    looks = {"linewidths": 0, **looks}
    axes.scatter(rows[f"{side}_width"], rows[f"{side}_height"], **looks)  # type: ignore[arg-type]


def _square_log(axes: "Axes", theme: Theme, edges_px: tuple[int, ...]) -> None:
    """Both axes logarithmic over the same range, with the class edges drawn."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    low = min(axes.dataLim.x0, axes.dataLim.y0, edges_px[0])
    high = max(axes.dataLim.x1, axes.dataLim.y1, edges_px[-1])
    low, high = max(low, 1) / 1.15, high * 1.15
    ticks = [edges_px[0] * 2.0**power for power in range(-10, 8)]
    shown = [tick for tick in ticks if low <= tick <= high]
    for axis, setter, limiter in (
        (axes.xaxis, axes.set_xscale, axes.set_xlim),
        (axes.yaxis, axes.set_yscale, axes.set_ylim),
    ):
        setter("log", base=2)
        limiter(low, high)
        axis.set_major_locator(FixedLocator(shown))
        axis.set_major_formatter(FixedFormatter([f"{tick:.0f}" for tick in shown]))
        axis.set_minor_locator(NullLocator())
    for edge in edges_px:
        axes.axvline(edge, color=theme.quiet, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.axhline(edge, color=theme.quiet, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def draw_outcomes(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """How the probes ended that did not end well, most frequent first, coloured by whose fault it is."""
    reach = data.statistics.reach
    if reach is None or data.statistics.coverage.sample_rows == 0:
        dress(axes, theme, title="Outcomes")
        no_data(axes, theme, "nothing was probed")
        return
    failed = [outcome for outcome in reach.outcomes if outcome.outcome != "ok"][:MOST_OUTCOMES]
    answered = reach.reachable
    dress(
        axes,
        theme,
        title=f"{percent(answered.estimate)} of the links answer; how the others end",
        subtitle="share of all rows by outcome; whiskers are 95 % intervals",
        grid="x",
    )
    if not failed:
        no_data(axes, theme, "every link answered")
        return
    named = set()
    for place, outcome in enumerate(failed):
        fault, share = outcome.fault, outcome.share
        axes.barh(
            place,
            share.estimate or 0,
            0.68,
            color=FAULT_COLOURS[fault],
            label=None if fault in named else FAULT_NAMES[fault],
        )
        named.add(fault)
        if share.low is not None and share.high is not None:
            axes.plot([share.low, share.high], [place, place], color=theme.ink, linewidth=1.1)
        axes.annotate(
            percent(share.estimate),
            (share.high or share.estimate or 0, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=NOTE,
            color=theme.ink,
        )
    names = [outcome.outcome.replace("_", " ") for outcome in failed]
    axes.set_yticks(range(len(failed)), names, fontsize=LABEL, color=theme.ink, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, axes.get_xlim()[1] * 1.08)
    percent_axis(axes.xaxis, most_ticks=5)
    legend(axes, theme, loc="lower right")


def draw_yields(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """What each choice of rows would leave."""
    found = data.statistics
    dress(axes, theme, title="What each choice leaves", subtitle="share of all rows; images and bytes", grid="x")
    if not found.coverage.sample_rows:
        no_data(axes, theme, "no rows")
        return
    for place, kept in enumerate(found.yields):
        share = kept.share
        axes.barh(place, share.estimate or 0, 0.68, color=DECLARED)
        if share.low is not None and share.high is not None:
            axes.plot([share.low, share.high], [place, place], color=theme.ink, linewidth=1.1)
    labels = [kept.title for kept in found.yields]
    axes.set_yticks(range(len(labels)), labels, fontsize=LABEL, color=theme.ink)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    percent_axis(axes.xaxis, most_ticks=5)
    for place, kept in enumerate(found.yields):
        length = kept.share.estimate or 0
        outside = length < 0.7
        bytes_text = "" if kept.bytes.estimate is None else f", {size(kept.bytes.estimate)}"
        axes.annotate(
            count(kept.rows.estimate) + bytes_text,
            (kept.share.high or length if outside else kept.share.low or length, place),
            xytext=(5 if outside else -5, 0),
            textcoords="offset points",
            va="center",
            ha="left" if outside else "right",
            fontsize=NOTE,
            color=theme.ink if outside else "#ffffff",
        )
