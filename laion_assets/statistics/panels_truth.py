"""Panels about the truth behind the links: the anomaly, declared against true, outcomes, what choices leave."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from laion_assets.statistics.display import count, percent, size
from laion_assets.statistics.panels_sizes import legend, percent_axis, size_axis
from laion_assets.statistics.pictured import Pictured, frame_of
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
    found = data.statistics
    title = f"The “{found.anomaly.label}” anomaly, taken apart"
    known = data.points.drop_nulls(["declared_width", "declared_height"])
    if known.is_empty():
        dress(axes, theme, title=title)
        no_data(axes, theme, "no declared sizes")
        return
    groups = [("", theme.dots, known.filter(pl.col("anomaly_kind").is_null()))]
    groups += [(kind, colour, known.filter(pl.col(kind))) for kind, colour in KIND_COLOURS.items()]
    # A row whose image is too small is drawn where the image is, not where the metadata says.
    sides = ["true" if kind == "true_below_minimum" else "declared" for kind, _, _ in groups]
    drawn = [
        pl.concat([rows[f"{side}_{name}"] for side, (_, _, rows) in zip(sides, groups, strict=True)])
        for name in ("width", "height")
    ]
    edges = found.requirement.edges_px
    frame = frame_of(pl.concat(drawn).to_numpy().astype(np.float64), edges)
    historical = found.anomaly.historical.declared_sample
    share = percent(historical.estimate) if historical else "none"
    subtitle = f"px; the historical scheme calls {share} too small{_beyond(drawn, frame)}"
    dress(axes, theme, title=title, subtitle=subtitle, grid="")
    for side, (kind, colour, rows) in zip(sides, groups, strict=True):
        few = kind not in ("", "straddles_buckets")
        if rows.is_empty():
            continue
        _dots(
            axes,
            rows[f"{side}_width"],
            rows[f"{side}_height"],
            frame,
            color=colour,
            s=24 if few else 6 if kind else 4,
            alpha=0.95 if few else 0.75 if kind else 0.5,
            marker=KIND_MARKERS.get(kind, "o"),
            linewidths=0.4 if few else 0,
            edgecolors=theme.paper,
            label=f"{KIND_NAMES.get(kind, 'nothing wrong')} ({data.kinds[kind]:,})",
            zorder=3 if few else 2.5 if kind else 2,
        )
    _square_frame(axes, theme, frame, edges, drawn)
    axes.set_xlabel("width")
    axes.set_ylabel("height")
    legend(axes, theme, loc="upper left")


def draw_agreement(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """Declared against true short side of the reachable images."""
    title = "Declared against true"
    known = data.points.drop_nulls(["declared_short_side", "true_short_side"])
    if known.is_empty():
        dress(axes, theme, title=title)
        no_data(axes, theme, "nothing was probed" if data.statistics.reach is None else "no image was reached")
        return
    edges = data.statistics.requirement.edges_px
    drawn = [known["declared_short_side"], known["true_short_side"]]
    frame = frame_of(pl.concat(drawn).to_numpy().astype(np.float64), edges)
    subtitle = f"short side in px; on the diagonal the metadata is right{_beyond(drawn, frame)}"
    dress(axes, theme, title=title, subtitle=subtitle, grid="")
    for match, colour in MATCH_COLOURS.items():
        chosen, few = known.filter(pl.col("declared_match") == match), match != "exact"
        if chosen.is_empty():
            continue
        _dots(
            axes,
            chosen["declared_short_side"],
            chosen["true_short_side"],
            frame,
            s=20 if few else 5,
            alpha=0.9 if few else 0.45,
            color=colour,
            marker=MATCH_MARKERS[match],
            linewidths=0.4 if few else 0,
            edgecolors=theme.paper,
            label=f"{MATCH_NAMES[match]} ({data.matches[match]:,})",
            zorder=3 if few else 2,
        )
    _square_frame(axes, theme, frame, edges, drawn)
    axes.plot(frame, frame, color=theme.quiet, linewidth=0.8, zorder=1)
    axes.set_xlabel("declared short side")
    axes.set_ylabel("true short side")
    legend(axes, theme, loc="upper left")


def _dots(axes: "Axes", x: pl.Series, y: pl.Series, frame: tuple[float, float], **looks: Any) -> None:  # noqa: ANN401
    """Points; those beyond the frame are drawn at its edge."""
    axes.scatter(x.clip(*frame), y.clip(*frame), **({"linewidths": 0} | looks))


def _square_frame(
    axes: "Axes", theme: Theme, frame: tuple[float, float], edges_px: tuple[int, ...], sizes: list[pl.Series]
) -> None:
    """Both axes over the same logarithmic range, with the class edges drawn."""
    low, high = frame
    names: tuple[Literal["x", "y"], ...] = ("x", "y")
    for name, values in zip(names, sizes, strict=True):
        beyond = (bool((values < low).any()), bool((values > high).any()))
        size_axis(axes, name, (low / 1.06, high * 1.06), edges_px, beyond=beyond)
    for edge in edges_px:
        axes.axvline(edge, color=theme.quiet, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.axhline(edge, color=theme.quiet, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def _beyond(sizes: list[pl.Series], frame: tuple[float, float]) -> str:
    """A note on the points that lie beyond the frame."""
    outside = [(values < frame[0]) | (values > frame[1]) for values in sizes]
    number = int((outside[0] | outside[1]).sum())
    return f"; {number:,} beyond the frame" if number else ""


def draw_outcomes(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """How the probes ended that did not end well, most frequent first, coloured by whose fault it is."""
    reach = data.statistics.reach
    if reach is None or data.statistics.coverage.sample_rows == 0:
        dress(axes, theme, title="Outcomes")
        no_data(axes, theme, "nothing was probed")
        return
    all_failed = [outcome for outcome in reach.outcomes if outcome.outcome != "ok"]
    failed = all_failed[:MOST_OUTCOMES]
    answered = reach.reachable
    dress(
        axes,
        theme,
        title="How links fail",
        subtitle=f"{percent(answered.estimate)} answer; share of all rows per outcome, with 95 % intervals",
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
    if rarer := len(all_failed) - len(failed):
        axes.set_xlabel(f"not drawn: {rarer} rarer outcome{'s' if rarer > 1 else ''}")
    legend(axes, theme, loc="lower right")


def draw_yields(axes: "Axes", theme: Theme, data: Pictured) -> None:
    """What each choice of rows would leave."""
    found = data.statistics
    dress(
        axes,
        theme,
        title="What each choice leaves",
        subtitle="share of all rows, with 95 % intervals; images and bytes",
        grid="x",
    )
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
