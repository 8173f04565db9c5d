"""Every sentence is chosen by the figures: where a conclusion does not hold, another one stands there."""

import re

import polars as pl
import pytest

from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.changes import (
    DRAWN,
    ROWS,
    SIZES,
    TRUE,
    Change,
    dead,
    every_tenth,
    everybody,
    exchanged,
    found,
    large_true,
    many_wanted,
    nothing_straddles,
    sentence,
    tenth_declared_small,
    unchanged,
    untold,
    without_sizes,
)
from laion_assets_tests.statistics.populations import draw, probe, profiles


def all_small_ones_real(rows: pl.DataFrame) -> pl.DataFrame:
    return nothing_straddles(rows).with_columns(every_tenth(pl.lit(800, pl.Int32), "declared_width"))


def mostly_square(rows: pl.DataFrame) -> pl.DataFrame:
    square = pl.when(pl.col("row") % 4 != 0)
    return rows.with_columns(
        square.then(pl.lit(1200, pl.Int32)).otherwise(pl.lit(side, pl.Int32)).alias(name)
        for name, side in zip(SIZES, (1500, 1100), strict=True)
    )


class TestSummary:
    def test_says_what_was_asked(self) -> None:
        assert "3,000 rows in 4 parts. Of 1,500 sampled links," in sentence(found().conclusions.summary, "probed")

    def test_says_that_the_web_was_not_asked(self) -> None:
        conclusions = found(probed=False).conclusions
        assert "The web was not asked" in sentence(conclusions.summary, "declared_only")
        assert not sentence(conclusions.summary, "obtainable")

    def test_the_historical_figure_is_an_artefact_when_no_row_declares_less(self) -> None:
        assert "are an artefact: not one" in sentence(found().conclusions.summary, "headline")

    def test_the_historical_figure_is_real_when_every_such_row_declares_less(self) -> None:
        assert "are real: every one" in sentence(found(all_small_ones_real).conclusions.summary, "headline")

    def test_the_historical_figure_is_both_when_both_occur(self) -> None:
        text = sentence(found(tenth_declared_small).conclusions.summary, "headline")
        assert "are an artefact; " in text
        assert "declare a side below 1024 px" in text

    def test_there_is_no_headline_without_an_anomaly(self) -> None:
        assert not sentence(found(nothing_straddles).conclusions.summary, "headline")

    def test_nothing_obtainable_is_said_so(self) -> None:
        assert "About" in sentence(found().conclusions.summary, "obtainable")
        assert "Not one sampled image" in sentence(found(after=dead).conclusions.summary, "obtainable")

    def test_a_census_is_not_about(self) -> None:
        text = sentence(found(drawn=ROWS).conclusions.summary, "obtainable")
        assert "About" not in text
        assert " to " not in text.split("px")[0]


class TestAnomaly:
    @pytest.mark.parametrize(
        ("change", "name", "words"),
        [
            (unchanged, "reproduced", "an artefact of the classes, not a defect of the data"),
            (all_small_ones_real, "reproduced", "a defect of the data, not of the classes"),
            (tenth_declared_small, "reproduced", "an artefact. 9."),
            (nothing_straddles, "absent", "there is no anomaly here"),
            (without_sizes, "no_sizes", "declares no sizes"),
        ],
    )
    def test_the_historical_figure_is_explained(self, change: Change, name: str, words: str) -> None:
        before = unchanged if change is without_sizes else change
        after = change if change is without_sizes else unchanged
        assert words in sentence(found(before, after).conclusions.anomaly, name)

    def test_smaller_images_are_the_defect_that_only_probes_see(self) -> None:
        assert "only a probe sees" in sentence(found().conclusions.anomaly, "served_smaller")

    def test_none_smaller_still_has_an_upper_limit(self) -> None:
        text = sentence(found(smaller=0).conclusions.anomaly, "served_as_promised")
        assert "at most" in text
        assert "at most" not in sentence(found(smaller=0, drawn=ROWS).conclusions.anomaly, "served_as_promised")

    def test_unknown_is_not_none(self) -> None:
        assert sentence(found(probed=False).conclusions.anomaly, "not_probed")
        assert sentence(found(after=dead).conclusions.anomaly, "none_reached")
        assert "no row had declared a size" in sentence(found(after=without_sizes).conclusions.anomaly, "undeclared")

    def test_exchanged_sides_are_told_from_single_rotated_images(self) -> None:
        assert "in no reachable row" in sentence(found().conclusions.anomaly, "not_exchanged")
        assert "single images" in sentence(found(after=exchanged(1)).conclusions.anomaly, "exchanged")
        assert "wrong way round" in sentence(found(after=exchanged(10)).conclusions.anomaly, "exchanged")

    def test_squares_do_not_hide_that_the_columns_are_the_wrong_way_round(self) -> None:
        """Three rows of four are square, where exchanging shows nothing."""
        measured = found(mostly_square, after=exchanged(10))
        kind = next(kind for kind in measured.anomaly.kinds if kind.kind == "declared_swapped")
        assert kind.share.estimate is not None
        assert kind.share.estimate < 0.25
        assert measured.anomaly.swapped_where_it_shows is not None
        assert measured.anomaly.swapped_where_it_shows.estimate == 1
        assert "in 100 % (99.43 to 100 %) of those where it shows" in sentence(
            measured.conclusions.anomaly, "exchanged"
        )
        assert "Exchange the width and height columns" in sentence(measured.conclusions.recommendations, "swapped")


def understated(rows: pl.DataFrame) -> pl.DataFrame:
    """Declared too small, and large."""
    return rows.with_columns(pl.lit(800, pl.Int32).alias(name) for name in SIZES)


def told_of_every_other(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(file_bytes=pl.when(pl.col("row") % 2 == 0).then("file_bytes"))


def test_numbers_that_stand_in_no_table_have_their_interval_in_the_sentence() -> None:
    said = found(requirement=many_wanted(2_000)).conclusions
    number = r"[\d.,]+( %| MB| GB| seconds)? \([^()]+ to [^()]+\)"
    for text, wanted in (
        (sentence(said.strengths, "hosts"), f"the largest holds {number}, the ten largest {number}"),
        (sentence(said.limits, "opted_out"), f"publishers of {number} of the rows"),
        (sentence(said.summary, "obtainable"), f"About {number} images .*, {number} to download"),
        (sentence(said.strategy, "filter_first"), f"3,000 rows, {number} have .* about {number} images .* {number}"),
        (sentence(said.strategy, "header_first"), f"too small, {number}"),
        (sentence(said.strategy, "pace"), f"needs {number}, .* the bytes in {number}"),
        (sentence(said.strategy, "part_is_enough"), f"asking for {number} rows"),
    ):
        assert re.search(wanted, text), text


def test_bytes_say_how_many_lengths_they_rest_on_wherever_some_are_not_known() -> None:
    half, none = found(after=told_of_every_other), found(after=untold)
    required = next(choice for choice in half.yields if choice.id == "required")
    assert required.lengths_known is not None
    assert required.lengths_known.count < required.lengths_known.n == required.share.count
    basis = (
        f"going by the {required.lengths_known.count} of {required.share.count:,} sampled ones whose length is known"
    )
    assert basis in sentence(half.conclusions.summary, "obtainable")
    for name in ("filter_first", "header_first"):
        assert "sampled ones whose length is known" in sentence(half.conclusions.strategy, name)
    assert "count them at the mean of the others" in sentence(half.conclusions.limits, "lengths")
    assert "bytes cannot be estimated" in sentence(none.conclusions.limits, "lengths")
    assert "download" not in sentence(none.conclusions.summary, "obtainable")
    assert sentence(none.conclusions.recommendations, "captions").endswith("images.")
    everything = found(after=lambda rows: rows.with_columns(pl.col("file_bytes").fill_null(1_000)))
    assert not sentence(everything.conclusions.limits, "lengths")
    assert "length is known" not in sentence(everything.conclusions.summary, "obtainable")


def test_images_that_are_larger_than_declared_can_be_had() -> None:
    """What the summary says and what the table of thresholds says is one figure."""
    measured = found(after=lambda rows: large_true(understated(rows)))
    level = next(one for one in measured.thresholds if one.minimum_side_px == 1024)
    required = next(choice for choice in measured.yields if choice.id == "required")
    assert level.obtainable is not None
    assert level.obtainable.count > 1_000
    assert 0.99 * level.obtainable.count < required.share.count <= level.obtainable.count  # some opted out
    assert "can be had today" in sentence(measured.conclusions.summary, "obtainable")
    assert "Not one" not in sentence(measured.conclusions.summary, "obtainable")


def test_rows_that_did_not_answer_are_in_no_share_of_the_reachable() -> None:
    measured = found(all_small_ones_real, reachable=0.5)
    kind = next(one for one in measured.anomaly.kinds if one.kind == "true_below_minimum")
    assert kind.share.n == measured.coverage.measured_rows


@pytest.mark.parametrize("probed", [True, False])
@pytest.mark.parametrize("wanted", [1, 5])
@pytest.mark.parametrize("kind", ["large", "small", "stale"])
def test_beside_one_stands_a_singular(kind: str, wanted: int, *, probed: bool) -> None:
    great = probe(everybody()).filter(pl.col(name) > 2048 for name in TRUE).filter(pl.col("punsafe") < 0.1).head(2)
    if kind == "small":
        great = great.with_columns(pl.lit(900, pl.Int32).alias(name) for name in SIZES)
    one = great.head(1).with_columns(weight=1.0)
    evidence = Evidence.of(
        one if probed else one.select([*VALIDATED_SCHEMA, "weight"]),
        declared=Declared.of(profiles(great if kind == "stale" else great.head(1), quarantined=int(kind == "small"))),
        requirement=many_wanted(wanted),
        minimum_side_px=1024,
    )
    said = measure(evidence, dataset="d", title="D").conclusions
    texts = [statement.text.replace("\u00a0", " ") for group in dict(said).values() for statement in group]
    assert re.search(r"\b1 row\b", " ".join(texts))
    of_one = re.compile(r"(?<![\d.,])1 (?:\w+ )?(?:rows|images|links|parts|files)\b|of the 1 |the row declare")
    assert [text for text in texts if of_one.search(text)] == []


def straddling(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(side, pl.Int32).alias(name) for name, side in zip(SIZES, (1600, 2500), strict=True))


def test_profiles_say_nothing_of_the_historical_classes_of_other_edges() -> None:
    """By two edges, either side beyond the second puts a row into the largest class."""
    smallest = found(straddling, requirement=RequirementSpec(edges_px=(1024, 2048))).historical_buckets[0].views
    assert smallest.declared_all is None
    assert smallest.declared_sample is not None
    assert smallest.declared_sample.count == 0


def test_classes_begin_at_the_minimum_that_is_asked_for() -> None:
    asked = RequirementSpec(minimum_side_px=512)
    assert asked.edges_px == (512, 1024, 2048)
    assert RequirementSpec(minimum_side_px=40_000).edges_px == (40_000,)
    assert RequirementSpec(minimum_side_px=512, edges_px=(600,)).edges_px == (600,)
    rows = probe(understated(everybody()), smaller=0)
    evidence = Evidence.of(
        draw(rows, DRAWN), declared=Declared.of(profiles(rows)), requirement=asked, minimum_side_px=512
    )
    said = measure(evidence, dataset="d", title="D").conclusions
    assert "there is no anomaly here" in sentence(said.anomaly, "absent")
    assert not sentence(said.summary, "headline")
