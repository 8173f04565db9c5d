"""Four kinds of "below 1024", told apart row by row, with shares that cover the truth."""

import numpy as np
import polars as pl
import pytest

from laion_assets.probes.anomaly import AnomalyKind, classify, decompose
from laion_assets.probes.share import Share, share, weighted_share
from laion_assets.probes.verdict import anomaly_sentence, match_sentence, match_shares
from laion_assets_tests.probes.conftest import Round

Sizes = tuple[int | None, int | None, int | None, int | None]


def frame(*rows: Sizes) -> pl.DataFrame:
    """Rows of declared width and height, true width and height."""
    names = ("declared_width", "declared_height", "true_width", "true_height")
    return pl.DataFrame(list(rows), schema=dict.fromkeys(names, pl.Int32()), orient="row")


@pytest.mark.parametrize(
    ("sizes", "kinds", "match", "decides"),
    [
        ((1600, 1200, 1600, 1200), set(), "exact", None),
        ((1600, 2500, 1600, 2500), {"straddles_buckets"}, "exact", "straddles_buckets"),
        ((2048, 2047, 2048, 2047), {"straddles_buckets"}, "exact", "straddles_buckets"),
        ((4096, 1500, 4096, 1500), set(), "exact", None),
        ((1023, 2000, 1023, 2000), {"declared_below_minimum"}, "exact", "declared_below_minimum"),
        ((1023, 5000, 1023, 5000), {"declared_below_minimum"}, "exact", "declared_below_minimum"),
        ((1600, 1200, 800, 600), {"true_below_minimum"}, "scaled_down", "true_below_minimum"),
        ((1600, 1200, 1023, 767), {"true_below_minimum"}, "scaled_down", "true_below_minimum"),
        ((1600, 1200, 1, 1), {"true_below_minimum"}, "replaced", "true_below_minimum"),
        ((1600, 1200, 600, 600), {"true_below_minimum"}, "replaced", "true_below_minimum"),
        ((1600, 1200, 1200, 1600), {"declared_swapped"}, "swapped", "declared_swapped"),
        ((1600, 2500, 2500, 1600), {"declared_swapped", "straddles_buckets"}, "swapped", "declared_swapped"),
        ((1600, 2500, 640, 1000), {"true_below_minimum", "straddles_buckets"}, "scaled_down", "true_below_minimum"),
        ((1000, 800, 500, 400), {"declared_below_minimum"}, "scaled_down", "declared_below_minimum"),
        ((3200, 2400, 1600, 1200), {"straddles_buckets"} - {"straddles_buckets"}, "scaled_down", None),
        ((1600, 1200, 3200, 2400), set(), "replaced", None),
        ((1600, 1600, 1600, 1600), set(), "exact", None),
        ((1600, 1200, None, None), set(), None, None),
        ((1600, 2500, None, None), {"straddles_buckets"}, None, "straddles_buckets"),
        ((None, None, 500, 500), set(), None, None),
        ((None, 1200, 500, 500), set(), None, None),
    ],
)  # fmt: skip
def test_a_row_is_of_these_kinds(sizes: Sizes, kinds: set[str], match: str | None, decides: str | None) -> None:
    row = classify(frame(sizes), minimum_side_px=1024).row(0, named=True)
    assert {kind.value for kind in AnomalyKind if row[kind.value]} == kinds
    assert row["declared_match"] == match
    assert row["anomaly_kind"] == decides


def test_kinds_that_cannot_be_told_are_unknown_not_absent() -> None:
    rows = classify(frame((1600, 1200, None, None), (None, None, 500, 500)), minimum_side_px=1024)
    assert rows["true_below_minimum"].to_list() == [None, None]
    assert rows["declared_swapped"].to_list() == [None, None]
    assert rows["declared_below_minimum"].to_list() == [False, None]
    assert rows["straddles_buckets"].to_list() == [False, None]


def test_nothing_has_to_be_probed() -> None:
    rows = classify(frame((1600, 2500, 1, 1)).drop("true_width", "true_height"), minimum_side_px=1024)
    assert rows["straddles_buckets"].to_list() == [True]
    assert "true_width" not in rows.columns
    table = {row.kind: row for row in decompose(rows)}
    assert table[AnomalyKind.TRUE_BELOW_MINIMUM].out_of == 0


def test_huge_sizes_do_not_overflow() -> None:
    rows = classify(frame((65_500, 65_500, 65_000, 65_500), (2**31 - 1, 2**31 - 1, 2**30, 2**30)), minimum_side_px=1024)
    assert rows["declared_match"].to_list() == ["replaced", "scaled_down"]


def test_shares_are_among_the_rows_where_the_kind_can_be_told() -> None:
    rows = classify(
        frame(*[(1600, 1200, 1600, 1200)] * 6, *[(1600, 1200, 500, 375)] * 2, *[(1600, 2500, None, None)] * 2),
        minimum_side_px=1024,
    )
    table = {row.kind: row for row in decompose(rows, population_rows=1000)}
    assert (table[AnomalyKind.TRUE_BELOW_MINIMUM].rows, table[AnomalyKind.TRUE_BELOW_MINIMUM].out_of) == (2, 8)
    assert table[AnomalyKind.TRUE_BELOW_MINIMUM].share == share(2, 8, 800)
    assert (table[AnomalyKind.STRADDLES_BUCKETS].rows, table[AnomalyKind.STRADDLES_BUCKETS].out_of) == (2, 10)


def test_the_kinds_the_sandbox_planted_are_found(whole_round: Round) -> None:
    probed = whole_round.run.frame.select("url", "outcome", "true_width", "true_height")
    truth = whole_round.rows.select("url", "declared_width", "declared_height", "kind_of_anomaly")
    ok = probed.join(truth, on="url").filter((pl.col("outcome") == "ok") & pl.col("declared_width").is_not_null())
    found = classify(ok, minimum_side_px=1024)
    for kind in ("true_below_minimum", "declared_swapped"):
        planted = found["kind_of_anomaly"] == kind
        assert planted.sum() > 5
        assert found.filter(planted)[kind].all()
    assert found.filter(pl.col("true_below_minimum") & (pl.col("kind_of_anomaly") != "true_below_minimum")).height == 0


# --- intervals --------------------------------------------------------------------------------------------------------


def test_wilsons_interval_is_the_published_one() -> None:
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
    # table I, method 3, to four places.
    for successes, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = share(successes, n)
        assert found.low == pytest.approx(low, abs=5e-5)
        assert found.high == pytest.approx(high, abs=5e-5)


def test_a_complete_count_has_no_width() -> None:
    assert share(17, 100, 100) == Share(0.17, 0.17, 0.17)
    assert share(1, 1, 1) == Share(1.0, 1.0, 1.0)


def test_nothing_seen_says_nothing() -> None:
    nothing = share(0, 0, 100)
    assert (nothing.low, nothing.high) == (0, 1)
    assert np.isnan(nothing.estimate)


def test_the_bounds_respect_what_the_sample_has_seen() -> None:
    found = share(1, 99, 100)
    assert 0.01 <= found.low <= found.estimate <= found.high <= 0.02


@pytest.mark.parametrize("wrong", [(5, 4, None), (-1, 4, None), (1, 5, 4)])
def test_contradicting_figures_are_refused(wrong: tuple[float, float, float | None]) -> None:
    with pytest.raises(ValueError, match="is no sample: check the counts"):
        share(*wrong)


def coverage(population: int, hits: int, n: int) -> float:
    """How often the interval covers the truth, over 4,000 samples."""
    drawn = np.random.default_rng(7).hypergeometric(hits, population - hits, n, size=4000)
    truth = hits / population
    covers = {
        int(k): share(int(k), n, population).low <= truth <= share(int(k), n, population).high for k in set(drawn)
    }
    return sum(covers[int(k)] for k in drawn) / len(drawn)


@pytest.mark.parametrize(
    ("population", "hits", "n"), [(1000, 170, 300), (1000, 500, 900), (10_000, 1700, 400), (170_000, 1_000, 10_000)]
)
def test_the_interval_covers_the_truth_as_often_as_it_claims(population: int, hits: int, n: int) -> None:
    # 95 % nominal; within four standard errors of 4,000 samples, and what a discrete figure cannot avoid.
    assert 0.935 <= coverage(population, hits, n) <= 0.97


def test_of_rare_things_the_interval_covers_the_truth_on_average() -> None:
    assert np.mean([coverage(10_000, hits, 400) for hits in range(5, 250, 7)]) == pytest.approx(0.95, abs=0.015)


def test_without_the_finite_population_factor_the_interval_would_be_too_wide() -> None:
    wide, narrow = share(51, 300), share(51, 300, 400)
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)


def test_equal_weights_make_the_plain_share() -> None:
    hits, weights = pl.Series([True, False, None, True, False]), pl.Series([250.0] * 5)
    weighed, plain = weighted_share(hits, weights, 1000), share(2, 4, 1000)
    assert weighed.estimate == pytest.approx(plain.estimate)
    assert [weighed.low, weighed.high] == pytest.approx([plain.low, plain.high])


def test_weights_decide_the_estimate_and_widen_the_interval() -> None:
    hits = pl.Series([True] * 10 + [False] * 90)
    weights = pl.Series([91.0] * 10 + [1.0] * 90)
    found = weighted_share(hits, weights)
    assert found.estimate == pytest.approx(910 / 1000)
    assert found.high - found.low > share(91, 100).high - share(91, 100).low
    nothing = weighted_share(pl.Series([None, None], dtype=pl.Boolean), pl.Series([1.0, 1.0]))
    assert (nothing.low, nothing.high) == (0, 1)


# --- sentences --------------------------------------------------------------------------------------------------------


def said(*rows: Sizes) -> str:
    return anomaly_sentence(decompose(classify(frame(*rows), minimum_side_px=1024)), minimum_side_px=1024)


def test_the_sentence_follows_the_figures() -> None:
    fine = (1600, 1200, 1600, 1200)
    assert said(*[fine] * 9) == (
        "No row declares a side below 1024 px; every reachable image that promises 1024 px keeps its promise."
    )
    assert "an artefact of counting, keep them" in said(*[fine] * 9, (1600, 2500, 1600, 2500))
    assert "the publisher's own defect, exclude them" in said(*[fine] * 9, (1000, 2500, 1000, 2500))
    assert "enforce the minimum at download" in said(*[fine] * 9, (1600, 1200, 400, 300))
    assert "have width and height exchanged" in said(*[fine] * 9, (1600, 1200, 1200, 1600))
    assert "no true size is known" in said((1600, 1200, None, None))
    assert said((None, None, None, None)).startswith("The metadata declares no sizes")
    assert said().startswith("The metadata declares no sizes")


def test_declared_against_true_in_a_sentence() -> None:
    def told(*rows: Sizes) -> str:
        classified = classify(frame(*rows), minimum_side_px=1024)
        return match_sentence(classified, match_shares(classified))

    assert told((1600, 1200, None, None)) == "No image has both a declared and a true size."
    assert told(*[(1600, 1200, 1600, 1200)] * 3).startswith("Of 3 images whose true size is known: as declared 100.00%")
    assert told(*[(1600, 1200, 1200, 1600)] * 3).endswith("map them the other way round under columns in defs.yaml.")
    # Square images say nothing about which way round sizes are declared.
    mostly_square = [(1600, 1600, 1600, 1600)] * 9 + [(1600, 1200, 1200, 1600)]
    assert told(*mostly_square).endswith("map them the other way round under columns in defs.yaml.")
    assert "the other way round" not in told(*mostly_square, *[(1600, 1200, 1600, 1200)] * 2)
