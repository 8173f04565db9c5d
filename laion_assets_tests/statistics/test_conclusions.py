"""Every sentence is chosen by the figures: where a conclusion does not hold, another one stands there."""

import functools
import re
from collections.abc import Callable

import polars as pl
import pytest

from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.document import Statement, Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.populations import draw, population, probe, profiles

Change = Callable[[pl.DataFrame], pl.DataFrame]

ROWS, DRAWN = 3_000, 1_500
TRUE = ["true_width", "true_height"]
SIZES = ["declared_width", "declared_height"]


def unchanged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


@functools.cache
def everybody() -> pl.DataFrame:
    return population(ROWS)


@functools.cache
def found(
    before: Change = unchanged,
    after: Change = unchanged,
    *,
    reachable: float = 0.9,
    smaller: float = 0.03,
    probed: bool = True,
    requirement: RequirementSpec | None = None,
    drawn: int = DRAWN,
    quarantined: int = 2,
    parts_expected: int | None = None,
) -> Statistics:
    """The document of a population that was changed before or after it was probed."""
    rows = after(probe(before(everybody()), reachable=reachable, smaller=smaller))
    sample = draw(rows, drawn)
    evidence = Evidence.of(
        sample if probed else sample.select([*VALIDATED_SCHEMA, "weight"]),
        declared=Declared.of(profiles(rows, quarantined=quarantined)),
        requirement=requirement or RequirementSpec(),
        minimum_side_px=1024,
    )
    return measure(evidence, dataset="d", title="D", parts_expected=parts_expected)


def sentence(statements: list[Statement], name: str) -> str:
    texts = [statement.text.replace("\u00a0", " ") for statement in statements if statement.id == name]
    return " | ".join(texts)


def every_tenth(value: pl.Expr, column: str) -> pl.Expr:
    return pl.when(pl.col("row") % 10 == 0).then(value).otherwise(pl.col(column)).alias(column)


def nothing_straddles(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(declared_width=pl.lit(1500, pl.Int32), declared_height=pl.lit(1200, pl.Int32))


def tenth_declared_small(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(every_tenth(pl.lit(800, pl.Int32), "declared_width"))


def all_small_ones_real(rows: pl.DataFrame) -> pl.DataFrame:
    return nothing_straddles(rows).with_columns(every_tenth(pl.lit(800, pl.Int32), "declared_width"))


def without_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(None, pl.Int32).alias(name) for name in SIZES)


def mostly_square(rows: pl.DataFrame) -> pl.DataFrame:
    square = pl.when(pl.col("row") % 4 != 0)
    return rows.with_columns(
        square.then(pl.lit(1200, pl.Int32)).otherwise(pl.lit(side, pl.Int32)).alias(name)
        for name, side in zip(SIZES, (1500, 1100), strict=True)
    )


def exchanged(share_of_ten: int) -> Change:
    """Declares width and height the wrong way round in so many rows of ten."""
    return lambda rows: rows.with_columns(
        pl.when(pl.col("row") % 10 < share_of_ten).then(other).otherwise(own).alias(own)
        for own, other in (SIZES, SIZES[::-1])
    )


def dead(rows: pl.DataFrame) -> pl.DataFrame:
    nothing = [pl.lit(None).cast(rows.schema[name]).alias(name) for name in [*TRUE, "file_bytes", "format"]]
    return rows.with_columns(*nothing, outcome=pl.lit("not_found"))


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


def tiny_true(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(300, pl.Int32)).alias(name) for name in TRUE
    )


def large_true(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(2100, pl.Int32)).alias(name) for name in TRUE
    )


def no_large(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col(name).clip(1024, 1600) for name in [*SIZES, *TRUE])


def large_links_die(rows: pl.DataFrame) -> pl.DataFrame:
    large = pl.min_horizontal(*SIZES) >= 2048
    return rows.with_columns(
        *(pl.when(~large).then(name).alias(name) for name in TRUE),
        outcome=pl.when(large).then(pl.lit("not_found")).otherwise("outcome"),
    )


def no_large_dies(rows: pl.DataFrame) -> pl.DataFrame:
    """Large and small rows answer alike, to the row."""
    alive = pl.int_range(pl.len()).over(pl.min_horizontal(*SIZES) >= 2048) % 10 > 0
    return rows.with_columns(
        *(
            pl.when(alive).then(pl.coalesce(true, declared)).alias(true)
            for true, declared in zip(TRUE, SIZES, strict=True)
        ),
        outcome=pl.when(alive).then(pl.lit("ok")).otherwise(pl.lit("not_found")),
    )


def ours(rows: pl.DataFrame) -> pl.DataFrame:
    return dead(rows).with_columns(outcome=pl.lit("resolver_failed"))


def texts(value: str) -> Change:
    return lambda rows: rows.with_columns(caption=pl.lit(value))


def column(name: str, value: object) -> Change:
    return lambda rows: rows.with_columns(pl.lit(value).cast(rows.schema[name]).alias(name))


def half_unscored(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col("row") % 2 == 0).then(name).alias(name) for name in ("punsafe", "pwatermark")
    )


def honestly_small(rows: pl.DataFrame) -> pl.DataFrame:
    """Every other row declares 800 px, and is of them."""
    return rows.with_columns(
        pl.when(pl.col("row") % 2 == 0).then(pl.lit(800, pl.Int32)).otherwise(name).alias(name) for name in SIZES
    )


def understated(rows: pl.DataFrame) -> pl.DataFrame:
    """Declared too small, and large."""
    return rows.with_columns(pl.lit(800, pl.Int32).alias(name) for name in SIZES)


def half_sized(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.when(pl.col("row") % 2 == 0).then(name).alias(name) for name in SIZES)


def one_host(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(url="https://one.example/" + pl.col("row").cast(pl.String))


def many_hosts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(url="https://h" + pl.col("row").cast(pl.String) + ".example/")


STRENGTH_OR_LIMIT: list[tuple[str, dict[str, object], str, dict[str, object], str]] = [
    (
        "promise",
        {},
        "Every one of the 3,000 valid rows",
        {"before": tenth_declared_small},
        "300 of the 3,000 valid rows (10.0 %)",
    ),
    ("true_size", {"smaller": 0}, "as large as required", {"smaller": 0.2}, "Not all that answers is large enough"),
    ("true_size", {"smaller": 0}, "as large as required", {"smaller": 0.012}, "too wide an interval"),
    ("links", {"reachable": 0.95}, "Most links live", {"reachable": 0.7}, "Link rot is noticeable"),
    ("links", {"reachable": 0.95}, "Most links live", {"reachable": 0.3}, "More than half of the links are dead"),
    ("links", {"reachable": 0.95}, "Most links live", {"probed": False}, "Links were not asked"),
    ("high_resolution", {"after": large_true}, "There is depth", {"after": tiny_true}, "High resolution is thin: 0 %"),
    (
        "high_resolution",
        {"after": large_true},
        "There is depth",
        {"after": no_large, "probed": False},
        "the rows declare",
    ),
    ("matches", {}, "can be trusted", {"after": tiny_true}, "cannot be relied on"),
    ("matches", {}, "can be trusted", {"smaller": 0.1}, "a good guess"),
    ("shapes", {}, "Shapes are mixed", {"after": tiny_true}, "One shape dominates: 100 % (99.86 to 100 %) are square"),
    ("precision", {"drawn": 2_900}, "large enough to pin", {"drawn": 200}, "The sample is small"),
    ("nonresponse", {"after": no_large_dies, "drawn": ROWS}, "look like", {"after": large_links_die}, "use the bounds"),
    ("caption_words", {}, "the median has 9 words.", {"before": texts("red oak")}, "Captions are short"),
    (
        "languages",
        {},
        "more than one language",
        {"before": column("language", "en")},
        "in one language: 100 % (99.87 to 100 %).",
    ),
    (
        "languages",
        {},
        "more than one language",
        {"before": column("language", "nolang")},
        "of 100 % (99.87 to 100 %) of the captions is",
    ),
    ("links", {"reachable": 0.95}, "Most links live", {"reachable": 1, "drawn": 10}, "too roughly to judge: 100 %"),
    ("matches", {}, "can be trusted", {"smaller": 0, "drawn": 10}, "is open: 100 % (64.6 to 100 %) of the reachable"),
    ("precision", {"drawn": 2_900}, "large enough", {"reachable": 1, "drawn": 1_500}, "The sample is small"),
    ("watermarks", {}, "Few rows are likely watermarked", {"before": column("pwatermark", 0.9)}, "100 % of the scored"),
    ("unsafe", {}, "Few rows are likely unsafe", {"before": column("punsafe", 0.9)}, "100 % of the scored"),
    ("hosts", {"before": many_hosts}, "spread over many hosts", {"before": one_host}, "One host holds 100 %"),
    ("quarantine", {}, "The metadata is clean", {"quarantined": 200}, "unusable and quarantined"),
]


@pytest.mark.parametrize(
    ("name", "well", "strength", "badly", "limit"), STRENGTH_OR_LIMIT, ids=[case[0] for case in STRENGTH_OR_LIMIT]
)
def test_a_strength_turns_into_a_limit(
    name: str, well: dict[str, object], strength: str, badly: dict[str, object], limit: str
) -> None:
    good, bad = found(**well).conclusions, found(**badly).conclusions
    assert strength in sentence(good.strengths, name)
    assert not sentence(good.limits, name)
    assert limit in sentence(bad.limits, name)
    assert not sentence(bad.strengths, name)


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("our_fault", {"after": ours}, "failed on our side"),
        ("useless_captions", {"before": texts("DSC_0123")}, "100 % (99.87 to 100 %) of the captions say nothing"),
        ("opted_out", {"after": column("opted_out", True)}, "asked not to be used"),  # noqa: FBT003
        ("missing_parts", {"parts_expected": 128}, "Only 4 of 128 parts"),
    ],
)
def test_a_limit_stands_only_where_there_is_one(name: str, changed: dict[str, object], words: str) -> None:
    without = found(unchanged, column("opted_out", False))  # noqa: FBT003
    assert not sentence(without.conclusions.limits, name)
    assert words in sentence(found(**changed).conclusions.limits, name)


def test_a_sample_older_than_the_parts_is_noticed() -> None:
    rows = probe(everybody())
    evidence = Evidence.of(
        draw(rows.head(2_000), 500),
        declared=Declared.of(profiles(rows)),
        requirement=RequirementSpec(),
        minimum_side_px=1024,
    )
    limits = measure(evidence, dataset="d", title="D").conclusions.limits
    assert "stands for 2,000 rows, the profiles count 3,000" in sentence(limits, "stale_sample")


def many_wanted(rows: int) -> RequirementSpec:
    return RequirementSpec(rows_wanted=rows)


RECOMMENDED: list[tuple[str, dict[str, object], str]] = [
    ("short_side", {}, "Class sizes by the short side"),
    ("short_side", {"before": nothing_straddles}, ""),
    ("declared_small", {"before": tenth_declared_small}, "Exclude the 10.0 % of rows"),
    ("declared_small", {}, ""),
    ("swapped", {"after": exchanged(10)}, "Exchange the width and height columns"),
    ("swapped", {"after": exchanged(1)}, ""),
    ("required", {}, "cannot be trusted for it. It leaves"),
    ("required", {"smaller": 0}, "although no sampled image failed it"),
    ("required", {"probed": False}, "Probe a sample before downloading"),
    ("required", {"after": dead}, ""),
    ("high", {}, "where detail matters more than numbers"),
    ("high", {"requirement": many_wanted(10)}, "that alone gives the images wanted"),
    ("high", {"requirement": many_wanted(2_000)}, "would not give the images wanted"),
    ("high", {"after": tiny_true}, "the sample holds no such image"),
    ("safe", {}, "costs little"),
    ("safe", {"after": dead}, ""),
    ("similarity", {"after": dead}, ""),
    ("safe", {"before": column("punsafe", 0.9)}, "Drop likely unsafe images."),
    ("no_watermark", {}, "Dropping likely watermarks costs little."),
    ("no_watermark", {"before": half_unscored}, "Dropping likely watermarks is optional."),
    ("safe", {"before": half_unscored}, "Dropping likely unsafe images is optional."),
    ("required", {"before": honestly_small, "smaller": 0}, "not all that answers has it"),
    ("no_watermark", {"before": column("pwatermark", 0.9)}, "Drop likely watermarks."),
    ("captions", {}, "costs little"),
    ("captions", {"before": texts("DSC_0123")}, "Drop captions that say nothing."),
    ("similarity", {}, "Raise similarity within each language group"),
    ("similarity", {"before": column("similarity", None)}, ""),
    ("similarity", {"before": column("language", None)}, "Raise similarity, if captions must fit closely."),
    ("enough", {"requirement": many_wanted(10)}, "enough for the 10 wanted"),
    ("enough", {"requirement": many_wanted(2_990)}, "fewer than the 2,990 wanted"),
    ("enough", {}, ""),
]


@pytest.mark.parametrize(("name", "changed", "words"), RECOMMENDED)
def test_recommendations_follow_the_figures(name: str, changed: dict[str, object], words: str) -> None:
    text = sentence(found(**changed).conclusions.recommendations, name)
    assert words in text
    assert bool(text) == bool(words)


def untold(rows: pl.DataFrame) -> pl.DataFrame:
    """No server tells how long a file is."""
    return rows.with_columns(file_bytes=pl.lit(None, pl.Int64))


def told_of_every_other(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(file_bytes=pl.when(pl.col("row") % 2 == 0).then("file_bytes"))


def line(mbit: float, requests: float) -> RequirementSpec:
    return RequirementSpec(bandwidth_mbit_s=mbit, requests_per_host_s=requests)


def busy(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(outcome=pl.when(pl.col("outcome") == "ok").then("outcome").otherwise(pl.lit("timed_out")))


def gone(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(outcome=pl.when(pl.col("outcome") == "ok").then("outcome").otherwise(pl.lit("not_found")))


def test_links_that_failed_for_another_reason_are_not_called_dead() -> None:
    for reachable, rotten in ((0.3, "More than half of the links are dead"), (0.7, "Link rot is noticeable")):
        assert rotten in sentence(found(after=gone, reachable=reachable).conclusions.limits, "links")
        text = sentence(found(after=busy, reachable=reachable).conclusions.limits, "links")
        assert "gave an image, but most of the others are not dead" in text


def test_a_condition_names_the_sizes_it_looks_at() -> None:
    def conditions(measured: Statistics) -> list[str]:
        return [choice.condition.text for choice in measured.yields if choice.id in ("required", "high")]

    assert conditions(found()) == ["true short side ≥ 1024 px", "declared and true short side ≥ 2048 px"]
    assert conditions(found(probed=False)) == ["declared short side ≥ 1024 px", "declared short side ≥ 2048 px"]
    assert conditions(found(after=without_sizes)) == ["true short side ≥ 1024 px", "true short side ≥ 2048 px"]


STRATEGY: list[tuple[str, dict[str, object], str]] = [
    ("filter_first", {}, "of 3,000 rows,"),
    ("nothing", {"after": dead}, "There is nothing to download"),
    ("nothing", {}, ""),
    ("header_first", {}, "Read the header before the body"),
    ("header_first", {"smaller": 0}, ""),
    ("pace", {"requirement": line(1e6, 0.01)}, "Politeness sets the pace"),
    ("pace", {"requirement": line(0.01, 1e6)}, "The line sets the pace"),
    ("pace", {"before": one_host}, "Shuffle hosts"),
    ("retry", {"after": busy}, "Ask again later"),
    ("retry", {"after": gone}, ""),
    ("no_retry", {"after": gone}, "One pass is enough"),
    ("no_retry", {"after": busy}, ""),
    ("opt_out", {"after": column("opted_out", False)}, ""),  # noqa: FBT003
    ("part_is_enough", {"requirement": many_wanted(10)}, "a random part of what passes the filters"),
    ("not_enough", {"requirement": many_wanted(2_990)}, "relax a filter"),
    ("all_of_them", {"requirement": many_wanted(2_500)}, "about as many as pass the filters: ask for all of them"),
    ("filter_first", {"after": untold}, "images will come."),
    ("pace", {"after": untold}, ""),
    ("fix_first", {}, ""),
]


@pytest.mark.parametrize(("name", "changed", "words"), STRATEGY)
def test_the_download_strategy_follows_the_figures(name: str, changed: dict[str, object], words: str) -> None:
    text = sentence(found(**changed).conclusions.strategy, name)
    assert words in text
    assert bool(text) == bool(words)


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


def test_opt_outs_are_never_counted_as_obtainable() -> None:
    half_out = found(after=lambda rows: rows.with_columns(opted_out=pl.col("row") % 2 == 0), drawn=ROWS)
    assert half_out.reach is not None
    required = next(choice for choice in half_out.yields if choice.id == "required")
    assert required.share.count < half_out.reach.reachable.count * 0.55
    assert sentence(half_out.conclusions.strategy, "opt_out")


def test_our_own_failures_are_repaired_before_anything_is_downloaded() -> None:
    partly = found(
        after=lambda rows: rows.with_columns(
            outcome=pl.when(pl.col("outcome") == "ok").then("outcome").otherwise(pl.lit("resolver_failed"))
        )
    )
    assert "Repair our own resolver" in sentence(partly.conclusions.strategy, "fix_first")


def test_without_probes_there_is_no_download_strategy() -> None:
    assert found(probed=False).conclusions.strategy == []


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


def test_a_minimum_that_nobody_promised_is_not_broken() -> None:
    rows = probe(tenth_declared_small(everybody()))
    evidence = Evidence.of(
        draw(rows, DRAWN), declared=Declared.of(profiles(rows)), requirement=RequirementSpec(), minimum_side_px=1024
    )
    said = measure(evidence, dataset="d", title="D", minimum_is_promised=False).conclusions
    assert "Not all rows declare enough: 300 of" in sentence(said.limits, "promise")
    everything = said.model_dump_json()
    assert "promise is broken" not in everything
    assert "as promised" not in everything


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


def test_rows_without_declared_sizes_are_not_said_to_declare_any() -> None:
    text = sentence(found(after=half_sized).conclusions.strengths, "promise")
    assert "Every one of the 1,500 valid rows with declared sizes declares" in text


def test_a_few_rows_that_did_not_answer_are_not_said_to_be_like_the_others() -> None:
    """Of six rows with no large one among them, one in four may be large elsewhere."""
    few = found(after=no_large, reachable=0.995)
    assert few.reach is not None
    missed = few.reach.declared_high_among_unreached
    assert (missed.n, missed.estimate) == (6, 0)
    assert sentence([*few.conclusions.strengths, *few.conclusions.limits], "nonresponse") == ""


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


def test_a_dataset_without_captions_has_no_bad_ones() -> None:
    measured = found(column("caption", None))
    assert measured.captions.useless.estimate is None
    assert {line.id for line in measured.criteria} & {"caption_words", "captions"} == set()
    assert not sentence(measured.conclusions.limits, "caption_words")
    assert not sentence(measured.conclusions.limits, "useless_captions")
