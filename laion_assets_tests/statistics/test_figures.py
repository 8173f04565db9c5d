"""What is drawn, asked of matplotlib's own objects; how it looks is for eyes."""

import dataclasses
import functools
import io

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from laion_assets.statistics.declared import Declared
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.figure import PANELS, analysis_png, panel_png, preview_png
from laion_assets.statistics.measure import measure
from laion_assets.statistics.panels_sizes import draw_classes
from laion_assets.statistics.panels_truth import draw_anomaly, draw_outcomes
from laion_assets.statistics.pictured import Pictured, bin_edges, pictured
from laion_assets.statistics.spec import RequirementSpec
from laion_assets.statistics.theme import DARK, LIGHT
from laion_assets.web.outcome import Outcome
from laion_assets_tests.statistics.populations import draw, population, probe, profiles


def data_of(rows: pl.DataFrame, drawn: int, *, requirement: RequirementSpec | None = None) -> Pictured:
    evidence = Evidence.of(
        draw(rows, drawn),
        declared=Declared.of(profiles(rows)) if rows.height else None,
        requirement=requirement or RequirementSpec(),
        minimum_side_px=1024,
    )
    return pictured(evidence, measure(evidence, dataset="d", title="A $dataset$ of _names_"))


@functools.cache
def usual() -> Pictured:
    return data_of(probe(population(2_000)), 1_000)


@functools.cache
def picture() -> bytes:
    return analysis_png(usual())


def axes() -> Axes:
    return Figure().add_subplot()


def test_a_title_without_boxes() -> None:
    """What the bundled font cannot draw is called by the dataset's name; a warning would fail the test."""
    data = usual()
    titled = {
        title: analysis_png(dataclasses.replace(data, statistics=data.statistics.model_copy(update={"title": title})))
        for title in ("d", "悟空 images", "Données")
    }
    assert titled["悟空 images"] == titled["d"]
    assert titled["Données"] != titled["d"]


@pytest.mark.parametrize("values", [[1024.0], [1.0, 30_000.0], [900.0, 1500.0, 9_000.0], []])
def test_bins_start_at_the_class_edges(values: list[float]) -> None:
    edges = bin_edges(np.array(values), (1024, 2048, 4096))
    assert {1024.0, 2048.0, 4096.0} <= set(edges.tolist())
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= 512
    assert edges[-1] >= 6144


def test_a_declared_size_is_drawn_from_its_edge_upwards_never_below() -> None:
    rows = probe(population(200)).with_columns(
        declared_width=pl.lit(1024, pl.Int32), declared_height=pl.lit(1024, pl.Int32)
    )
    histogram = data_of(rows, 200).histograms["short_side"]
    assert histogram.declared is not None
    place = histogram.edges.tolist().index(1024)
    assert histogram.declared[place] == 1
    assert histogram.declared.sum() == pytest.approx(1)


def test_what_lies_beyond_the_frame_is_counted_at_its_edge() -> None:
    rows = probe(population(200), reachable=1.0, smaller=0).with_columns(
        true_width=pl.when(pl.col("row") % 2 == 0).then(1).otherwise(30_000).cast(pl.Int32),
        true_height=pl.when(pl.col("row") % 2 == 0).then(1).otherwise(30_000).cast(pl.Int32),
    )
    histogram = data_of(rows, 200).histograms["width"]
    assert histogram.true is not None
    assert (histogram.true[0], histogram.true[-1]) == (0.5, 0.5)
    assert histogram.beyond == (True, True)
    assert histogram.edges[0] == 128
    assert histogram.edges[-1] == 16_384


def test_bars_are_as_high_as_the_shares() -> None:
    found = axes()
    draw_classes(found, LIGHT, usual())
    heights = [patch.get_height() for patch in found.patches if isinstance(patch, Rectangle)]
    statistics = usual().statistics
    expected = [bucket.views.declared_sample for bucket in statistics.historical_buckets]
    expected += [bucket.views.declared_sample for bucket in statistics.buckets]
    expected += [bucket.views.true_sample for bucket in statistics.buckets]
    assert heights == pytest.approx([share.estimate for share in expected if share])


def test_every_kind_is_drawn_where_it_lies() -> None:
    rows = probe(population(2_000), smaller=0.1).with_columns(
        declared_width=pl.when(pl.col("row") % 20 == 0).then(700).otherwise("declared_width").cast(pl.Int32)
    )
    found = axes()
    draw_anomaly(found, LIGHT, data_of(rows, 1_000))
    drawn = {
        str(dots.get_label()).rpartition(" (")[0]: np.asarray(dots.get_offsets())
        for dots in found.collections
        if isinstance(dots, PathCollection)
    }
    too_small = drawn["truly too small (at its true size)"]
    assert (too_small.min(axis=1) < 1024).all()
    straddling = drawn["straddles a class edge: artefact"]
    assert (straddling.min(axis=1) >= 1024).all()
    assert (straddling.max(axis=1) >= 2048).all()
    assert (drawn["declared too small"].min(axis=1) < 1024).all()
    assert (drawn["nothing wrong"].min(axis=1) >= 1024).all()


def test_outcomes_are_drawn_most_frequent_first() -> None:
    found = axes()
    draw_outcomes(found, LIGHT, usual())
    widths = [patch.get_width() for patch in found.patches if isinstance(patch, Rectangle)]
    assert widths == sorted(widths, reverse=True)
    labels = [label.get_text() for label in found.get_yticklabels()]
    assert labels[0] == "not found"
    assert "ok" not in labels


def test_outcomes_that_are_too_many_to_draw_are_counted() -> None:
    words = pl.Series([outcome.value for outcome in Outcome])
    rows = probe(population(270), reachable=0).with_columns(outcome=words.gather(pl.int_range(270, eager=True) % 27))
    for shown, note in ((rows, "not drawn: 14 rarer outcomes"), (rows.filter(pl.col("outcome") == "refused"), "")):
        found = axes()
        draw_outcomes(found, LIGHT, data_of(shown, shown.height))
        assert found.get_xlabel() == note


def test_the_picture_is_as_wide_as_a_page() -> None:
    with Image.open(io.BytesIO(picture())) as image:
        assert 1_600 <= image.width <= 2_000
        assert image.info.get("Software") is None


def test_the_same_figures_give_the_same_picture() -> None:
    assert analysis_png(usual()) == picture()
    _, dark = panel_png("anomaly", usual(), LIGHT, DARK)
    assert panel_png("anomaly", usual(), DARK) == (dark,), "laid out for itself or for another theme"


def test_the_preview_is_small_and_keeps_rare_colours() -> None:
    small = preview_png(picture())
    assert len(small) < 150_000
    with Image.open(io.BytesIO(small)) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert (0xD5, 0x5E, 0x00) in colours  # vermillion: dead links and images that are too small
    assert (0x56, 0xB4, 0xE9) in colours  # sky: straddlers


@pytest.mark.parametrize("name", list(PANELS))
@pytest.mark.parametrize("what", ["nothing", "one row", "unprobed", "no sizes", "one edge"])
def test_every_panel_draws_whatever_there_is(name: str, what: str) -> None:
    (picture,) = panel_png(name, odd(what), LIGHT)
    assert picture.startswith(b"\x89PNG")


@functools.cache
def odd(what: str) -> Pictured:
    rows = probe(population(40))
    sizes = ["declared_width", "declared_height"]
    if what == "nothing":
        return data_of(rows.head(0), 0)
    if what == "one row":
        return data_of(rows.head(1), 1)
    if what == "unprobed":
        return data_of(population(40), 20)
    if what == "no sizes":
        return data_of(rows.with_columns(pl.lit(None, pl.Int32).alias(side) for side in sizes), 20)
    return data_of(rows, 20, requirement=RequirementSpec(edges_px=(700,)))


def test_where_points_are_thinned_the_counts_are_of_all_rows_and_no_defect_is_left_out() -> None:
    rows = probe(population(2_000))
    evidence = Evidence.of(
        draw(rows, 1_500), declared=Declared.of(profiles(rows)), requirement=RequirementSpec(), minimum_side_px=1024
    )
    found = measure(evidence, dataset="d", title="D")
    thinned = pictured(evidence, found, most_points=300)
    assert thinned.points.height <= 300
    for kind in found.anomaly.kinds:
        assert thinned.kinds[kind.kind] == kind.share.count
        if kind.defect:
            assert thinned.points.get_column(kind.kind).sum() == kind.share.count
    assert thinned.matches == {one.name: one.share.count for one in found.agreement if one.share.count}
    assert sum(thinned.matches.values()) == found.coverage.measured_rows
