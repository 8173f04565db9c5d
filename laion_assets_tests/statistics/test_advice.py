"""What is recommended, and how to download, follows from the figures."""

import polars as pl
import pytest

from laion_assets.statistics.document import Statistics
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.changes import (
    ROWS,
    SIZES,
    busy,
    column,
    dead,
    exchanged,
    found,
    gone,
    many_wanted,
    nothing_straddles,
    one_host,
    sentence,
    tenth_declared_small,
    texts,
    tiny_true,
    untold,
    without_sizes,
)


def half_unscored(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.when(pl.col("row") % 2 == 0).then(name).alias(name) for name in ("punsafe", "pwatermark")
    )


def honestly_small(rows: pl.DataFrame) -> pl.DataFrame:
    """Every other row declares 800 px, and is of them."""
    return rows.with_columns(
        pl.when(pl.col("row") % 2 == 0).then(pl.lit(800, pl.Int32)).otherwise(name).alias(name) for name in SIZES
    )


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


def line(mbit: float, requests: float) -> RequirementSpec:
    return RequirementSpec(bandwidth_mbit_s=mbit, requests_per_host_s=requests)


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
