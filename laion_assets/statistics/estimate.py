"""What a figure is made of: a number with its interval, a share, a distribution, and the three views of each.

Three views of a size stand side by side everywhere: ``declared_all`` (what the publisher says, every valid row,
exact), ``declared_sample`` (the same of the sampled rows, with intervals) and ``true_sample`` (what the reachable
images of the sample really are, with intervals). The document they make up is in ``document``.
"""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A part of the document: immutable and closed."""

    # Descriptions are arguments: pydantic would read strings under the fields from the source, 0.06 s in every process.
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Frozen):
    """One number with its 95 % interval."""

    estimate: float | None = Field(description="Null where there is nothing to estimate from.")
    low: float | None = Field(description="Lower end of the interval; null when the sample is too small to bound it.")
    high: float | None = Field(description="Upper end of the interval; null when the sample is too small to bound it.")
    n: int = Field(description="Rows the number rests on.")
    method: str = Field(description="A key of ``methods``.")


class Share(Estimate):
    """A proportion of rows."""

    count: int = Field(description="Rows counted, of ``n``. With unequal weights ``estimate`` is not ``count / n``.")


class Bounds(Frozen):
    """What can be said about all rows when some could not be measured, without assuming anything about those."""

    lowest: float | None = Field(description="The share if no unmeasured row had the property.")
    highest: float | None = Field(description="The share if every unmeasured row had it.")
    low: float | None = Field(description="Lower end of the 95 % interval of ``lowest``.")
    high: float | None = Field(description="Upper end of the 95 % interval of ``highest``.")
    n: int
    method: str


class Distribution(Frozen):
    """How a quantity is spread."""

    n: int
    minimum: float | None = Field(description="Smallest value seen; of a sample it says nothing about the rest.")
    maximum: float | None
    mean: Estimate
    percentiles: dict[str, Estimate] = Field(description="``p25``, ``p50``, ``p75``, ``p90``, ``p95``, ``p99``.")


T = TypeVar("T")


class Views(Frozen, Generic[T]):
    """The three views of one figure; a view that was not possible is null."""

    declared_all: T | None = None
    declared_sample: T | None = None
    true_sample: T | None = None
