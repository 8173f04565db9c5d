"""Do 95 % intervals cover the truth 95 times in 100? Known populations, fixed seeds, thousands of samples.

Bounds are four standard errors of the simulation around the nominal level, so a formula without its finite-population
correction, with a wrong rank or a wrong variance falls outside (tried for each), while chance does not.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

from laion_assets.statistics.design import Sample
from laion_assets.statistics.estimate import Estimate
from laion_assets.statistics.intervals import Bools, Floats

ROWS = 2_000
DRAWN = 1_000
REPETITIONS = 2_500


def covers(estimate: Estimate, truth: float) -> bool:
    low = -math.inf if estimate.low is None else estimate.low
    high = math.inf if estimate.high is None else estimate.high
    return low <= truth <= high


def coverage(
    interval: Callable[[np.random.Generator], bool], *, repetitions: int = REPETITIONS, seed: int = 1
) -> float:
    random = np.random.default_rng(seed)
    return sum(interval(random) for _ in range(repetitions)) / repetitions


def within_chance(observed: float, repetitions: int = REPETITIONS, *, conservative: float = 0.0) -> bool:
    error = 4 * math.sqrt(0.95 * 0.05 / repetitions)
    return 0.95 - error <= observed <= 0.95 + error + conservative


def drawn(random: np.random.Generator, rows: int = ROWS, n: int = DRAWN) -> np.ndarray:
    return random.choice(rows, n, replace=False)


def simple(n: int = DRAWN, rows: int = ROWS) -> Sample:
    return Sample(np.full(n, rows / n))


def sizes(rows: int = ROWS, seed: int = 5) -> Floats:
    """Skewed, in whole pixels, with the ties real sizes have."""
    random = np.random.default_rng(seed)
    free = np.round(1024 * random.lognormal(0.3, 0.4, rows))
    return np.where(random.random(rows) < 0.3, random.choice([1024.0, 1200.0, 1600.0, 2048.0], rows), free)


@pytest.mark.parametrize("share", [0.03, 0.17, 0.5, 0.97])
def test_wilson_intervals_of_shares(share: float) -> None:
    having = np.arange(ROWS) < round(share * ROWS)
    sample = simple()
    observed = coverage(lambda random: covers(sample.share(having[drawn(random)]), having.mean()))
    assert within_chance(observed, conservative=0.01), observed


def test_shares_among_reachable_rows_only() -> None:
    random = np.random.default_rng(2)
    reachable, small = random.random(ROWS) < 0.7, random.random(ROWS) < 0.1
    truth = small[reachable].mean()
    sample = simple()

    def one(random: np.random.Generator) -> bool:
        chosen = drawn(random)
        return covers(sample.share(small[chosen], reachable[chosen]), truth)

    observed = coverage(one)
    assert within_chance(observed, conservative=0.01), observed


@pytest.mark.parametrize("p", [0.25, 0.5, 0.9, 0.99])
def test_order_statistic_intervals_of_percentiles_of_a_continuous_quantity(p: float) -> None:
    values = np.random.default_rng(3).lognormal(13, 1, ROWS)
    truth = float(np.quantile(values, p))
    sample = simple()
    everything = sample.everything
    observed = coverage(lambda random: covers(sample.percentile(values[drawn(random)], p, everything), truth))
    # Ranks are whole numbers, so the coverage is at least nominal, and closer to it the more rows there are.
    assert within_chance(observed, conservative=0.02), observed


@pytest.mark.parametrize("p", [0.25, 0.5, 0.95])
def test_ties_only_make_percentile_intervals_safer(p: float) -> None:
    values = sizes()
    truth = float(np.quantile(values, p))
    sample = simple()
    everything = sample.everything
    observed = coverage(lambda random: covers(sample.percentile(values[drawn(random)], p, everything), truth))
    assert observed >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / REPETITIONS), observed


def test_means_of_skewed_sizes() -> None:
    values = sizes()
    sample = simple()
    everything = sample.everything
    observed = coverage(lambda random: covers(sample.mean(values[drawn(random)], everything), values.mean()))
    assert within_chance(observed), observed


@pytest.mark.parametrize(
    ("figure", "truth", "seed"),
    [(Sample.mean, np.mean, 4), (Sample.total, np.sum, 7)],
    ids=["mean", "total"],
)
def test_means_and_totals_over_reachable_rows(
    figure: Callable[[Sample, Floats, Bools], Estimate], truth: Callable[[Floats], float], seed: int
) -> None:
    values = sizes()
    reachable = np.random.default_rng(seed).random(ROWS) < 0.6
    expected = float(truth(values[reachable]))
    sample = simple()

    def one(random: np.random.Generator) -> bool:
        chosen = drawn(random)
        return covers(figure(sample, values[chosen], reachable[chosen]), expected)

    observed = coverage(one)
    assert within_chance(observed), observed


@pytest.mark.parametrize("n", [500, ROWS], ids=["sample", "census"])
def test_totals_where_lengths_are_unknown_by_chance(n: int) -> None:
    """Taking the mean of the known for the others as if it were known covers the truth in two samples of three."""
    lengths, repetitions = sizes(), 500
    reachable = np.random.default_rng(7).random(ROWS) < 0.6
    sample, expected = simple(n), float(lengths[reachable].sum())

    def one(random: np.random.Generator) -> bool:
        chosen = drawn(random, n=n)
        told = np.where(random.random(n) < 0.15, lengths[chosen], np.nan)
        return covers(sample.total(told, reachable[chosen]), expected)

    observed = coverage(one, repetitions=repetitions)
    assert within_chance(observed, repetitions), observed


def test_means_of_few_rows_use_student_s_t() -> None:
    values = np.random.default_rng(6).normal(100, 15, 100_000)
    sample = simple(6, 100_000)
    everything = sample.everything
    observed = coverage(
        lambda random: covers(sample.mean(values[random.integers(0, 100_000, 6)], everything), values.mean())
    )
    assert within_chance(observed), observed


class Strata:
    """Two strata drawn at different rates, whose rows differ."""

    rows = (1_500, 500)
    drawn = (300, 300)

    def __init__(self) -> None:
        random = np.random.default_rng(8)
        self.values = np.concatenate([random.lognormal(7.2, 0.3, 1_500), random.lognormal(7.9, 0.3, 500)])
        self.small = np.concatenate([random.random(1_500) < 0.25, random.random(500) < 0.05])
        self.reachable = np.concatenate([random.random(1_500) < 0.6, random.random(500) < 0.9])
        self.sample = Sample(np.repeat([1_500 / 300, 500 / 300], 300))

    def draw(self, random: np.random.Generator) -> np.ndarray:
        return np.concatenate(
            [random.choice(1_500, 300, replace=False), 1_500 + random.choice(500, 300, replace=False)]
        )


def stratified(figure: Callable[[Sample, Floats, Bools, Bools], Estimate], truth: Callable[[Strata], float]) -> float:
    strata = Strata()
    expected = truth(strata)

    def one(random: np.random.Generator) -> bool:
        chosen = strata.draw(random)
        found = figure(strata.sample, strata.values[chosen], strata.small[chosen], strata.reachable[chosen])
        return covers(found, expected)

    return coverage(one)


def test_shares_of_a_stratified_sample() -> None:
    observed = stratified(lambda s, _, small, reach: s.share(small, reach), lambda s: s.small[s.reachable].mean())
    assert within_chance(observed, conservative=0.01), observed


def test_means_of_a_stratified_sample() -> None:
    observed = stratified(lambda s, values, _, reach: s.mean(values, reach), lambda s: s.values[s.reachable].mean())
    assert within_chance(observed), observed


def test_totals_of_a_stratified_sample() -> None:
    observed = stratified(lambda s, values, _, reach: s.total(values, reach), lambda s: s.values[s.reachable].sum())
    assert within_chance(observed), observed


def test_percentiles_of_a_stratified_sample() -> None:
    observed = stratified(
        lambda s, values, _, reach: s.percentile(values, 0.75, reach),
        lambda s: float(np.quantile(s.values[s.reachable], 0.75)),
    )
    assert within_chance(observed, conservative=0.015), observed


@pytest.mark.parametrize("small_among_unreachable", [0.0, 0.3, 1.0])
def test_bounds_over_all_rows_hold_whatever_the_unreachable_rows_are_like(small_among_unreachable: float) -> None:
    random = np.random.default_rng(9)
    reachable = random.random(ROWS) < 0.8
    small = np.where(reachable, random.random(ROWS) < 0.05, random.random(ROWS) < small_among_unreachable)
    truth = small.mean()
    sample = simple()

    def one(random: np.random.Generator) -> bool:
        chosen = drawn(random)
        found = sample.bounds(small[chosen], reachable[chosen])
        return found.low is not None and found.high is not None and found.low <= truth <= found.high

    observed = coverage(one)
    if small_among_unreachable in (0.0, 1.0):  # the worst cases: only one end can fail
        assert abs(observed - 0.975) <= 4 * math.sqrt(0.975 * 0.025 / REPETITIONS) + 0.005, observed
    else:
        assert observed >= 0.999


def test_a_share_among_the_reachable_is_not_a_share_of_all_rows() -> None:
    """Why both are reported: with dead links that are different, the first is far from the truth about all rows."""
    random = np.random.default_rng(10)
    reachable = random.random(ROWS) < 0.8
    small = np.where(reachable, random.random(ROWS) < 0.05, True)  # noqa: FBT003
    sample = simple()

    def one(random: np.random.Generator) -> bool:
        chosen = drawn(random)
        return covers(sample.share(small[chosen], reachable[chosen]), small.mean())

    assert coverage(one, repetitions=200) == 0.0
