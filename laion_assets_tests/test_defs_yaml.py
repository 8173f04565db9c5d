from typing import Annotated

import dagster as dg
import pytest
import yaml
from dagster.components.resolved.context import ResolutionContext
from dagster_shared.yaml_utils import parse_yaml_with_source_position
from pydantic import BaseModel, ConfigDict, Field, field_validator

from laion_assets.defs_yaml import DefsYamlError, YamlComponent


class Limits(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: Annotated[int, Field(description="how many rows there are")]
    share: float = 0.5

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, share: float) -> float:
        if not 0 <= share <= 1:
            raise ValueError(f"{share} is not a share. Give a number from 0 to 1.")
        return share


class Thing(YamlComponent):
    name: str
    limits: Limits
    more: list[Limits] = Field(default=[])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        return dg.Definitions()


def read(text: str) -> Thing:
    parsed = parse_yaml_with_source_position(text, "defs.yaml")
    context = ResolutionContext.default(parsed.source_position_tree)
    return Thing.resolve_from_model(context, Thing.model().model_validate(yaml.safe_load(text)))


def test_a_right_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_ROWS", "12")
    thing = read("name: a\nlimits:\n  rows: \"{{ env('THING_ROWS', '3') }}\"\n")
    assert thing.limits.rows == 12


def test_a_misspelt_attribute_is_named_with_its_line_and_the_right_spelling() -> None:
    with pytest.raises(DefsYamlError, match=r"defs\.yaml:4 - limits\.sahre: no such attribute\. Did you mean share\?"):
        read("name: a\nlimits:\n  rows: 1\n  sahre: 0.3\n")


def test_a_missing_attribute_is_named_with_what_was_expected() -> None:
    with pytest.raises(DefsYamlError, match=r"limits\.rows: missing\. Expected how many rows there are\."):
        read("name: a\nlimits:\n  share: 0.3\n")


def test_a_wrong_type_says_what_was_found() -> None:
    with pytest.raises(DefsYamlError, match=r"defs\.yaml:3 - limits\.rows: .*integer.*found 'many'"):
        read("name: a\nlimits:\n  rows: many\n")


def test_a_validator_s_own_sentence_is_passed_on() -> None:
    with pytest.raises(DefsYamlError, match=r"defs\.yaml:7 - more\.0\.share: 7\.0 is not a share\. Give a number"):
        read("name: a\nlimits:\n  rows: 1\nmore:\n  -\n    rows: 1\n    share: 7\n")


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(DefsYamlError) as caught:
        read("nam: a\nlimits:\n  rows: x\n")
    assert len(str(caught.value).splitlines()) == 3
