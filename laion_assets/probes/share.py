"""A share estimated from a sample, and how far the truth may lie from it.

One formula for every share the platform prints. Intervals for percentiles and means belong to ``statistics``.
"""

from dataclasses import dataclass
from statistics import NormalDist

import polars as pl


@dataclass(frozen=True)
class Share:
    """An estimated share with its interval; all three lie in [0, 1]."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.2%} ({self.low:.2%} to {self.high:.2%})"


def share(successes: float, n: float, population: float | None = None, *, confidence: float = 0.95) -> Share:
    """The share of ``successes`` among ``n`` drawn without replacement, with Wilson's score interval.

    The variance carries the finite-population factor (N - n) / (N - 1), so a complete count has no width, and the
    bounds respect what the sample itself has seen: at least ``successes`` of the population are successes. It covers
    the truth in 95 % of samples on average over shares; of something so rare that a sample shows one to three of it, in
    as few as 84 %.

    Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927);
    W. G. Cochran, Sampling Techniques, 3rd ed. (1977), section 3.2, for the factor.

    Args:
        successes: How many of the sample have the property; not whole where rows carry unequal weights.
        n: Size of the sample, or its effective size (see ``weighted_share``).
        population: Size of what was drawn from. None for a population so large that the factor is one.
        confidence: How often the interval is to cover the truth.

    Raises:
        ValueError: If the figures contradict each other.

    Example:
        >>> str(share(17, 100, 10_000))
        '17.00% (10.93% to 25.50%)'
    """
    if n < 0 or not 0 <= successes <= n or (population is not None and population < n):
        raise ValueError(f"{successes} of {n}, drawn from {population}, is no sample: check the counts.")
    if n == 0:
        return Share(float("nan"), 0.0, 1.0)
    estimate = successes / n
    if population is None:
        factor = 1.0
    elif population <= 1 or population == n:
        return Share(estimate, estimate, estimate)
    else:
        factor = (population - n) / (population - 1)
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2 * factor
    centre = (successes + z2 / 2) / (n + z2)
    half = (z2 * (successes * (n - successes) / n + z2 / 4)) ** 0.5 / (n + z2)
    low, high = centre - half, centre + half
    if population is not None:
        low, high = max(low, successes / population), min(high, 1 - (n - successes) / population)
    return Share(estimate, max(0.0, min(low, estimate)), min(1.0, max(high, estimate)))


def weighted_share(
    hits: pl.Series, weights: pl.Series, population: float | None = None, *, confidence: float = 0.95
) -> Share:
    """The share of true values where each row stands for ``weights`` rows; nulls in ``hits`` are not counted at all.

    Wilson's interval at Kish's effective sample size (L. Kish, Survey Sampling, 1965): with equal weights, exactly
    ``share``.
    """
    known = hits.is_not_null()
    hit = hits.filter(known).cast(pl.Float64).to_numpy()
    weight = weights.filter(known).cast(pl.Float64).to_numpy()
    total = float(weight.sum())
    if total == 0:
        return share(0, 0, population, confidence=confidence)
    effective = total**2 / float((weight**2).sum())
    successes = min(1.0, float((hit * weight).sum()) / total) * effective
    return share(
        successes, effective, None if population is None else max(population, effective), confidence=confidence
    )
