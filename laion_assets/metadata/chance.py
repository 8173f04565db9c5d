"""What chance allows: the few tests that checks of this room decide by.

Intervals around estimates of the whole dataset are the business of ``statistics``.
"""

import math

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

_SMALLEST_EXPECTED = 5.0
"""Below this expected count the chi-square approximation is no longer good (Cochran 1954)."""


def chi_square_log_tail(statistic: float, freedom: int) -> float:
    """Logarithm of the probability that a chi-square variable with so many degrees of freedom is at least this large.

    Finite sums for whole degrees of freedom: Abramowitz and Stegun, 26.4.4 and 26.4.5. As a logarithm, because the
    probabilities of two damaged parts must be comparable where both underflow.
    """
    if freedom < 1 or statistic <= 0:
        return 0.0
    half = statistic / 2
    terms = []
    if freedom % 2:
        root = math.sqrt(half)
        # erfc underflows at 27; from 20 on its first asymptotic term is good to a thousandth.
        terms.append(math.log(math.erfc(root)) if root < 20 else -half - math.log(root * math.sqrt(math.pi)))
        terms += [(i - 0.5) * math.log(half) - math.lgamma(i + 0.5) - half for i in range(1, (freedom + 1) // 2)]
    else:
        terms += [i * math.log(half) - math.lgamma(i + 1) - half for i in range(freedom // 2)]
    largest = max(terms)
    return min(0.0, largest + math.log(math.fsum(math.exp(term - largest) for term in terms)))


def homogeneity(one: Counts, rest: Counts) -> float:
    """Log probability of counts at least as unlike each other if both come from the same shares (Pearson's test).

    Args:
        one: Counts per class in one sample.
        rest: Counts per class in the other, in the same order.
    """
    n_one, n_rest = int(one.sum()), int(rest.sum())
    if n_one == 0 or n_rest == 0:
        return 0.0
    share = (one + rest) / (n_one + n_rest)
    enough = share * min(n_one, n_rest) >= _SMALLEST_EXPECTED
    if (~enough).any():  # rare classes are counted as one
        one = np.append(one[enough], one[~enough].sum())
        rest = np.append(rest[enough], rest[~enough].sum())
        share = (one + rest) / (n_one + n_rest)
        if share[-1] * min(n_one, n_rest) < _SMALLEST_EXPECTED:
            one, rest, share = one[:-1], rest[:-1], share[:-1]
    if len(share) < 2:
        return 0.0
    statistic = 0.0
    for observed, n in ((one, n_one), (rest, n_rest)):
        expected = share * n
        statistic += float((np.square(observed - expected) / expected).sum())
    return chi_square_log_tail(statistic, len(share) - 1)


def shares_differ(first: tuple[int, int], second: tuple[int, int]) -> float:
    """The z score of two shares being the same, positive when the first is larger.

    Args:
        first: How many of how many.
        second: How many of how many.
    """
    (a, n), (b, m) = first, second
    if n == 0 or m == 0:
        return 0.0
    pooled = (a + b) / (n + m)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return (a / n - b / m) / deviation if deviation else 0.0


def binomial_tail(count: int, of: int, share: float) -> float:
    """Probability that at least ``count`` of so many independent rows have what a ``share`` of all rows has."""
    if count <= 0:
        return 1.0
    constant = math.lgamma(of + 1) + of * math.log1p(-share)
    odds = math.log(share) - math.log1p(-share)
    logs = (constant - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * odds for k in range(count, of + 1))
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def below_chance(log_probability: float, *, level: float, looks: int) -> bool:
    """Whether the least probable of so many looks is less probable than ``level`` allows for all (Holm's step)."""
    return looks > 0 and log_probability <= math.log(level / looks)
