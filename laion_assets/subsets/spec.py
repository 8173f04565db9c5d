"""What a dataset's YAML says about one subset: which rows it wants, how many, and what its download may cost.

Everything that can be wrong with it is found here, when the YAML is loaded. How shards look is in ``shards.spec``.
"""

import contextlib
import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from laion_assets.subsets.columns import DERIVED_COLUMNS, predicate_schema
from laion_assets.subsets.predicates import Predicate, parse_predicate

OTHER_LANGUAGES = "other"
SIMILARITY = "similarity"
LANGUAGES_STEP, HOSTS_STEP, URLS_STEP, DUPLICATES_STEP = "languages", "excluded_hosts", "excluded_urls", "duplicates"
_STEP_NAMES = (LANGUAGES_STEP, HOSTS_STEP, URLS_STEP, DUPLICATES_STEP)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class CapSpec(BaseModel):
    """At most so many rows of the whole dataset, whatever the number of parts, processes or runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=1, description="Most rows in the subset over all parts.")
    best_by: str | None = Field(
        default=None,
        description="Keep the rows with the highest value in this column; without it, a uniform choice. "
        "Similarities count from the least one of the row's language, where languages name one.",
    )
    seed: int = Field(default=0, description="Another seed is another uniform choice, and another order among equals.")


class PlanSpec(BaseModel):
    """What the plan assumes about the machine that downloads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bandwidth_mbit_s: float = Field(default=1000.0, gt=0, description="Line that may be used, in Mbit/s.")
    images_per_s: float = Field(
        default=600.0, gt=0, description="Images the machine itself can process per second; see benchmarks.download."
    )
    free_share: float = Field(
        default=0.9, gt=0, le=1, description="Share of the free disk that a download may be planned to fill."
    )
    assumed_image_bytes: int = Field(
        default=740_000,
        ge=1,
        description="Bytes per image where no probe tells: the web's mean for 1024 x 1024 and up.",
    )
    least_probes: int = Field(
        default=100, ge=1, description="With fewer probes in the subset, its predictions are marked as too uncertain."
    )


class SubsetSpec(BaseModel):
    """Rows worth having: named predicates, applied in this order, and what becomes of unknown values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="Part of the asset keys: <dataset>/<name>/rows.")
    description: str = Field(default="", description="One sentence on what the subset is for.")
    where: dict[str, str] = Field(
        default={},
        description="Predicate name to Polars SQL expression over canonical columns and "
        + ", ".join(DERIVED_COLUMNS)
        + "; rows must pass all, in this order.",
    )
    nulls_pass: list[str] = Field(
        default=[],
        description="Names of predicates a row passes when they come out unknown (null). All others it then fails.",
    )
    languages: dict[str, float | None] = Field(
        default={},
        description="Language code to least similarity (null: any). Languages not named, and rows without one, count "
        f"as {OTHER_LANGUAGES!r}; without that key they are left out. Empty: every language.",
    )
    exclude_hosts: list[str] = Field(
        default=[], description="Host names whose rows are left out, with all their subdomains: example.org."
    )
    exclude_url_hashes: str | None = Field(
        default=None,
        description="File or URI with one lower-case hex md5 or sha256 of a URL per line: opt-outs, evaluation sets.",
    )
    duplicates: Literal["keep", "drop_same_row", "drop_same_url"] = Field(
        default="drop_same_row",
        description="Of rows with the same URL and caption (same row hash), or the same URL, only the first is kept, "
        "over all parts.",
    )
    cap: CapSpec | None = Field(default=None, description="At most so many rows; none means all that pass.")
    extra_columns: dict[str, Literal["integer", "number", "text", "boolean"]] = Field(
        default={}, description="Published columns beyond the canonical ones that predicates name, with their kind."
    )
    plan: PlanSpec = Field(default=PlanSpec(), description="What the plan assumes about the machine that downloads.")

    @field_validator("languages")
    @classmethod
    def _thresholds_are_similarities(cls, languages: dict[str, float | None]) -> dict[str, float | None]:
        for code, least in languages.items():
            if least is not None and not -1 <= least <= 1:
                raise ValueError(f"languages.{code}: {least} is no cosine similarity. Give a number from -1 to 1.")
        return languages

    @field_validator("exclude_hosts")
    @classmethod
    def _hosts_are_names(cls, hosts: list[str]) -> list[str]:
        return [_as_it_is_asked(host) for host in hosts]

    @model_validator(mode="after")
    def _predicates_are_sound(self) -> Self:
        steps = [predicate.name for predicate in self.predicates()]
        for name in steps:
            if name in _STEP_NAMES:
                raise ValueError(f"where.{name}: that name is taken by a step of its own. Choose another.")
        known = [*steps, LANGUAGES_STEP]
        if unknown := [name for name in self.nulls_pass if name not in known]:
            raise ValueError(f"nulls_pass: {unknown} are not predicates. There are: {', '.join(known)}.")
        if self.cap is not None and self.cap.best_by is not None:
            schema = predicate_schema(dict(self.extra_columns))
            numeric = [name for name, dtype in schema.items() if dtype.is_numeric() and name != "row_hash"]
            if self.cap.best_by not in numeric:
                raise ValueError(
                    f"cap.best_by: no numeric column {self.cap.best_by!r}. There are: {', '.join(numeric)}."
                )
            bare = [code for code, least in self.languages.items() if least is None]
            if self.cap.best_by == SIMILARITY and 0 < len(bare) < len(self.languages):
                raise ValueError(
                    f"languages.{bare[0]}: the cap ranks similarities by how far they are above the least one of their "
                    "language. Give this one a least similarity too, or none to all."
                )
        return self

    def digest(self, *, without: frozenset[str] = frozenset()) -> str:
        """Changes with everything that decides which rows are taken: part of the code version of what is made with it.

        Args:
            without: further fields that do not matter, such as ``plan``.
        """
        fields = self.model_dump_json(exclude={"name", "description", *without})
        return hashlib.sha256(fields.encode()).hexdigest()[:12]

    def rows_digest(self) -> str:
        """Changes with everything that decides which rows a part has, and their order: with all but the cap's size."""
        others: dict[str, bool | dict[str, bool]] = dict.fromkeys(("name", "description", "plan", "shards"), True)
        fields = self.model_dump_json(exclude={**others, "cap": {"rows": True}})
        return hashlib.sha256(fields.encode()).hexdigest()[:12]

    def predicates(self) -> list[Predicate]:
        """The predicates of ``where``, parsed and checked, in order."""
        schema = predicate_schema(dict(self.extra_columns))
        for name in self.extra_columns:
            if name in predicate_schema({}):
                raise ValueError(f"extra_columns.{name}: this column is there already. Remove the line.")
        return [parse_predicate(name, sql, schema) for name, sql in self.where.items()]


def _as_it_is_asked(host: str) -> str:
    """A host's name as ``url_host`` has it: a name in letters of any alphabet becomes the one that is looked up."""
    from laion_assets.web.failure import Failure
    from laion_assets.web.url import parse_url

    bare = host.strip(".")
    with contextlib.suppress(Failure):
        if not set("/\\:@?# ") & set(bare):
            return parse_url(f"http://{bare}/").host
    raise ValueError(
        f"exclude_hosts: {host!r} is not a host name. Write example.org, without scheme; subdomains are included."
    )
