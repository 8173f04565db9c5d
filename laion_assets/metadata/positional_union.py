"""Whether frames with different column orders were put on top of each other.

The high-resolution set is a union of an English, a multilingual and a no-language set. Had two of them been joined by
position with punsafe and pwatermark in another order, each column would hold one score in some languages and the other
in the rest, and the shares of nulls, which differ between the scores, would change places with the language.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from laion_assets.metadata.chance import shares_differ

SCORES = ("punsafe", "pwatermark")
_SURE = 5.0
"""z score beyond which a difference is no accident: one in two million, with a handful of looks per part."""
_ENOUGH_ROWS = 100
"""A group of fewer rows may have nothing but nulls by accident."""


@dataclass(frozen=True)
class NullShare:
    """Nulls of one score in one group of languages."""

    group: str
    column: str
    rows: int
    nulls: int

    @property
    def share(self) -> float:
        """Share of nulls."""
        return self.nulls / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class UnionFinding:
    """Null shares by group, and what is odd about them, one sentence each."""

    shares: tuple[NullShare, ...]
    oddities: tuple[str, ...]


def compare_null_shares(nulls_by_language: Iterable[tuple[str | None, str, int, int]]) -> UnionFinding:
    """Compare the two scores' null shares between English, no language and all other languages.

    Args:
        nulls_by_language: (language, column, rows, nulls) as a profile has them.
    """
    added: dict[tuple[str, str], list[int]] = {}
    for language, column, rows, nulls in nulls_by_language:
        if column in SCORES:
            group = language if language in ("en", "nolang") else "missing" if language is None else "other languages"
            total = added.setdefault((group, column), [0, 0])
            total[0] += rows
            total[1] += nulls
    shares = tuple(NullShare(group, column, *total) for (group, column), total in sorted(added.items()))
    by_group = {
        group: tuple(
            next((one for one in shares if (one.group, one.column) == (group, column)), None) for column in SCORES
        )
        for group in dict.fromkeys(one.group for one in shares)
    }
    oddities = []
    leanings = {}
    for group, (unsafe, mark) in by_group.items():
        if unsafe and mark:
            leanings[group] = shares_differ((unsafe.nulls, unsafe.rows), (mark.nulls, mark.rows))
    for (one, z), (other, y) in itertools.combinations(leanings.items(), 2):
        if min(abs(z), abs(y)) > _SURE and z * y < 0:
            more, fewer = SCORES if z > 0 else SCORES[::-1]
            oddities.append(f"{more} is null more often than {fewer} in {one}, and less often in {other}")
    for column in SCORES:
        of_column = [one for one in shares if one.column == column and one.rows >= _ENOUGH_ROWS]
        empty = [one.group for one in of_column if one.nulls == one.rows]
        if empty and any(one.share < 0.5 for one in of_column):
            oddities.append(f"{column} is null in every row of {', '.join(empty)}, and not in the other languages")
    return UnionFinding(shares, tuple(oddities))
