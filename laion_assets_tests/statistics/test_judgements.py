"""What is well stands among the strengths, what is not among the limits, and never in both."""

import polars as pl
import pytest

from laion_assets.statistics.declared import Declared
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.changes import (
    DRAWN,
    ROWS,
    SIZES,
    TRUE,
    busy,
    column,
    dead,
    everybody,
    found,
    gone,
    large_true,
    one_host,
    sentence,
    tenth_declared_small,
    texts,
    tiny_true,
    unchanged,
)
from laion_assets_tests.statistics.populations import draw, probe, profiles


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


def half_sized(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.when(pl.col("row") % 2 == 0).then(name).alias(name) for name in SIZES)


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


def test_links_that_failed_for_another_reason_are_not_called_dead() -> None:
    for reachable, rotten in ((0.3, "More than half of the links are dead"), (0.7, "Link rot is noticeable")):
        assert rotten in sentence(found(after=gone, reachable=reachable).conclusions.limits, "links")
        text = sentence(found(after=busy, reachable=reachable).conclusions.limits, "links")
        assert "gave an image, but most of the others are not dead" in text


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


def test_a_dataset_without_captions_has_no_bad_ones() -> None:
    measured = found(column("caption", None))
    assert measured.captions.useless.estimate is None
    assert {line.id for line in measured.criteria} & {"caption_words", "captions"} == set()
    assert not sentence(measured.conclusions.limits, "caption_words")
    assert not sentence(measured.conclusions.limits, "useless_captions")
