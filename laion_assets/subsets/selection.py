"""Which rows of one part a subset takes, and how many each of its conditions removed.

Only what one part can know: duplicates of other parts and the cap are decided for the dataset as a whole, in ``cut``.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from laion_assets.metadata.repeats import is_repeated
from laion_assets.metadata.row_hashes import published_or_computed
from laion_assets.subsets.columns import EXTRA_DTYPES, with_derived
from laion_assets.subsets.spec import (
    DUPLICATES_STEP,
    HOSTS_STEP,
    LANGUAGES_STEP,
    OTHER_LANGUAGES,
    SIMILARITY,
    URLS_STEP,
    CapSpec,
    SubsetSpec,
)
from laion_assets.subsets.url_list import UrlList, UrlListError, is_on_this_machine, read_url_list, url_list_sha256

SELECTION_VERSION = 3
"""Raised when the same conditions take other rows, or give them another order."""

Mask = NDArray[np.bool_]

ROWS_SCHEMA: dict[str, pl.DataType] = {
    "url": pl.String(),
    "caption": pl.String(),
    "part": pl.String(),
    "row": pl.UInt32(),
    "declared_width": pl.Int32(),
    "declared_height": pl.Int32(),
    "similarity": pl.Float64(),
    "language": pl.String(),
    "row_hash": pl.Int64(),
    "pwatermark": pl.Float32(),
    "punsafe": pl.Float32(),
    "score": pl.Float64(),
}
"""What ``rows`` holds, in the order of ``row``, followed by the extra columns the subset declares.

A cap keeps the lowest ``score``; equals are told apart by part and row.
"""


@dataclass(frozen=True)
class FunnelStep:
    """What one condition did to the rows of a part, or of many parts added up."""

    name: str
    condition: str
    removed_alone: int
    """Rows it would remove if it were the only condition."""
    removed: int
    """Rows it removed from what the conditions before it had left."""
    unknown: int
    """Rows, of all, for which it came out neither true nor false."""
    left: int


@dataclass(frozen=True)
class Funnel:
    """From the valid rows of a part to those of the subset."""

    rows_in: int
    steps: tuple[FunnelStep, ...]

    @property
    def rows_left(self) -> int:
        """Rows that passed every step."""
        return self.steps[-1].left if self.steps else self.rows_in

    def __add__(self, other: "Funnel") -> "Funnel":
        """Both funnels as one; they must be of the same subset."""
        if [step.name for step in self.steps] != [step.name for step in other.steps]:
            raise ValueError("these funnels have different steps. Materialise the rows of all parts again.")
        steps = tuple(
            FunnelStep(
                a.name,
                a.condition,
                a.removed_alone + b.removed_alone,
                a.removed + b.removed,
                a.unknown + b.unknown,
                a.left + b.left,
            )
            for a, b in zip(self.steps, other.steps, strict=True)
        )
        return Funnel(self.rows_in + other.rows_in, steps)


@dataclass(frozen=True)
class Selection:
    """The rows of one part that a subset takes, in ``ROWS_SCHEMA``, and the way there."""

    rows: pl.DataFrame
    funnel: Funnel
    selected_by: str
    """Of what decided; see ``selected_by``."""


@dataclass(frozen=True)
class _Step:
    name: str
    condition: str
    expr: pl.Expr
    nulls_pass: bool


def select(valid: pl.LazyFrame, subset: SubsetSpec, *, part: str) -> Selection:
    """Apply a subset to the valid rows of one part.

    Args:
        valid: rows in ``VALIDATED_SCHEMA``, further columns allowed.
        subset: what is wanted.
        part: the key of the part the rows are from.

    Raises:
        UrlListError: The list of URLs to leave out cannot be used.
    """
    listed = read_url_list(subset.exclude_url_hashes) if subset.exclude_url_hashes is not None else None
    steps = _steps(subset)
    extra = {name: EXTRA_DTYPES[kind] for name, kind in subset.extra_columns.items()}
    columns = [name for name in (*ROWS_SCHEMA, *extra) if name != "score"]
    best = best_of(subset)
    judged = (
        with_derived(valid)
        .select(
            *columns,
            *([best.alias("_best")] if best is not None else []),
            *[step.expr.alias(f"_step_{index}") for index, step in enumerate(steps)],
        )
        .collect(engine="streaming")
        .sort("row")
    )
    passed = np.ones(judged.height, dtype=bool)
    done = []
    for index, step in enumerate(steps):
        verdict = judged[f"_step_{index}"]
        ok = verdict.fill_null(value=step.nulls_pass).to_numpy()
        done.append(_count(step.name, step.condition, passed, ok, unknown=verdict.null_count()))
        passed &= ok
    rows = judged.drop(f"_step_{index}" for index in range(len(steps)))
    if subset.duplicates == "drop_same_row":
        rows = rows.with_columns(published_or_computed(rows))

    if listed is not None:
        ok = ~_is_listed(rows["url"], passed, listed)
        done.append(_count(URLS_STEP, f"not listed in {subset.exclude_url_hashes}", passed, ok))
        passed &= ok
    if subset.duplicates != "keep":
        column = duplicate_column(subset)
        first = _is_first(rows[column])
        first_of_left = _is_first_among(rows[column], passed)
        removed = int((passed & ~first_of_left).sum())
        passed &= first_of_left
        done.append(
            FunnelStep(DUPLICATES_STEP, f"first with its {column}", int((~first).sum()), removed, 0, int(passed.sum()))
        )

    rows = rows.filter(pl.Series(passed))
    score = pl.Series("score", scores(subset.cap, part, rows), dtype=pl.Float64)
    schema = {**ROWS_SCHEMA, **extra}
    rows = rows.with_columns(score).select(list(schema)).cast(pl.Schema(schema))
    decided_by = _decided_by(subset, listed.sha256 if listed is not None else None)
    return Selection(rows, Funnel(judged.height, tuple(done)), decided_by)


def selected_by(subset: SubsetSpec) -> str:
    """What decides today which rows a part has: rows that were selected by something else are of another day.

    Raises:
        UrlListError: The list of URLs to leave out cannot be read.
    """
    listed = subset.exclude_url_hashes
    return _decided_by(subset, url_list_sha256(listed) if listed is not None else None)


def version_of_rows(subset: SubsetSpec) -> str:
    """The same as far as it is known when code is loaded, when no network may be asked and nothing refused.

    A list of URLs on this machine counts with its content, one elsewhere with its address.
    """
    listed = subset.exclude_url_hashes
    if listed is not None and is_on_this_machine(listed):
        with contextlib.suppress(UrlListError):
            return selected_by(subset)
    return _decided_by(subset, None)


def _decided_by(subset: SubsetSpec, list_sha256: str | None) -> str:
    return f"{SELECTION_VERSION}-{subset.rows_digest()}" + (f"-{list_sha256[:12]}" if list_sha256 else "")


def best_of(subset: SubsetSpec) -> pl.Expr | None:
    """What a cap keeps the rows with the highest of; null ranks last. None for a uniform choice.

    Similarities are compared within what one model made: each counts from the least similarity of the row's language,
    where the subset names one. What is no cosine similarity is unknown.
    """
    if subset.cap is None or subset.cap.best_by is None:
        return None
    value = pl.col(subset.cap.best_by).cast(pl.Float64)
    if subset.cap.best_by != SIMILARITY:
        return value
    margin = value - _by_language(subset, lambda least: pl.lit(least or 0.0), unnamed=pl.lit(0.0))
    return pl.when(value.is_between(-1, 1)).then(margin)


def scores(cap: CapSpec | None, part: str, rows: pl.DataFrame) -> NDArray[np.float64]:
    """The rank of rows under a cap, lower is better: a uniform number in [0, 1), or minus the column to be best by.

    The uniform number is splitmix64 (Steele et al., 2014) of the row's position, seeded with a digest of seed and part:
    it depends on nothing but these, so a choice is the same however the work is split.
    """
    if cap is not None and cap.best_by is not None:
        best = rows["_best"].fill_nan(None).to_numpy().astype(np.float64)
        return np.where(np.isnan(best), np.inf, -best)
    digest = hashlib.sha256(f"subset:{cap.seed if cap else 0}:{part}".encode()).digest()
    state = np.uint64(int.from_bytes(digest[:8], "little"))
    with np.errstate(over="ignore"):
        mixed = state + (rows["row"].to_numpy().astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def duplicate_column(subset: SubsetSpec) -> str:
    """The column whose repetition makes a duplicate."""
    return "url" if subset.duplicates == "drop_same_url" else "row_hash"


def _steps(subset: SubsetSpec) -> list[_Step]:
    steps = [_Step(one.name, one.sql, one.expr, one.name in subset.nulls_pass) for one in subset.predicates()]
    if subset.languages:
        steps.append(
            _Step(LANGUAGES_STEP, str(subset.languages), _language_passes(subset), LANGUAGES_STEP in subset.nulls_pass)
        )
    if subset.exclude_hosts:
        hosts = subset.exclude_hosts
        below = pl.any_horizontal(
            (pl.col("url_host") == host) | pl.col("url_host").str.ends_with(f".{host}") for host in hosts
        )
        steps.append(_Step(HOSTS_STEP, f"not one of {len(hosts)} hosts", ~below, nulls_pass=True))
    return steps


def _language_passes(subset: SubsetSpec) -> pl.Expr:
    def least(threshold: float | None) -> pl.Expr:
        return pl.lit(value=True) if threshold is None else pl.col(SIMILARITY) >= threshold

    return _by_language(subset, least, unnamed=pl.lit(value=False))


def _by_language(subset: SubsetSpec, of: Callable[[float | None], pl.Expr], *, unnamed: pl.Expr) -> pl.Expr:
    """What follows from the least similarity of a row's language; ``unnamed`` where the subset names neither."""
    languages = dict(subset.languages)
    chosen = of(languages.pop(OTHER_LANGUAGES)) if OTHER_LANGUAGES in languages else unnamed
    for code, least in languages.items():
        chosen = pl.when(pl.col("language").fill_null("") == code).then(of(least)).otherwise(chosen)
    return chosen


def _count(
    name: str,
    condition: str,
    passed: Mask,
    ok: Mask,
    *,
    unknown: int = 0,
) -> FunnelStep:
    left = int((passed & ok).sum())
    return FunnelStep(name, condition, int((~ok).sum()), int(passed.sum()) - left, unknown, left)


def _is_listed(urls: pl.Series, passed: Mask, on: UrlList) -> Mask:
    """Which URLs are on the list; hashing costs 1 µs per URL, so rows that are out anyway are not looked at."""
    kinds = [(hashlib.md5, 32), (hashlib.sha256, 64)]
    hashes = on.hashes
    wanted = [kind for kind, length in kinds if any(len(digest) == length for digest in hashes)]
    listed = np.zeros(len(urls), dtype=bool)
    for index in np.flatnonzero(passed):
        url = urls[int(index)].encode()
        listed[index] = any(kind(url, usedforsecurity=False).hexdigest() in hashes for kind in wanted)
    return listed


def _is_first(values: pl.Series) -> Mask:
    return (~is_repeated(values) | values.is_null()).to_numpy()


def _is_first_among(values: pl.Series, passed: Mask) -> Mask:
    mask = np.zeros(len(values), dtype=bool)
    mask[np.flatnonzero(passed)] = _is_first(values.filter(pl.Series(passed)))
    return mask
