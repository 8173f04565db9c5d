"""The picture: panels composed into one figure, and each panel alone for the report.

Drawn with matplotlib's object interface and Agg; no global state, no fonts but the bundled one, no time stamps, so the
same figures give the same bytes.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from laion_assets.statistics.display import count, full_count, pluralize
from laion_assets.statistics.intervals import METHODS
from laion_assets.statistics.panels_sizes import draw_classes, draw_distribution, draw_shapes
from laion_assets.statistics.panels_truth import draw_agreement, draw_anomaly, draw_outcomes, draw_yields
from laion_assets.statistics.pictured import Pictured
from laion_assets.statistics.theme import COLOURS, LIGHT, NOTE, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

Draw = Callable[["Axes", Theme, Pictured], None]

DPI = 144
WIDTH_IN, HEIGHT_IN = 12.5, 17.4
TITLE_IN = 0.56

PANELS: dict[str, tuple[Draw, float, float]] = {
    "width": (partial(draw_distribution, measure="width"), 3.9, 2.9),
    "height": (partial(draw_distribution, measure="height"), 3.9, 2.9),
    "short_side": (partial(draw_distribution, measure="short_side"), 3.9, 2.9),
    "classes": (draw_classes, 5.6, 3.8),
    "shapes": (draw_shapes, 5.6, 3.8),
    "anomaly": (draw_anomaly, 5.6, 5.9),
    "agreement": (draw_agreement, 5.6, 5.9),
    "outcomes": (draw_outcomes, 5.6, 4.2),
    "yields": (draw_yields, 5.6, 4.2),
}
"""Per panel: how it is drawn, and its size in inches when it stands alone."""


def analysis_png(data: Pictured) -> bytes:
    """The whole figure, 1800 px wide."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor=LIGHT.paper)
    _heading(figure, data)
    rows = figure.add_gridspec(
        4, 1, left=0.06, right=0.98, top=0.905, bottom=0.056, hspace=0.36, height_ratios=(1, 1, 2.15, 1.15)
    )
    sizes = rows[0].subgridspec(1, 3, wspace=0.17)
    classes = rows[1].subgridspec(1, 2, wspace=0.115, width_ratios=(2.08, 1))
    truth = rows[2].subgridspec(1, 2, wspace=0.16)
    # Spacers hold the names of the bars.
    ends = rows[3].subgridspec(1, 4, wspace=0, width_ratios=(0.2, 1, 0.62, 1))
    places = {
        "width": sizes[0],
        "height": sizes[1],
        "short_side": sizes[2],
        "classes": classes[0],
        "shapes": classes[1],
        "anomaly": truth[0],
        "agreement": truth[1],
        "outcomes": ends[1],
        "yields": ends[3],
    }
    for name, place in places.items():
        PANELS[name][0](figure.add_subplot(place), LIGHT, data)
    return _encoded(_rendered(figure))


def panel_png(name: str, data: Pictured, *themes: Theme) -> tuple[bytes, ...]:
    """One panel alone, a PNG per theme: the same but for its colours."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    draw, width, height = PANELS[name]
    # Titles stand above the axes, outside of what the layout looks after.
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - TITLE_IN / height), w_pad=0.06, h_pad=0.04)
    made, place = [], None
    for theme in themes:
        figure = Figure(figsize=(width, height), dpi=DPI, facecolor=theme.paper)
        axes = figure.add_subplot()
        draw(axes, theme, data)
        if place is None:
            # Looking for the place is two fifths of the work, and colours do not change it.
            layout.execute(figure)
            place = axes.get_position(original=True)
        axes.set_position(place)
        made.append(_encoded(_rendered(figure)))
    return tuple(made)


def preview_png(picture: bytes, *, width_px: int = 900) -> bytes:
    """The figure smaller, for places that keep a copy of every run's picture."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette())
    with Image.open(io.BytesIO(picture)) as image:
        height = round(image.height * width_px / image.width)
        small = image.convert("RGB").resize((width_px, height), Image.Resampling.LANCZOS)
    return _encoded(small.quantize(palette=palette, dither=Image.Dither.NONE))


def _palette() -> list[int]:
    """Our colours, each on its way to white and to black, and greys: a palette counted from pixels loses rare ones."""
    # Nothing close to white but white: the lookup rounds.
    steps = [level / 20 for level in range(18)]
    colours = [tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in COLOURS]
    mixed = [round(part + (255 - part) * step) for colour in colours for step in steps for part in colour]
    dark = [round(part * step) for colour in colours for step in (0.25, 0.5, 0.75) for part in colour]
    greys = [round(255 * level / 31) for level in range(32) for _ in range(3)]
    return [*mixed, *dark, *greys]


def _encoded(image: "Image.Image") -> bytes:
    buffer = io.BytesIO()
    # Level 6 makes the pictures of a report 7 % smaller and takes 0.2 s more.
    image.save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _can_be_drawn(text: str) -> bool:
    """Whether the bundled font has all characters; of others, a box each would be seen."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties(weight="bold"))).get_charmap()
    return all(ord(character) in known for character in text)


def _heading(figure: "Figure", data: Pictured) -> None:
    found = data.statistics
    cover = found.coverage
    rows = f"{count(cover.population)} {pluralize('row', cover.population)}"
    parts = f"{full_count(cover.sample_parts)} {pluralize('part', cover.sample_parts)}"
    line = f"{rows} in {parts}  ·  {full_count(cover.sample_rows)} sampled"
    if found.reach is not None:
        line += f"  ·  {full_count(cover.measured_rows)} {pluralize('image', cover.measured_rows)} reached and measured"
    else:
        line += "  ·  the web was not asked"
    method = "wilson_effective" if cover.weighted else "wilson_fpc"
    title = found.title if _can_be_drawn(found.title) else found.dataset
    figure.text(0.06, 0.978, title, fontsize=22, fontweight="bold", color=LIGHT.ink, va="top", parse_math=False)
    figure.text(0.06, 0.9585, line, fontsize=11.5, color=LIGHT.quiet, va="top", parse_math=False)
    figure.text(
        0.06,
        0.012,
        "Declared: what the publisher says. True: what the image itself says, among reachable ones. "
        "Dashed lines: edges of the size classes.\n"
        f"Thin lines on bars: 95\u00a0% intervals, {METHODS[method].name}. "
        "Bytes count an image whose length is not known as the mean of the others.",
        fontsize=NOTE,
        color=LIGHT.quiet,
    )


def _rendered(figure: "Figure") -> "Image.Image":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
