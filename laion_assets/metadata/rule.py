"""What a rule is: a condition that a row can break, as data.

A rule is a name, a reason, a severity, a tolerance and one Polars SQL expression that is true where a row breaks it
(null counts as false). A second one may clear most rows at less cost. Its twin says the same as a row-level Great
Expectations expectation; a test holds that both agree. The rules that every dataset has are in ``rules``.
"""

import functools
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

Severity = Literal["quarantine", "flag"]


class Twin(BaseModel):
    """The same rule as a Great Expectations expectation on rows; ``"{limit}"`` stands for the rule's limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(description="Snake-case name of the expectation, such as expect_column_values_to_not_be_null.")
    kwargs: dict[str, Any] = Field(description="Its arguments, the column among them.")


class Rule(BaseModel):
    """One condition that a row can break."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="What flags and reasons say.", pattern=r"^[a-z][a-z0-9_]{0,63}$")
    reason: str = Field(description="Why such a row is left out or flagged, in words.", min_length=1)
    severity: Severity = Field(description="quarantine: the row is left out. flag: it is kept and marked.")
    tolerance: float = Field(
        description="Largest share of rows that may break it; a part gets what chance adds to it on top.", ge=0, le=1
    )
    breaks: str = Field(
        description="Polars SQL expression about one row, true where it breaks the rule; {limit} is its limit."
    )
    cleared_by: str | None = Field(
        default=None,
        description="Polars SQL expression about the same columns that costs little and is true only of rows that do "
        "not break the rule: breaks is evaluated on the others. Nothing holds it to that.",
    )
    limit: float | None = Field(default=None, description="The number the expressions compare with, if they do.")
    twin: Twin | None = Field(default=None, description="The same as a row-level Great Expectations expectation.")

    @field_validator("breaks", "cleared_by")
    @classmethod
    def _is_an_expression(cls, sql: str | None, info: ValidationInfo) -> str | None:
        if sql is None:
            return None
        try:
            pl.sql_expr(sql.replace("{limit}", "1"))
        except (pl.exceptions.PolarsError, TypeError) as error:
            finding = str(error).splitlines()[0]
            raise ValueError(f"{info.field_name} is not a Polars SQL expression ({finding}): {sql!r}.") from error
        return sql

    @model_validator(mode="after")
    def _has_the_limit_it_uses(self) -> Self:
        for field, sql in (("breaks", self.breaks), ("cleared_by", self.cleared_by or "")):
            if "{limit}" in sql and self.limit is None:
                raise ValueError(f"rule {self.name}: {field} uses {{limit}}, but there is none. Give it a limit.")
        return self

    @model_validator(mode="after")
    def _is_cleared_by_its_own_columns(self) -> Self:
        if self.clearing is not None and (others := columns_of(self.clearing) - self.columns):
            raise ValueError(
                f"rule {self.name}: cleared_by looks at {', '.join(sorted(others))}, which breaks does not look at."
            )
        return self

    @property
    def condition(self) -> str:
        """``breaks`` with the limit in its place."""
        return self._with_limit(self.breaks)

    @property
    def clearing(self) -> str | None:
        """``cleared_by`` with the limit in its place."""
        return None if self.cleared_by is None else self._with_limit(self.cleared_by)

    @property
    def columns(self) -> frozenset[str]:
        """Columns the condition looks at, canonical, derived or published; what clears it looks at no others."""
        return columns_of(self.condition)

    def _with_limit(self, sql: str) -> str:
        return sql if self.limit is None else sql.replace("{limit}", f"{self.limit:.17g}")


@functools.cache
def parsed(condition: str) -> pl.Expr:
    """The expression of a condition; null counts as false."""
    return pl.sql_expr(condition).fill_null(False)  # noqa: FBT003 (polars takes it by position)


@functools.cache
def columns_of(condition: str) -> frozenset[str]:
    """The columns a condition names."""
    return frozenset(parsed(condition).meta.root_names())
