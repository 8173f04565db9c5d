"""What chance allows: the few tests that checks of this room decide by.

Intervals around estimates of the whole dataset are the business of ``statistics``.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

_SMALLEST_EXPECTED = 5.0
"""Below this expected count the chi-square approximation is no longer good (Cochran 1954)."""


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Probability that a chi-square variable with so many degrees of freedom is at least this large.

    Finite sums for whole degrees of freedom: Abramowitz and Stegun, 26.4.4 and 26.4.5.
    """
    if freedom < 1 or statistic <= 0:
        return 1.0
    half = statistic / 2
    if freedom % 2 == 0:
        logs = [i * math.log(half) - math.lgamma(i + 1) for i in range(freedom // 2)]
        tail = 0.0
    else:
        logs = [(i - 0.5) * math.log(half) - math.lgamma(i + 0.5) for i in range(1, (freedom + 1) // 2)]
        tail = math.erfc(math.sqrt(half))
    # exp(-half) underflows long before the sum does, hence logarithms throughout.
    return min(1.0, tail + math.fsum(math.exp(log - half) for log in logs))


def homogeneity(one: Counts, rest: Counts) -> float:
    """Probability of counts at least as unlike each other if both come from the same shares (Pearson's test).

    Args:
        one: Counts per class in one sample.
        rest: Counts per class in the other, in the same order.
    """
    n_one, n_rest = int(one.sum()), int(rest.sum())
    if n_one == 0 or n_rest == 0:
        return 1.0
    share = (one + rest) / (n_one + n_rest)
    enough = share * min(n_one, n_rest) >= _SMALLEST_EXPECTED
    if (~enough).any():  # rare classes are counted as one
        one = np.append(one[enough], one[~enough].sum())
        rest = np.append(rest[enough], rest[~enough].sum())
        share = (one + rest) / (n_one + n_rest)
        if share[-1] * min(n_one, n_rest) < _SMALLEST_EXPECTED:
            one, rest, share = one[:-1], rest[:-1], share[:-1]
    if len(share) < 2:
        return 1.0
    statistic = 0.0
    for observed, n in ((one, n_one), (rest, n_rest)):
        expected = share * n
        statistic += float((np.square(observed - expected) / expected).sum())
    return chi_square_tail(statistic, len(share) - 1)


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


def lower_share(count: int, of: int, *, z: float = 1.96) -> float:
    """Lower end of Wilson's interval for a share (Wilson 1927)."""
    if of == 0:
        return 0.0
    share = count / of
    centre = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (centre - spread) / (1 + z * z / of))


def holm(probabilities: Sequence[float], *, level: float) -> list[bool]:
    """Which hypotheses to reject so that the chance of rejecting any true one is at most ``level`` (Holm 1979)."""
    order = sorted(range(len(probabilities)), key=lambda index: probabilities[index])
    rejected = [False] * len(probabilities)
    for rank, index in enumerate(order):
        if probabilities[index] > level / (len(probabilities) - rank):
            break
        rejected[index] = True
    return rejected
