"""The page about metadata: its Python is run, its output compared, its table of rules is the rules."""

import contextlib
import io
import re
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml
from dagster.components.resolved.context import ResolutionContext
from dagster_shared.yaml_utils import parse_yaml_with_source_position

from laion_assets.dataset import ImageTextDataset
from laion_assets.defs_yaml import DefsYamlError
from laion_assets.metadata.assets import metadata_assets
from laion_assets.metadata.checks import metadata_checks
from laion_assets.metadata.columns import map_columns
from laion_assets.metadata.rules import RULES
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.spec import SourceSpec

_PAGE = (Path(__file__).parents[2] / "docs" / "metadata.md").read_text()
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _dataset(settings: str) -> ImageTextDataset:
    """A dataset whose YAML has these settings, read as Dagster reads it."""
    text = f"name: mine\ntitle: Mine\nsource: {{uri: folder}}\n{settings}"
    parsed = parse_yaml_with_source_position(text, "defs.yaml")
    context = ResolutionContext.default(parsed.source_position_tree)
    return ImageTextDataset.resolve_from_model(context, ImageTextDataset.model().model_validate(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            "rules:\n  switch_off: [caption_is_ulr]\n",
            r"defs\.yaml:\d+ .*no rule caption_is_ulr\. Did you mean caption_is_url",
        ),
        ("rules:\n  tune:\n    url_missing: {limit: 3}\n", r"defs\.yaml:\d+ .*url_missing compares with no number"),
        ("rules:\n  tune:\n    url_missing: {tolerance: 3}\n", r"defs\.yaml:6 .*tolerance.*less than or equal to 1"),
    ],
)
def test_a_mistake_in_the_rules_of_a_dataset_is_named_with_its_line(settings: str, sentence: str) -> None:
    with pytest.raises(DefsYamlError, match=sentence):
        _dataset(settings)


def test_the_python_of_the_page_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed, compared = "", 0
    for kind, content in _BLOCK.findall(_PAGE):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(content, names)  # noqa: S102 (what a reader would do)
            printed = out.getvalue()
        elif kind == "text":
            assert printed.strip() == content.strip()
            compared += 1
        else:
            dataset = _dataset(content)
            names["rules"] = dataset.rules
            if dataset.columns:
                mapped = map_columns({"#1": pl.String(), "#2": pl.String()}, dataset.columns, where="")
                assert mapped.canonical == {"url": "#1", "caption": "#2"}
    assert compared == 7


def test_the_table_of_rules_is_the_rules() -> None:
    told = re.findall(r"^\| `(\w+)` \| (.+) \| (quarantine|flag) \| ([\d.]+)% \| ([\d,]*) \|$", _PAGE, re.MULTILINE)
    assert told == [
        (
            rule.name,
            rule.reason,
            rule.severity,
            f"{100 * rule.tolerance:.1f}",
            f"{rule.limit:,.0f}" if rule.limit else "",
        )
        for rule in RULES
    ]


def test_the_table_of_checks_is_the_checks() -> None:
    parts = dg.DynamicPartitionsDefinition(name="parts")
    made = metadata_checks("d", expectations=ExpectationsSpec(), parts=parts)
    specs = [spec for definition in made for spec in definition.check_specs]
    (validated,) = metadata_assets(
        "d", columns={}, expectations=ExpectationsSpec(), rules=RulesSpec(), sample_seed=0, parts=parts, group="g"
    )
    raw = raw_metadata("d", source=SourceSpec(uri="folder"), parts=parts, group="g")
    specs += [*validated.check_specs, *raw.check_specs]
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \| .+ \| (yes|no) \|$", _PAGE, re.MULTILINE)
    assert sorted(told) == sorted(
        (spec.name, spec.asset_key.path[-1], "yes" if spec.blocking else "no") for spec in specs
    )
