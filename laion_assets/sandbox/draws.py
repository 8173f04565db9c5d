"""Random numbers that are a pure function of (seed, purpose, id).

Every property of a row is such a function, so any part can be generated alone, in any order, and still be the same.
The mixing is SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014),
written in plain numpy so that it does not change with the version of a library.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Draws:
    """A source of numbers for one seed."""

    seed: int

    def bits(self, purpose: str, ids: Ids) -> Ids:
        """64 random bits per id."""
        salt = hashlib.sha256(f"{self.seed}:{purpose}".encode()).digest()[:8]
        mixed: Ids = ids * _GOLDEN + np.frombuffer(salt, dtype="<u8")[0]
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def uniform(self, purpose: str, ids: Ids) -> Floats:
        """A number in [0, 1) per id."""
        return (self.bits(purpose, ids) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, purpose: str, ids: Ids, limit: int) -> Ints:
        """A whole number in [0, limit) per id."""
        return (self.uniform(purpose, ids) * limit).astype(np.int64)

    def exponential(self, purpose: str, ids: Ids) -> Floats:
        """An exponentially distributed number of mean 1 per id."""
        return -np.log1p(-self.uniform(purpose, ids))

    def normal(self, purpose: str, ids: Ids) -> Floats:
        """A standard normal number per id (Box and Muller, 1958)."""
        radius = np.sqrt(2.0 * self.exponential(f"{purpose}.radius", ids))
        return radius * np.cos(2.0 * np.pi * self.uniform(f"{purpose}.angle", ids))

    def choice(self, purpose: str, ids: Ids, shares: npt.ArrayLike) -> Ints:
        """An index into ``shares`` per id, drawn in proportion to them."""
        edges = np.cumsum(np.asarray(shares, dtype=np.float64))
        edges /= edges[-1]
        return np.searchsorted(edges[:-1], self.uniform(purpose, ids), side="right").astype(np.int64)

    def quotas(self, purpose: str, total: int, shares: npt.ArrayLike) -> npt.NDArray[np.int16]:
        """An index into ``shares`` for each of ``total`` ids, or -1, with exact counts and at least one of each.

        Shares are of the total and sum to less than one. Where there are too few ids for one of each, the later
        indices are left out once half the ids are taken.
        """
        chosen = np.full(total, -1, dtype=np.int16)
        order = np.argsort(self.bits(purpose, np.arange(total, dtype=np.uint64)), kind="stable")
        taken = 0
        for index, share in enumerate(np.asarray(shares, dtype=np.float64)):
            count = max(1, round(share * total))
            if taken + count > max(total // 2, 1) and share * total < 1:
                break
            chosen[order[taken : taken + count]] = index
            taken += count
        return chosen
