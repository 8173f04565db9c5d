"""Exact figures from counted values: what pooled profiles say about every row.

Estimates from a sample are in ``design``. Percentiles are the interpolated ones (type 7 of Hyndman & Fan 1996, the
default of numpy, pandas and R), so that declared, sampled and true figures are the same statistic.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from laion_assets.statistics.design import PERCENTILES
from laion_assets.statistics.estimate import Distribution, Share
from laion_assets.statistics.intervals import Floats, exact, exact_share


@dataclass(frozen=True)
class ValueCounts:
    """How often each value occurs; values ascending, counts positive."""

    values: Floats
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, int]]) -> "ValueCounts":
        """From (value, count) pairs in any order; pairs of one value are added up."""
        listed = [(value, count) for value, count in pairs if count > 0]
        values, codes = np.unique(np.array([value for value, _ in listed], dtype=np.float64), return_inverse=True)
        counts = np.zeros(len(values), dtype=np.int64)
        np.add.at(counts, codes, np.array([count for _, count in listed], dtype=np.int64))
        return cls(values, counts)

    @property
    def n(self) -> int:
        """Rows counted."""
        return int(self.counts.sum())

    def at_least(self, value: float) -> Share:
        """Share of the rows that reach a value."""
        return exact_share(int(self.counts[self.values >= value].sum()), self.n)

    def between(self, low: float, high: float) -> Share:
        """Share of the rows in ``[low, high)``."""
        return exact_share(int(self.counts[(self.values >= low) & (self.values < high)].sum()), self.n)

    def quantile(self, p: float) -> float:
        """The interpolated quantile of the expanded values."""
        position = (self.n - 1) * p
        cumulative = np.cumsum(self.counts)
        below = float(self.values[np.searchsorted(cumulative, math.floor(position), side="right")])
        above = float(self.values[np.searchsorted(cumulative, math.ceil(position), side="right")])
        return below + (above - below) * (position - math.floor(position))

    def distribution(self, *, scale: float = 1.0, mean: float | None = None) -> Distribution:
        """The figures of the expanded values times ``scale``; ``mean`` where it is known more exactly."""
        n = self.n
        if n == 0:
            return Distribution(
                n=0,
                minimum=None,
                maximum=None,
                mean=exact(None, 0),
                percentiles={f"p{p}": exact(None, 0) for p in PERCENTILES},
            )
        if mean is None:
            mean = math.fsum(self.values * self.counts) / n * scale
        return Distribution(
            n=n,
            minimum=float(self.values[0]) * scale,
            maximum=float(self.values[-1]) * scale,
            mean=exact(mean, n),
            percentiles={f"p{p}": exact(self.quantile(p / 100) * scale, n) for p in PERCENTILES},
        )
