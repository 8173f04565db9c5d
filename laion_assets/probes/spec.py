"""What a dataset's YAML says about sampling and probing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

StratumKey = Literal["language", "size_class"]


class SampleSpec(BaseModel):
    """Which rows are probed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(
        default=10_000, ge=1, le=5_000_000, description="Rows to draw from all materialised parts together."
    )
    seed: int = Field(default=0, ge=0, lt=2**64, description="Samples of one seed are nested: 1k in 10k in 100k.")
    strata: tuple[StratumKey, ...] = Field(
        default=(),
        description="Draw within each combination of these: language, size_class. Empty draws from all rows alike.",
    )
    stratum_shares: dict[str, float] = Field(
        default_factory=dict,
        description="How much of the sample goes to a stratum (`en`, `1024-2048`, or `en/1024-2048`), in (0, 1]; "
        "what is left is spread over the others by their size. Estimates stay unbiased through the weights.",
    )

    @model_validator(mode="after")
    def _shares_make_sense(self) -> Self:
        if self.stratum_shares and not self.strata:
            raise ValueError(
                "stratum_shares need strata: say which columns they are about, such as strata: [language]."
            )
        wrong = {name: value for name, value in self.stratum_shares.items() if not 0 < value <= 1}
        if wrong or sum(self.stratum_shares.values()) > 1 + 1e-9:
            raise ValueError(
                f"stratum_shares {self.stratum_shares} must each lie in (0, 1] and add up to 1 at most: lower them."
            )
        return self


class ProbeSpec(BaseModel):
    """How one image is asked for its size, and for how long the answer is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_prefix_bytes: int = Field(
        default=4096,
        ge=64,
        description="What the first request asks for. 4 KiB settle 93 % of web images.",
    )
    second_prefix_bytes: int = Field(
        default=65_536,
        ge=64,
        description="How far the second request reads at most, unless the header proves to need more.",
    )
    max_prefix_bytes: int = Field(
        default=4_194_304,
        ge=64,
        description="No image's header is read further than this; its size then stays unknown.",
    )
    processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes that probe side by side; none means one per core once there are 8,000 URLs for each.",
    )
    max_age_days: float = Field(
        default=30.0, ge=0, description="A result younger than this is used again instead of asking once more."
    )
    retry_age_days: float = Field(
        default=1.0,
        ge=0,
        description="The same for outcomes that may pass, such as timed_out. What failed on our side, such as "
        "resolver_failed, is always asked again.",
    )

    @model_validator(mode="after")
    def _prefixes_grow(self) -> Self:
        if not self.first_prefix_bytes <= self.second_prefix_bytes <= self.max_prefix_bytes:
            raise ValueError(
                f"prefixes must grow: first {self.first_prefix_bytes}, second {self.second_prefix_bytes}, "
                f"max {self.max_prefix_bytes} bytes do not; raise the later ones."
            )
        return self
