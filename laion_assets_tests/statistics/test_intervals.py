import math

import numpy as np
import pytest
import scipy  # type: ignore[import-untyped]

from laion_assets.statistics.design import Sample
from laion_assets.statistics.distribution import ValueCounts
from laion_assets.statistics.intervals import needed_for, order_ranks, student_t, wilson, wilson_share
from laion_assets.statistics.yields import rows_needed, sample_sizes


def test_wilson_matches_the_published_example() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611."""
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert (wilson(0, 20)[0], round(wilson(0, 20)[1], 4)) == (0, 0.1611)


def test_a_census_has_no_sampling_error() -> None:
    share = wilson_share(3, 10, 10)
    assert (share.low, share.estimate, share.high, share.method) == (0.3, 0.3, 0.3, "census")


def test_the_correction_narrows_with_the_sampled_fraction() -> None:
    widths = [
        share.high - share.low
        for share in (wilson_share(50, 100, n) for n in (10**9, 400, 150))
        if share.low is not None and share.high is not None
    ]
    assert widths[0] > widths[1] > widths[2]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(300 / 399), rel=0.02)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 10, 31, 1000, 9_999])
def test_student_t_is_that_of_the_tables(degrees: int) -> None:
    assert student_t(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=1e-11)


@pytest.mark.parametrize(("n", "population"), [(20, 40), (100, 10_000), (700, 1_600), (5_000, 170_000_000)])
@pytest.mark.parametrize("p", [0.05, 0.25, 0.5, 0.95, 0.99])
def test_ranks_enclose_the_quantile_with_the_promised_probability_and_no_rank_to_spare(
    n: int, population: int, p: float
) -> None:
    below = math.floor((population - 1) * p) + 1
    above = below + ((population - 1) * p != below - 1)
    low, high = order_ranks(p, n, population)
    if low is not None:
        assert scipy.stats.hypergeom.sf(low - 1, population, below, n) >= 0.975
        assert scipy.stats.hypergeom.sf(low, population, below, n) < 0.975
    else:
        assert scipy.stats.hypergeom.sf(0, population, below, n) < 0.975
    if high is not None:
        assert scipy.stats.hypergeom.cdf(high - 1, population, above - 1, n) >= 0.975
        assert scipy.stats.hypergeom.cdf(high - 2, population, above - 1, n) < 0.975
    else:
        assert scipy.stats.hypergeom.cdf(n - 1, population, above - 1, n) < 0.975


def test_a_sample_too_small_to_bound_a_percentile_says_so() -> None:
    sample = Sample(np.full(50, 1000.0))
    p99 = sample.percentile(np.arange(50.0), 0.99, sample.everything)
    assert p99.high is None
    assert p99.low is not None


def test_nothing_is_estimated_from_nothing() -> None:
    empty = Sample(np.zeros(0))
    assert empty.share(empty.everything).estimate is None
    assert empty.mean(np.zeros(0), empty.everything).estimate is None
    assert empty.percentile(np.zeros(0), 0.5, empty.everything).estimate is None
    assert empty.total(np.zeros(0), empty.everything).estimate is None
    assert empty.population == 0


def test_one_row_has_a_value_but_no_interval() -> None:
    one = Sample(np.array([100.0]))
    mean = one.mean(np.array([5.0]), one.everything)
    assert (mean.estimate, mean.low, mean.high) == (5.0, None, None)


def test_weights_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="stands for less than its own row"):
        Sample(np.array([2.0, 0.5]))


def test_equal_weights_give_what_no_weights_give() -> None:
    random = np.random.default_rng(0)
    values, having = random.lognormal(size=200), random.random(200) < 0.3
    equal = Sample(np.full(200, 7.0))
    nearly = Sample(np.concatenate([np.full(100, 7.0), np.full(100, 7.0 + 1e-6)]))
    for one, other in (
        (equal.share(having), nearly.share(having)),
        (equal.mean(values, equal.everything), nearly.mean(values, nearly.everything)),
        (equal.total(values, equal.everything), nearly.total(values, nearly.everything)),
    ):
        assert nearly.weighted
        assert one.estimate == pytest.approx(other.estimate, rel=1e-5)
        assert one.low == pytest.approx(other.low, rel=0.02)
        assert one.high == pytest.approx(other.high, rel=0.02)


def test_a_share_without_a_spread_in_any_stratum_is_not_certain() -> None:
    """All of one stratum have it and none of the others: whether rounding leaves a variance must not decide."""
    for rows in range(20, 30):
        sample = Sample(np.repeat([rows * 1.1, rows / 3], [rows, 7]))
        share = sample.share(np.repeat([True, False], [rows, 7]))
        assert share.low is not None
        assert share.high is not None
        assert share.estimate is not None
        assert share.low < share.estimate - 0.01
        assert share.high > share.estimate + 0.01


def test_a_total_knows_that_some_of_its_values_are_not_known() -> None:
    values, rows = np.array([4.0, 6.0, 8.0, np.nan, np.nan, np.nan]), np.array([True] * 5 + [False])
    census = Sample(np.ones(6)).total(values, rows)
    assert (census.estimate, census.n, census.method) == (30, 3, "double_sample")
    # 5 rows at a mean of 6, whose standard error is that of 3 drawn from 5: sqrt(4 / 3 * 2 / 5).
    assert census.high == pytest.approx(30 + scipy.stats.t.ppf(0.975, 2) * 5 * math.sqrt(8 / 15))
    assert census.low == 18, "what was seen"
    drawn, known = (Sample(np.full(6, 10.0)).total(v, rows) for v in (values, np.where(rows, 6.0, 0.0)))
    assert drawn.estimate == known.estimate == 300
    assert (drawn.high or 0) - 300 > (known.high or 0) - 300 > 0
    one = Sample(np.full(6, 10.0)).total(np.where(values == 4, values, np.nan), rows)
    assert (one.estimate, one.low, one.high) == (200, None, None)
    assert Sample(np.full(6, 10.0)).total(np.full(6, np.nan), rows).estimate is None


def test_what_was_not_seen_once_has_no_upper_end_but_in_a_census() -> None:
    values, none = np.ones(5), np.zeros(5, dtype=np.bool_)
    drawn, census = Sample(np.full(5, 2.0)).total(values, none), Sample(np.ones(5)).total(values, none)
    assert (drawn.estimate, drawn.low, drawn.high) == (0, 0, None)
    assert (census.estimate, census.low, census.high) == (0, 0, 0)


def test_rows_needed_for_a_number_are_that_number_by_the_share() -> None:
    share = wilson_share(50, 100, 1_000)
    needed = needed_for(200, share)
    assert (needed.estimate, needed.method) == (400, "product")
    assert needed.low == pytest.approx(200 / (share.high or 0))
    assert needed.high == pytest.approx(200 / (share.low or 0))
    assert needed_for(200, wilson_share(0, 100, 1_000)).estimate is None


def test_a_weighted_share_is_not_the_counted_one() -> None:
    sample = Sample(np.array([9.0, 1.0, 1.0, 1.0]))
    share = sample.share(np.array([True, False, False, False]))
    assert share.estimate == pytest.approx(0.75)
    assert (share.count, share.n) == (1, 4)


def test_counted_values_have_the_quantiles_of_the_values() -> None:
    random = np.random.default_rng(1)
    values = random.integers(1024, 1100, 997).astype(float)
    counted = ValueCounts.of((value, int((values == value).sum())) for value in set(values.tolist()))
    for p in (0.0, 0.25, 0.5, 0.777, 0.99, 1.0):
        assert counted.quantile(p) == pytest.approx(np.quantile(values, p))
    assert counted.distribution().mean.estimate == pytest.approx(values.mean())
    assert counted.between(1030, 1040).count == int(((values >= 1030) & (values < 1040)).sum())


def test_pairs_of_one_value_add_up() -> None:
    counted = ValueCounts.of([(2.0, 3), (1.0, 1), (2.0, 4), (3.0, 0)])
    assert counted.values.tolist() == [1.0, 2.0]
    assert counted.counts.tolist() == [1, 7]


@pytest.mark.parametrize("population", [0, 1, 50, 10_000, 170_000_000])
@pytest.mark.parametrize("half", [0.05, 0.01, 0.001])
def test_the_sample_size_answer_is_the_smallest_that_holds(population: int, half: float) -> None:
    rows = rows_needed(half, 0.5, population)
    assert 0 <= rows <= population

    def error(n: int) -> float:
        return 1.959964 * math.sqrt(0.25 / n * (population - n) / (population - 1))

    if population > 1:
        assert error(rows) <= half * (1 + 1e-6)
        assert rows == 1 or error(rows - 1) > half * (1 - 1e-6)


def test_ten_thousand_rows_are_what_one_percentage_point_needs() -> None:
    assert rows_needed(0.01, 0.5, 170_000_000) == 9_604


def test_what_cannot_be_negative_has_no_interval_below_what_was_seen() -> None:
    """One caption of a million characters among short ones: a symmetric interval would begin below zero."""
    values = np.array([20.0] * 49 + [1e6])
    sample = Sample(np.full(50, 10.0))
    mean, total = sample.mean(values, sample.everything), sample.total(values, sample.everything)
    assert mean.low == pytest.approx(values.sum() / 500)
    assert total.low == pytest.approx(values.sum())
    assert mean.low < mean.estimate < mean.high  # type: ignore[operator]
    shifted = sample.mean(values - 1e3, sample.everything)
    assert shifted.low is not None
    assert shifted.low < 0, "only where nothing is negative"


def test_a_share_of_the_reachable_needs_as_many_more_rows_as_do_not_answer() -> None:
    """Of 10,000 rows half answer: among 5,000 a share needs 3,289, for which twice as many have to be asked."""
    half = wilson_share(50, 100, 10_000)
    one = next(
        size for size in sample_sizes(10_000, declared=None, true=half, reachable=half) if size.half_width == 0.01
    )
    assert rows_needed(0.01, 0.5, 5_000) == 3_289
    assert one.rows_among_reachable == one.rows_observed_share == 6_578
    assert one.rows_any_share == rows_needed(0.01, 0.5, 10_000)
