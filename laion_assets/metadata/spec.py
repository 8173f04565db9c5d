"""What a dataset's YAML says about its metadata: expectations, column names, rules."""

import difflib

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from laion_assets.metadata.derived import DERIVED, REPEATS
from laion_assets.metadata.marks import marks_of
from laion_assets.metadata.rule import Rule, Severity
from laion_assets.metadata.rules import RULES
from laion_assets.metadata.schema import VALIDATED_SCHEMA

ColumnsSpec = dict[str, list[str]]
"""Further published names per canonical column, tried before the known ones.

In a file without a header, ``#1`` is its first column: ``{url: ["#1"], caption: ["#2"]}``.
"""


class ExpectationsSpec(BaseModel):
    """What the publisher promises about the dataset as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_side_px: int = Field(default=1024, ge=1, description="Both declared sides should be at least this many px.")
    parts: int | None = Field(default=None, ge=1, description="Number of parts published, if known.")
    rows: int | None = Field(default=None, ge=1, description="Number of rows in all parts together, if known.")


class Tuning(BaseModel):
    """What to change about a known rule; what is left out stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance: float | None = Field(default=None, ge=0, le=1, description="Largest share of rows that may break it.")
    limit: float | None = Field(default=None, description="The number the rule compares with.")
    severity: Severity | None = Field(default=None, description="quarantine or flag.")


def _check_evaluates(rule: Rule) -> None:
    """Refuse a rule that cannot be evaluated. What its own columns will be like, only the published file can tell."""
    schema: dict[str, pl.DataType] = {**VALIDATED_SCHEMA, **dict.fromkeys(REPEATS, pl.Boolean())}
    if rule.columns <= schema.keys() | DERIVED.keys():
        marks_of([rule], pl.DataFrame(schema=schema))


class RulesSpec(BaseModel):
    """How a dataset's rules differ from the ones every dataset has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    add: list[Rule] = Field(default=[], description="Rules of this dataset alone.")
    tune: dict[str, Tuning] = Field(default={}, description="Known rules with another tolerance, limit or severity.")
    # Not "off": YAML reads that as False.
    switch_off: list[str] = Field(default=[], description="Known rules that this dataset does without.")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = {rule.name: rule for rule in RULES}
        for rule in self.add:
            if rule.name in known:
                raise ValueError(f"there already is a rule {rule.name}. Tune it, or give yours another name.")
            _check_evaluates(rule)
        if len({rule.name for rule in self.add}) < len(self.add):
            raise ValueError("two of the rules to add have the same name. Rename one of them.")
        for name in (*self.tune, *self.switch_off):
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f" Did you mean {near[0]}?" if near else f" Known rules: {', '.join(known)}."
                raise ValueError(f"there is no rule {name}.{hint}")
        for name, tuning in self.tune.items():
            if tuning.limit is not None and known[name].limit is None:
                raise ValueError(f"rule {name} compares with no number, so it has no limit to tune.")
        return self
