"""Everything a report is measured from, in one hand: the sampled rows, their weights, the pooled profiles."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from laion_assets.statistics.declared import Declared
from laion_assets.statistics.design import Sample
from laion_assets.statistics.estimate import Share, Views
from laion_assets.statistics.intervals import Bools, Floats
from laion_assets.statistics.rows import bools, derive, floats
from laion_assets.statistics.spec import RequirementSpec


@dataclass(frozen=True)
class Evidence:
    """What was observed, and what it is measured against.

    Attributes:
        rows: One per sampled row, with the columns of ``rows.derive``.
        sample: The same rows as weights.
        declared: Exact counts over all valid rows; None without profiles.
        probed: Whether the web was asked at all.
        requirement: What the images are measured against.
        minimum_side_px: What the publisher promises.
    """

    rows: pl.DataFrame
    sample: Sample
    declared: Declared | None
    probed: bool
    requirement: RequirementSpec
    minimum_side_px: int

    @classmethod
    def of(
        cls,
        frame: pl.DataFrame,
        *,
        declared: Declared | None,
        requirement: RequirementSpec,
        minimum_side_px: int,
    ) -> "Evidence":
        """From ``dimension_probes``, or from ``dimension_sample`` where nothing was probed."""
        rows = derive(frame, minimum_side_px=minimum_side_px, edges_px=requirement.edges_px)
        return cls(
            rows=rows,
            sample=Sample(floats(rows, "weight")),
            declared=declared,
            probed="outcome" in frame.columns,
            requirement=requirement,
            minimum_side_px=minimum_side_px,
        )

    @cached_property
    def measured(self) -> Bools:
        """Rows with a true size."""
        return self.has(pl.col("measured"))

    @cached_property
    def sized(self) -> Bools:
        """Rows with a declared size."""
        return self.has(pl.col("declared_short_side").is_not_null())

    def has(self, condition: pl.Expr) -> Bools:
        """A condition per row, false where it cannot be told."""
        return bools(self.rows, condition)

    def values(self, column: str) -> Floats:
        """A column per row, NaN where it is not known."""
        return floats(self.rows, column)

    def views(self, declared: pl.Expr, true: pl.Expr, *, exact: Share | None) -> Views[Share]:
        """One share in its three views."""
        return Views[Share](
            declared_all=exact,
            declared_sample=self.sample.share(self.has(declared), self.sized) if self.sized.any() else None,
            true_sample=self.sample.share(self.has(true), self.measured) if self.probed else None,
        )
