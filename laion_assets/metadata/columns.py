"""Which published column is which canonical one, and what happens to the rest.

Names are matched through aliases without regard to case. Types drift (a pandas round trip turns int32 into float64),
so any published type whose values can mean the canonical one is accepted; ``casting`` sees to the values.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from laion_assets.metadata.derived import DERIVED, REPEATS
from laion_assets.metadata.errors import SchemaMismatchError
from laion_assets.metadata.schema import CANONICAL_COLUMNS, VALIDATED_SCHEMA, Column
from laion_assets.metadata.spec import ColumnsSpec

OVERFLOW = "__overflow__"
"""What a line of a text file holds beyond its last column."""

_STRAY_INDEX = re.compile(r"__index_level_\d+__|unnamed: \d+|level_0", re.IGNORECASE)
_PATTERN = re.compile(r"\*|\^.*\$", re.DOTALL)
"""What polars takes for several columns where a name is wanted."""


@dataclass(frozen=True)
class Mapped:
    """How the columns of one file are to be read.

    Attributes:
        canonical: Published name per canonical column that the file has.
        extras: Name among the validated columns per published column that is not canonical.
        ignored: Published columns that carry nothing: stray indices.
        schema: Published names and types.
    """

    canonical: Mapping[str, str]
    extras: Mapping[str, str]
    ignored: tuple[str, ...]
    schema: Mapping[str, pl.DataType]

    @property
    def available(self) -> frozenset[str]:
        """Names that rules may look at."""
        return frozenset(self.canonical) | frozenset(self.extras.values())

    @property
    def quarantined(self) -> Mapping[str, str]:
        """Name among the quarantined columns per published column."""
        taken = {"part", "row", "reasons"}
        names: dict[str, str] = {}
        for name in self.schema:
            names[name] = free_name(name, taken)
            taken.add(names[name])
        return names


def map_columns(schema: Mapping[str, pl.DataType], columns: ColumnsSpec | None = None, *, where: str) -> Mapped:
    """Find the canonical columns in a published schema.

    Args:
        schema: Published names and types.
        columns: Aliases of the dataset's YAML, tried first.
        where: File and part, to begin an error message with.

    Raises:
        SchemaMismatchError: A required column, or one that the YAML maps, is not there, or a column has a type that
            cannot mean what it should.
    """
    columns = columns or {}
    _check_canonical_names(columns)
    by_lower_name: dict[str, str] = {}
    for name in schema:
        by_lower_name.setdefault(name.lower(), name)

    canonical: dict[str, str] = {}
    for column in CANONICAL_COLUMNS:
        configured = columns.get(column.name, [])
        aliases = (*configured, *column.aliases, column.name)
        found = next((by_lower_name[alias.lower()] for alias in aliases if alias.lower() in by_lower_name), None)
        if found is None:
            if column.required or configured:
                wanted = " or ".join(repr(alias) for alias in dict.fromkeys([*configured, *column.aliases]))
                raise SchemaMismatchError(
                    f"{where}: no column for {column.name!r} (looked for {wanted}). Found {_described(schema)}. "
                    f"Map it in defs.yaml under columns: {{{column.name}: [{_nearest(column, schema)}]}}."
                )
            continue
        if found in canonical.values():
            continue
        if not can_mean(schema[found], column.dtype):
            raise SchemaMismatchError(
                f"{where}: column {found!r} is {schema[found]}, which cannot be {column.name!r} ({column.dtype}). "
                f"Found {_described(schema)}. Map {column.name!r} to another column in defs.yaml."
            )
        canonical[column.name] = found

    ignored = tuple(name for name in schema if _STRAY_INDEX.fullmatch(name) and name not in canonical.values())
    extras: dict[str, str] = {}
    taken = {*VALIDATED_SCHEMA, *DERIVED, *REPEATS}
    for name in schema:
        if name in canonical.values() or name in ignored:
            continue
        extras[name] = free_name(name.lower(), taken)
        taken.add(extras[name])
    return Mapped(canonical, extras, ignored, dict(schema))


def can_mean(published: pl.DataType, canonical: pl.DataType) -> bool:
    """Whether values of a published type can be values of a canonical one."""
    if isinstance(published, pl.Null):
        return True
    if isinstance(canonical, pl.String):
        return isinstance(published, pl.String | pl.Binary | pl.Categorical | pl.Enum)
    return published.is_numeric() or isinstance(published, pl.String)


def free_name(name: str, taken: set[str]) -> str:
    """``name``, or the first of ``name_published``, ``name_published_2``, … that is not taken and no pattern."""
    if name not in taken and not _PATTERN.fullmatch(name):
        return name
    candidate, number = f"{name}_published", 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_published_{number}"
    return candidate


def _check_canonical_names(columns: ColumnsSpec) -> None:
    known = [column.name for column in CANONICAL_COLUMNS]
    for name in columns:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise SchemaMismatchError(f"columns: there is no canonical column {name!r}. {hint}")


def _described(schema: Mapping[str, pl.DataType]) -> str:
    shown = [f"{name!r} ({dtype})" for name, dtype in list(schema.items())[:40]]
    return ", ".join(shown) + (f" and {len(schema) - 40} more" if len(schema) > 40 else "") if shown else "no columns"


def _nearest(column: Column, schema: Mapping[str, pl.DataType]) -> str:
    fitting = [name for name, dtype in schema.items() if can_mean(dtype, column.dtype)]
    near = difflib.get_close_matches(column.name, fitting, n=1, cutoff=0.3)
    return near[0] if near else "<its name>"
