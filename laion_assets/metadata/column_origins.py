"""From which published columns those of a part's tables come: the ones that were matched, not all that might be."""

from collections.abc import Collection, Iterable, Mapping

from laion_assets.metadata.columns import OVERFLOW, Mapped
from laion_assets.metadata.derived import REPEATS
from laion_assets.metadata.marks import looked_at
from laion_assets.metadata.rulebook import Rulebook

Origins = Mapping[str, Collection[str]]
"""Names of columns upstream by the name of the column that is made of them."""


def taken_over(columns: Iterable[str]) -> dict[str, set[str]]:
    """Columns that come, under the same name, from upstream."""
    return {name: {name} for name in columns}


def validated_origins(mapped: Mapped, rulebook: Rulebook) -> Origins:
    """Of the valid rows of one part: what each column was called, and what the rules that flag looked at.

    Args:
        mapped: how the columns of the published file are read.
        rulebook: the dataset's rules; those that do not apply to the file look at nothing.
    """
    published = _published_as(mapped)
    return {**{name: {found} for name, found in published.items()}, "flags": _seen_by("flag", mapped, rulebook)}


def quarantined_origins(mapped: Mapped, rulebook: Rulebook) -> Origins:
    """Of the quarantined rows of one part; any value without a canonical form is a reason too.

    Args:
        mapped: how the columns of the published file are read.
        rulebook: the dataset's rules; those that do not apply to the file look at nothing.
    """
    reasons = _seen_by("quarantine", mapped, rulebook) | set(mapped.canonical.values())
    return {**{name: {found} for found, name in mapped.quarantined.items() if found != OVERFLOW}, "reasons": reasons}


def _published_as(mapped: Mapped) -> dict[str, str]:
    """Published name by validated one."""
    extras = {name: found for found, name in mapped.extras.items() if found != OVERFLOW}
    return {**mapped.canonical, **extras}


def _seen_by(severity: str, mapped: Mapped, rulebook: Rulebook) -> set[str]:
    """Published columns that the rules of a severity look at, themselves or through others."""
    published = _published_as(mapped)
    applicable, _ = rulebook.for_columns(mapped.available)
    names: set[str] = set()
    for rule in applicable.of_severity(severity):
        names |= looked_at(rule).union(*(REPEATS[name] for name in rule.columns & REPEATS.keys()))
    return {published[name] for name in names if name in published}
