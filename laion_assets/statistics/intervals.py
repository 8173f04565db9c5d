"""95 % intervals for shares, means, totals and percentiles of a sample without replacement.

Rows that stand for the same number of rows were drawn with the same chance, so the distinct weights of a sample are
its strata and no further column is needed. With one stratum the classical formulas with a finite-population
correction apply; with several, a ratio estimator linearised within strata (Cochran, Sampling Techniques, 3rd ed.,
sections 5A and 6.11; Lohr, Sampling: Design and Analysis, chapter 4 and 9).

A ``domain`` is the part of the sample a figure is about, such as the reachable rows. Its size is itself an estimate.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from laion_assets.probes.share import share
from laion_assets.statistics.estimate import Bounds, Estimate, Share

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEVEL = 0.95
Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


@dataclass(frozen=True)
class Method:
    """How a number and its interval are made.

    Attributes:
        name: In a few words, to stand with a table.
        meaning: In a sentence.
        mark: A letter to stand beside each number; empty where there is no interval.
    """

    name: str
    meaning: str
    mark: str = ""


METHODS: dict[str, Method] = {
    "exact": Method("exact count", "counted over all valid rows, no sampling"),
    "census": Method("census", "every row of the population is in the sample, no sampling error"),
    "wilson_fpc": Method(
        "Wilson with finite-population correction",
        "95 % Wilson score interval with finite-population correction",
        "W",
    ),
    "wilson_effective": Method(
        "Wilson at the effective sample size",
        "95 % Wilson score interval on the effective sample size of a stratified ratio estimator",
        "E",
    ),
    "order_statistics_fpc": Method(
        "order statistics of a finite population",
        "95 % interval between two order statistics, ranks from the hypergeometric distribution",
        "O",
    ),
    "woodruff": Method(
        "Woodruff", "95 % Woodruff interval: the interval of the weighted distribution function, inverted", "F"
    ),
    "normal_fpc": Method(
        "normal with Student's t and finite-population correction",
        "mean plus or minus Student's t times its standard error, with finite-population correction",
        "N",
    ),
    "ratio_linearised": Method(
        "linearised ratio estimator with Student's t",
        "stratified ratio estimator, standard error by linearisation, Student's t",
        "R",
    ),
    "double_sample": Method(
        "rows times the mean of the known lengths",
        "number of rows times the mean of those whose value is known, Student's t: takes which are known for chance",
        "D",
    ),
    "worst_case": Method(
        "bounds without an assumption",
        "no assumption about unmeasured rows: none of them, to all of them; beneath, the 95 % limits of both",
        "B",
    ),
    "product": Method(
        "Wilson times a number of rows",
        "the Wilson interval of a share, times the number of rows it is a share of, or a number of rows divided by it",
        "P",
    ),
    "none": Method("nothing", "nothing to estimate from"),
}

UNDOUBTED = ("exact", "census")
"""Methods without an interval: the number is known."""


@lru_cache(maxsize=1024)
def student_t(degrees: int) -> float:
    """The 97.5 % point of Student's t: the finite series of Abramowitz & Stegun 26.7.3 and 26.7.4, solved by Newton."""
    if degrees < 1:
        return math.inf
    peak = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    # Each factor turns a term of the series into the next: (k - 1) / k times the squared cosine.
    places = np.arange(2 + degrees % 2, degrees - 1, 2)
    factors = (places - 1) / places
    # From below the root of a concave function, every step stays below it.
    t, step = Z, math.inf
    while step > 1e-12 * t:
        cosine2 = degrees / (degrees + t * t)
        series = 1 + float(np.cumprod(factors * cosine2).sum())
        inside = math.sqrt(1 - cosine2) * series
        if degrees % 2:
            rest = inside * math.sqrt(cosine2) if degrees > 1 else 0.0
            inside = 2 / math.pi * (math.acos(math.sqrt(cosine2)) + rest)
        step = (LEVEL - inside) / (2 * peak * cosine2 ** ((degrees + 1) / 2))
        t += step
    return t


def wilson(proportion: float, n: float) -> tuple[float, float]:
    """Wilson's score interval for a proportion seen on ``n`` effective rows; infinite ``n`` for certainty."""
    if math.isinf(n):
        return proportion, proportion
    found = share(proportion * n, n)
    return found.low, found.high


def wilson_share(count: int, n: int, population: float) -> Share:
    """A share of ``n`` rows drawn without replacement from ``population``."""
    if n == 0:
        return Share(count=0, n=0, estimate=None, low=None, high=None, method="none")
    found = share(count, n, max(float(n), population))
    method = "census" if n >= population else "wilson_fpc"
    return Share(count=count, n=n, estimate=found.estimate, low=found.low, high=found.high, method=method)


def exact_share(count: int, n: int) -> Share:
    """A share that was counted, not estimated."""
    if n == 0:
        return Share(count=0, n=0, estimate=None, low=None, high=None, method="none")
    return Share(count=count, n=n, estimate=count / n, low=count / n, high=count / n, method="exact")


def exact(value: float | None, n: int) -> Estimate:
    """A number that was counted, not estimated."""
    return Estimate(estimate=value, low=value, high=value, n=n, method="none" if value is None else "exact")


def nothing(n: int = 0) -> Estimate:
    """No estimate."""
    return Estimate(estimate=None, low=None, high=None, n=n, method="none")


def scaled(part: Estimate, factor: float) -> Estimate:
    """The same in another unit: a share as a number of rows, bytes as hours."""
    if part.estimate is None:
        return nothing(part.n)
    low, high = (None if end is None else end * factor for end in (part.low, part.high))
    return Estimate(estimate=part.estimate * factor, low=low, high=high, n=part.n, method=_of_product(part))


def needed_for(wanted: float, part: Estimate) -> Estimate:
    """How many rows hold ``wanted`` rows of which they are a share; no upper end where the share may be nil."""
    if not part.estimate:
        return nothing(part.n)
    low, high = (wanted / end if end else None for end in (part.high, part.low))
    return Estimate(estimate=wanted / part.estimate, low=low, high=high, n=part.n, method=_of_product(part))


def _of_product(part: Estimate) -> str:
    return "product" if part.method.startswith("wilson") else part.method


@lru_cache(maxsize=1024)
def order_ranks(p: float, n: int, population: int) -> tuple[int | None, int | None]:
    """1-based ranks of the sample values that enclose the population's ``p`` quantile with at least 95 %.

    The quantile is the interpolated one, so the interval has to enclose both order statistics it lies between. How
    many of the ``n`` sampled values are among the ``k`` smallest of the population is hypergeometric, whatever the
    distribution (Meyer 1987); ties only widen the coverage. None where the sample is too small to enclose it.
    """
    below = math.floor((population - 1) * p) + 1
    support, cumulative = _hypergeometric(population, below, n)
    tail = (1 - LEVEL) / 2
    # P(X >= low) >= 97.5 % <=> P(X <= low - 1) <= 2.5 %
    lower = int(support[0]) + int(np.searchsorted(cumulative, tail, side="right"))
    interpolated = (population - 1) * p != below - 1
    if not interpolated:
        support, cumulative = _hypergeometric(population, below - 1, n)
    upper = int(support[0]) + int(np.searchsorted(cumulative, 1 - tail, side="left")) + 1
    return (lower if lower >= 1 else None), (upper if upper <= n else None)


def _hypergeometric(population: int, marked: int, drawn: int) -> tuple[NDArray[np.int64], Floats]:
    """Support and cumulative probabilities of the marked rows among the drawn, by recurrence from the mode."""
    least, most = max(0, drawn - (population - marked)), min(drawn, marked)
    share = marked / population
    spread = math.sqrt(max(drawn * share * (1 - share), 1.0))
    mode = min(max(math.floor((drawn + 1) * (marked + 1) / (population + 2)), least), most)
    first, last = max(least, int(mode - 12 * spread - 20)), min(most, int(mode + 12 * spread + 20))
    support = np.arange(first, last + 1, dtype=np.int64)
    x = support[:-1].astype(np.float64)
    with np.errstate(divide="ignore"):
        steps = np.log((marked - x) * (drawn - x)) - np.log((x + 1) * (population - marked - drawn + x + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return support, np.cumsum(weights) / weights.sum()


def worst_case(having: Share, having_or_unmeasured: Share) -> Bounds:
    """Bounds on a share over all rows when some of them could not be measured (Manski 1989)."""
    return Bounds(
        lowest=having.estimate,
        highest=having_or_unmeasured.estimate,
        low=having.low,
        high=having_or_unmeasured.high,
        n=having.n,
        method="none" if having.estimate is None else "worst_case",
    )
