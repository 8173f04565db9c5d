"""docs/probing.md says what the code does."""

import re

import yaml

from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets.web.resource import ENVIRONMENT_PREFIX
from laion_assets_tests.probes.documented import PAGE, TABLES, marked, with_tables


def test_every_table_is_the_one_the_code_has() -> None:
    page = PAGE.read_text()
    assert marked(page) == TABLES
    assert page == with_tables(page), "run python -m laion_assets_tests.probes.documented"


def test_the_yaml_shown_is_valid() -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    shown = yaml.safe_load(found[1])
    assert SampleSpec.model_validate(shown["sample"]).stratum_shares == {"ja": 0.2}
    assert ProbeSpec.model_validate(shown["probe"]).max_age_days == 30


def test_the_variables_are_named_as_they_are_read() -> None:
    assert f"`{ENVIRONMENT_PREFIX}<NAME>`" in PAGE.read_text()
