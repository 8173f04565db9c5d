"""Estimates from a sample whose rows carry weights: which rows, how much each stands for, which formula applies.

Formulas of single intervals are in ``intervals``; exact figures of whole populations are in ``distribution``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from laion_assets.statistics.estimate import Bounds, Distribution, Estimate, Share
from laion_assets.statistics.intervals import (
    Bools,
    Floats,
    nothing,
    order_ranks,
    student_t,
    wilson,
    wilson_share,
    worst_case,
)

PERCENTILES = (25, 50, 75, 90, 95, 99)


@dataclass(frozen=True)
class Sample:
    """A sample by the weight of each row: how many rows of the population it stands for."""

    weight: Floats

    def __post_init__(self) -> None:
        if len(self.weight) and not (np.isfinite(self.weight).all() and self.weight.min() >= 1 - 1e-9):
            raise ValueError("sample: a weight is below 1 or not finite, so it stands for less than its own row.")

    @cached_property
    def population(self) -> int:
        """Rows the sample stands for."""
        return round(math.fsum(self.weight))

    @cached_property
    def everything(self) -> Bools:
        """The domain of all rows."""
        return np.ones(len(self.weight), dtype=np.bool_)

    @cached_property
    def strata(self) -> tuple[Floats, NDArray[np.intp]]:
        """The distinct weights, and for each row which of them it has."""
        # Weights that differ in the last bits only are one stratum.
        values, codes = np.unique(np.round(self.weight, 9), return_inverse=True)
        return values, codes

    @property
    def weighted(self) -> bool:
        """Whether rows stand for different numbers of rows."""
        return len(self.strata[0]) > 1

    def share(self, having: Bools, domain: Bools | None = None) -> Share:
        """Share of the rows in ``domain`` that have the property."""
        inside = self.everything if domain is None else domain
        count, n = int((having & inside).sum()), int(inside.sum())
        if n == 0:
            return wilson_share(0, 0, 0)
        if not self.weighted:
            return wilson_share(count, n, n * self.population / len(self.weight))
        ratio, size = self._effective_rows(having, inside)
        low, high = wilson(min(max(ratio, 0.0), 1.0), size)
        return Share(count=count, n=n, estimate=ratio, low=low, high=high, method="wilson_effective")

    def mean(self, values: Floats, domain: Bools) -> Estimate:
        """Mean of ``values`` over the rows in ``domain``."""
        n = int(domain.sum())
        if n == 0:
            return nothing()
        mean, error, degrees = self._ratio(values, domain)
        if not self.weighted and len(self.weight) >= self.population:
            return Estimate(estimate=mean, low=mean, high=mean, n=n, method="census")
        method = "ratio_linearised" if self.weighted else "normal_fpc"
        rows = math.fsum(self.weight[domain])
        return _not_below_seen(_around(mean, error, degrees, n, method), values[domain], 1 / rows)

    def total(self, values: Floats, domain: Bools) -> Estimate:
        """Sum of ``values`` over all rows of the population that belong to ``domain``.

        A value that is not known (NaN) counts as the mean of those that are. Those are then the second phase of a
        double sample (Cochran 1977, chapter 12), drawn from the first as if by chance, whose variance comes on top: a
        census of rows whose values are half known still has an interval.
        """
        known = domain & ~np.isnan(values)
        n, unknown = int(known.sum()), int((domain & ~known).sum())
        if len(self.weight) == 0 or (n == 0 and unknown):
            return nothing()
        weights, codes = self.strata
        method = "ratio_linearised" if self.weighted else "normal_fpc"
        if n == 0:  # none was seen: of a sample, that bounds nothing from above
            if weights.max() <= 1:
                return Estimate(estimate=0.0, low=0.0, high=0.0, n=0, method="census")
            return Estimate(estimate=0.0, low=0.0, high=None, n=0, method=method)
        mean = math.fsum(self.weight[known] * values[known]) / math.fsum(self.weight[known])
        expansion = math.fsum(self.weight[domain]) / math.fsum(self.weight[known])
        off = np.where(known, values - mean, 0.0)
        # With the spread of the known values for that of all.
        inside = np.where(domain, mean + math.sqrt(expansion) * off, 0.0)
        total = math.fsum(self.weight * inside)
        variance, degrees = 0.0, 0
        for stratum, weight in enumerate(weights):
            part = inside[codes == stratum]
            rows = len(part)
            degrees += rows - 1
            if weight > 1:
                spread = float(part.var(ddof=1)) if rows > 1 else math.inf
                variance += weight * weight * (1 - 1 / weight) * rows * spread
        if unknown:
            method, degrees = "double_sample", min(degrees, n - 1)
            spread = math.fsum((self.weight * off) ** 2) * n / (n - 1) if n > 1 else math.inf
            variance += expansion**2 * unknown / (n + unknown) * spread
        elif variance == 0 and weights.max() <= 1:
            return Estimate(estimate=total, low=total, high=total, n=n, method="census")
        return _not_below_seen(_around(total, math.sqrt(variance), degrees, n, method), values[known], 1.0)

    def percentile(self, values: Floats, p: float, domain: Bools) -> Estimate:
        """The ``p`` quantile (0 to 1) of ``values`` over the rows in ``domain``."""
        return self.percentiles(values, [p], domain)[0]

    def percentiles(self, values: Floats, shares: Sequence[float], domain: Bools) -> list[Estimate]:
        """The quantiles (0 to 1) of ``values`` over the rows in ``domain``."""
        chosen = values[domain]
        n = len(chosen)
        if n == 0:
            return [nothing() for _ in shares]
        if self.weighted:
            return [self._woodruff(values, p, domain) for p in shares]
        ordered = np.sort(chosen)
        population = round(n * self.population / len(self.weight))
        return [
            _between_ranks(float(value), p, ordered, population)
            for value, p in zip(np.quantile(ordered, shares), shares, strict=True)
        ]

    def distribution(self, values: Floats, domain: Bools | None = None) -> Distribution:
        """How ``values`` are spread over the rows in ``domain``; NaN rows are left out."""
        inside = ~np.isnan(values) & (self.everything if domain is None else domain)
        chosen = values[inside]
        percentiles = self.percentiles(values, [p / 100 for p in PERCENTILES], inside)
        return Distribution(
            n=len(chosen),
            minimum=float(chosen.min()) if len(chosen) else None,
            maximum=float(chosen.max()) if len(chosen) else None,
            mean=self.mean(values, inside),
            percentiles={f"p{p}": found for p, found in zip(PERCENTILES, percentiles, strict=True)},
        )

    def bounds(self, having: Bools, measured: Bools) -> Bounds:
        """Bounds on the share of all rows that have a property only the ``measured`` ones show."""
        return worst_case(self.share(having & measured), self.share(having & measured | ~measured))

    def _ratio(self, values: Floats, domain: Bools) -> tuple[float, float, int]:
        """Weighted mean of ``values`` over ``domain``, its standard error, degrees of freedom."""
        inside = domain.astype(np.float64)
        clean = np.where(domain, values, 0.0)
        size = math.fsum(self.weight * inside)
        mean = math.fsum(self.weight * clean) / size
        residual = inside * (clean - mean) / size
        weights, codes = self.strata
        variance, degrees = 0.0, -len(weights)
        for stratum, weight in enumerate(weights):
            rows = codes == stratum
            n = int(rows.sum())
            degrees += int((rows & domain).sum())
            if weight > 1 and domain[rows].any():
                spread = float(residual[rows].var(ddof=1)) if n > 1 else math.inf
                variance += weight * weight * (1 - 1 / weight) * n * spread
        return mean, math.sqrt(variance), degrees

    def _woodruff(self, values: Floats, p: float, domain: Bools) -> Estimate:
        order = np.argsort(values[domain], kind="stable")
        ordered, weight = values[domain][order], self.weight[domain][order]
        cumulative = np.cumsum(weight) / weight.sum()

        def at(share: float) -> int:
            return int(np.searchsorted(cumulative, share - 1e-12, side="left"))

        value = float(ordered[min(at(p), len(ordered) - 1)])
        _, size = self._effective_rows(values <= value, domain)
        low, high = wilson(p, size)
        return Estimate(
            estimate=value,
            low=float(ordered[at(low)]) if low >= cumulative[0] else None,
            high=float(ordered[at(high)]) if high <= cumulative[-2:].min() else None,
            n=len(ordered),
            method="woodruff",
        )

    def _effective_rows(self, having: Bools, domain: Bools) -> tuple[float, float]:
        """A share, and the rows of a simple sample that would show it as precisely (Korn & Graubard 1998)."""
        ratio, error, _ = self._ratio(having.astype(np.float64), domain)
        share = min(max(ratio, 0.0), 1.0)
        if error > 1e-9:
            return share, max(share * (1 - share), 1e-12) / error**2
        # All or none of each stratum have it: no variance to see but rounding, so only the spread of the weights tells.
        rows = self.weight[domain]
        return share, float(rows.sum() ** 2 / (rows**2).sum()) if rows.max() > 1 else math.inf


def _between_ranks(value: float, p: float, ordered: Floats, population: int) -> Estimate:
    """A quantile of a simple sample, with the order statistics that enclose that of the population."""
    n = len(ordered)
    if n >= population:
        return Estimate(estimate=value, low=value, high=value, n=n, method="census")
    lower, upper = order_ranks(p, n, population)
    return Estimate(
        estimate=value,
        low=None if lower is None else min(float(ordered[lower - 1]), value),
        high=None if upper is None else max(float(ordered[upper - 1]), value),
        n=n,
        method="order_statistics_fpc",
    )


def _not_below_seen(around: Estimate, seen: Floats, scale: float) -> Estimate:
    """Where nothing can be negative, the rest of the population can only add to what the sample holds.

    One caption of a million characters among short ones would put the lower end of a symmetric interval below zero.
    """
    if around.low is None or seen.min() < 0:
        return around
    return around.model_copy(update={"low": max(around.low, math.fsum(seen) * scale)})


def _around(value: float, error: float, degrees: int, n: int, method: str) -> Estimate:
    half = student_t(degrees) * error if error else 0.0
    open_ended = degrees < 1 or not math.isfinite(half)
    return Estimate(
        estimate=value,
        low=None if open_ended else value - half,
        high=None if open_ended else value + half,
        n=n,
        method=method,
    )
