"""What a dataset's YAML says about its report: the requirement its images are measured against.

Only configuration lives here. How the criteria are measured is in ``requirement``.
"""

import itertools
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from laion_assets.metadata.size_classes import DEFAULT_EDGES_PX

LARGEST_SIDE_PX = 65_500
"""The longest side a JPEG can have."""


class RequirementSpec(BaseModel):
    """What whoever trains on the dataset needs from it. A criterion set to null is not asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_side_px: int = Field(
        default=1024, ge=1, le=LARGEST_SIDE_PX, description="smallest acceptable true side, in px"
    )
    minimum_size_share: float | None = Field(
        default=0.99, gt=0, le=1, description="share of the reachable images that must have at least that size"
    )
    minimum_reachable_share: float | None = Field(
        default=0.8, gt=0, le=1, description="share of the rows whose link must still give an image"
    )
    minimum_high_side_px: int = Field(
        default=2048,
        ge=1,
        le=LARGEST_SIDE_PX,
        description="the side, in px, from which an image counts as high resolution here",
    )
    minimum_high_share: float | None = Field(
        default=0.1, gt=0, le=1, description="share of the reachable images that must reach the high side"
    )
    rows_wanted: int | None = Field(
        default=None, ge=1, description="images the training set needs; null when any number is welcome"
    )
    minimum_median_words: float | None = Field(default=5, gt=0, description="median words per caption")
    maximum_boilerplate_share: float | None = Field(
        default=0.05, gt=0, lt=1, description="share of captions that may be blank, boilerplate, file names or URLs"
    )
    watermark_cutoff: float = Field(default=0.8, gt=0, le=1, description="pwatermark from which a row is dropped")
    maximum_watermark_share: float | None = Field(
        default=0.3, gt=0, lt=1, description="share of the scored rows that may lie at or above that cut-off"
    )
    unsafe_cutoff: float = Field(default=0.5, gt=0, le=1, description="punsafe from which a row is dropped")
    maximum_unsafe_share: float | None = Field(
        default=0.05, gt=0, lt=1, description="share of the scored rows that may lie at or above that cut-off"
    )
    edges_px: tuple[int, ...] = Field(
        default=DEFAULT_EDGES_PX,
        min_length=1,
        description="edges of the size classes, ascending, in px; by default the minimum side times 1, 2 and 4",
    )
    bandwidth_mbit_s: float = Field(default=1000, gt=0, description="line the download strategy assumes, in Mbit/s")
    requests_per_host_s: float = Field(
        default=4, gt=0, description="requests per second and host the download strategy assumes to be polite"
    )

    @model_validator(mode="before")
    @classmethod
    def _edges_of_the_minimum(cls, given: Any) -> Any:  # noqa: ANN401 (whatever is to become one)
        if not isinstance(given, dict) or "edges_px" in given:
            return given
        least = given.get("minimum_side_px")
        if not isinstance(least, int) or not 1 <= least <= LARGEST_SIDE_PX:
            return given
        return given | {"edges_px": [least * times for times in (1, 2, 4) if least * times <= LARGEST_SIDE_PX]}

    @field_validator("edges_px")
    @classmethod
    def _ascending(cls, edges: tuple[int, ...]) -> tuple[int, ...]:
        if edges[0] < 1 or any(low >= high for low, high in itertools.pairwise(edges)):
            raise ValueError(f"edges_px must be positive and ascending, found {list(edges)}: write e.g. [1024, 2048]")
        return edges
