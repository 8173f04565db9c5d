"""One pass over a part: every row judged by every rule, written to valid or to quarantine, and counted.

Rows in = rows valid + rows quarantined, whatever the values. Quarantine is decided first, on all rows; flags on what is
left. The part is worked through in slices, so that memory does not depend on its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from laion_assets.metadata.casting import CanonicalRows, to_canonical
from laion_assets.metadata.columns import OVERFLOW, free_name
from laion_assets.metadata.derived import DERIVED, REPEATS
from laion_assets.metadata.part_files import PartFile
from laion_assets.metadata.reading import PublishedTable
from laion_assets.metadata.rulebook import Rulebook
from laion_assets.metadata.rules import NOT_CASTABLE, Rule
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.tally import Tally

# One published part of LAION-High-Resolution (1.33 M rows) is one slice and takes some 700 MB.
ROWS_PER_SLICE = 2_000_000


@dataclass(frozen=True)
class Judged:
    """One slice, split.

    Attributes:
        valid: Rows of ``VALIDATED_SCHEMA`` and further published columns.
        quarantined: ``part``, ``row``, ``reasons``, then the columns as published.
    """

    valid: pl.DataFrame
    quarantined: pl.DataFrame


@dataclass
class Validator:
    """Judges the slices of one part in order."""

    table: PublishedTable
    rulebook: Rulebook
    tally: Tally = field(default_factory=Tally)
    seen: dict[str, list[pl.Series]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.applicable, self.not_applicable = self.rulebook.for_columns(self.table.mapped.available)
        self.tally.rules = dict.fromkeys([NOT_CASTABLE, *(rule.name for rule in self.applicable.rules)], 0)

    def judge(self, published: pl.DataFrame, first_row: int) -> Judged:
        """Split one slice and count it."""
        part = pl.lit(self.table.part, pl.String).alias("part")
        row = pl.int_range(first_row, first_row + published.height, dtype=pl.UInt32, eager=True).alias("row")
        canonical = to_canonical(published, self.table.mapped)

        broken = self._quarantine_marks(canonical)
        out = _any_of(broken.values(), published.height)
        quarantined = published.filter(out)
        reasons = _names_of({name: mark.filter(out) for name, mark in broken.items()}, quarantined.height)
        taken = {"part", "row", "reasons"}
        names = {name: free_name(name, taken) for name in published.columns}
        quarantine = quarantined.select(
            part,
            pl.lit(row.filter(out)),
            pl.lit(reasons.alias("reasons")),
            *(pl.col(old).alias(new) for old, new in names.items()),
        )

        rows = canonical.rows if quarantine.height == 0 else canonical.rows.filter(~out)
        marks = self._flag_marks(rows)
        flagged = _any_of(marks.values(), rows.height)
        flags = _names_of(marks, rows.height).alias("flags")
        self.tally.rows_in += published.height
        self.tally.rows_quarantined += quarantine.height
        self.tally.rows_flagged += int(flagged.sum())
        self.tally.add_rows(rows.drop(OVERFLOW, strict=False))
        canonical_columns = [
            (pl.col(name) if name in rows.columns else pl.lit(None, dtype).alias(name))
            for name, dtype in VALIDATED_SCHEMA.items()
            if name not in ("part", "row", "flags")
        ]
        extras = [name for name in self.table.mapped.extras.values() if name != OVERFLOW]
        valid = rows.select(
            part,
            pl.lit(row if quarantine.height == 0 else row.filter(~out)),
            *canonical_columns,
            pl.lit(flags),
            *extras,
        )
        return Judged(valid, quarantine)

    def profile(self) -> pl.DataFrame:
        """The profile of everything judged so far."""
        return self.tally.profile(
            part=self.table.part, mapped=self.table.mapped, rules_not_applicable=self.not_applicable
        )

    def _quarantine_marks(self, canonical: CanonicalRows) -> Mapping[str, pl.Series]:
        rules = self.applicable.of_severity("quarantine")
        marks: dict[str, pl.Series] = {}
        if canonical.lost:
            marks[NOT_CASTABLE] = _any_of(canonical.lost.values(), canonical.rows.height)
            for name, lost in canonical.lost.items():
                self.tally.losses[name] = self.tally.losses.get(name, 0) + int(lost.sum())
        marks |= _evaluated(rules, canonical.rows)
        for rule in rules:  # a value that could not be cast is neither missing nor out of range
            for name in _looked_at(rule) & canonical.lost.keys():
                marks[rule.name] = marks[rule.name] & ~canonical.lost[name]
        return self._counted(marks)

    def _flag_marks(self, rows: pl.DataFrame) -> Mapping[str, pl.Series]:
        repeats = [self._repeats(name, rows) for name, needs in REPEATS.items() if needs <= set(rows.columns)]
        return self._counted(_evaluated(self.applicable.of_severity("flag"), rows.with_columns(repeats)))

    def _repeats(self, name: str, rows: pl.DataFrame) -> pl.Series:
        """Whether an earlier valid row is the same in the columns that the name stands for.

        Compares 64-bit hashes: two different URLs of a part would be taken for one once in ten million parts.
        """
        columns = sorted(REPEATS[name])
        hashes = rows.select(pl.struct(columns).hash(0) if len(columns) > 1 else pl.col(columns[0]).hash(0)).to_series()
        repeated = ~hashes.is_first_distinct()
        for earlier in self.seen.get(name, []):
            repeated = repeated | hashes.is_in(earlier.implode())
        distinct = rows.height - int(repeated.sum())
        if name == "repeats_url":
            self.tally.distinct_urls += distinct
        else:
            self.tally.distinct_url_captions += distinct
        self.seen.setdefault(name, []).append(hashes)
        return repeated.alias(name)

    def _counted(self, marks: Mapping[str, pl.Series]) -> Mapping[str, pl.Series]:
        """Add to the counts per rule; keep the marks that any row has, in the rulebook's order."""
        kept = {}
        for name, mark in marks.items():
            if count := int(mark.sum()):
                self.tally.rules[name] += count
                kept[name] = mark
        return kept


def validate(
    table: PublishedTable,
    rulebook: Rulebook,
    *,
    valid_path: Path,
    quarantine_path: Path,
    rows_per_slice: int = ROWS_PER_SLICE,
) -> pl.DataFrame:
    """Judge every row of a part, write valid and quarantined rows, and return the part's profile.

    Args:
        table: The published part.
        rulebook: The dataset's rules; those about columns that the part has not are noted in the profile.
        valid_path: Where valid rows go, in published order.
        quarantine_path: Where the others go, in published order.
        rows_per_slice: How many rows are in memory at a time.

    Returns:
        One row of ``PROFILE_SCHEMA``.

    Raises:
        DamagedPart: Bytes in the middle of the file do not decode.
    """
    validator = Validator(table, rulebook)
    with PartFile(valid_path) as valid, PartFile(quarantine_path) as quarantined:
        for first_row, published in table.slices(rows_per_slice):
            judged = validator.judge(published, first_row)
            valid.append(judged.valid)
            quarantined.append(judged.quarantined)
    return validator.profile()


def _looked_at(rule: Rule) -> set[str]:
    """Canonical columns that a rule looks at, through derived ones too."""
    columns = set(rule.columns)
    for name in rule.columns & DERIVED.keys():
        columns |= DERIVED[name][0]
    return columns


def _evaluated(rules: Sequence[Rule], rows: pl.DataFrame) -> dict[str, pl.Series]:
    if not rules or rows.width == 0:
        return {}
    wanted = set().union(*(rule.columns for rule in rules))
    derived = [
        expression.alias(name)
        for name, (_, expression) in DERIVED.items()
        if name in wanted and name not in rows.columns
    ]
    frame = rows.lazy().with_columns(derived).select(rule.expression for rule in rules).collect()
    return {rule.name: frame.get_column(rule.name) for rule in rules}


def _any_of(marks: Sequence[pl.Series] | Mapping[str, pl.Series] | object, height: int) -> pl.Series:
    result = pl.repeat(False, height, dtype=pl.Boolean, eager=True)  # noqa: FBT003
    for mark in marks:  # type: ignore[attr-defined]
        result = result | mark
    return result


def _names_of(marks: Mapping[str, pl.Series], height: int) -> pl.Series:
    """Per row, the names of the marks it has.

    Marks become bits of one number per row; a list is made once per distinct number, of which there are few.
    """
    bits = pl.repeat(0, height, dtype=pl.UInt64, eager=True)
    for position, mark in enumerate(marks.values()):
        bits = bits | (mark.cast(pl.UInt64) * (1 << position))
    distinct = bits.unique().sort()
    names = list(marks)
    lists = [[name for position, name in enumerate(names) if number >> position & 1] for number in distinct]
    return (
        pl.Series(lists, dtype=pl.List(pl.String)).gather(distinct.search_sorted(bits))
        if height
        else pl.Series([], dtype=pl.List(pl.String))
    )
