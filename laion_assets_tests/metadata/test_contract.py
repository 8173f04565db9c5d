"""The contract is built from tolerances, decided by Great Expectations, and shown on a page that needs no network."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from laion_assets.metadata.check_results import contract_finding
from laion_assets.metadata.contract import ContractOutcome, check_contract, expectations_of, figures_of
from laion_assets.metadata.contract_docs import contract_page
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec
from laion_assets_tests.metadata.conftest import Pass, rows

_RULES = RulesSpec.model_validate({"tune": {"height_missing": {"tolerance": 0.1}, "below_minimum": {"tolerance": 0.1}}})


def _contract(profile: dict[str, Any], expectations: ExpectationsSpec | None = None) -> ContractOutcome:
    suite = expectations_of(
        rulebook(_RULES),
        expectations or ExpectationsSpec(),
        rows=profile["rows_in"],
        not_applicable=profile["rules_not_applicable"],
    )
    return check_contract(figures_of(profile), suite, part="part-00004")


@pytest.fixture
def part_with(passed: Callable[..., Pass]) -> Callable[..., dict[str, Any]]:
    """The profile of a part of 100 rows, some of them without height or below the minimum."""

    def run(*, missing: int = 0, below: int = 0) -> dict[str, Any]:
        changes: list[dict[str, Any]] = [{"HEIGHT": None}] * missing + [{"HEIGHT": 900}] * below
        return passed(rows(*changes, *[{}] * (100 - len(changes)))).profile

    return run


def test_figures_at_their_tolerance_meet_the_contract(part_with: Callable[..., dict[str, Any]]) -> None:
    """0.1, and 3 standard deviations of 0.03 for what chance adds to a part of 100 rows."""
    finding = contract_finding(_contract(part_with(missing=19, below=19)))
    assert finding.passed
    assert finding.sentence == "all 32 expectations are met"
    by_figure = {str(record["figure"]): record for record in finding.tables["expectations"]}
    assert by_figure["share_height_missing"] == {
        "figure": "share_height_missing", "found": "0.19", "at least": "", "at most": "0.19", "met": True,
        "severity": "critical", "meaning": "the declared height is missing",
    }  # fmt: skip
    assert "share_shifted_license" not in by_figure, "a rule that does not apply promises nothing"


def test_too_many_quarantined_rows_break_it_and_block(part_with: Callable[..., dict[str, Any]]) -> None:
    finding = contract_finding(_contract(part_with(missing=20)))
    assert not finding.passed
    assert finding.blocks
    assert finding.sentence == "share_height_missing is 0.2"
    assert finding.tables["expectations"][0]["figure"] == "share_height_missing", "what is broken comes first"


def test_too_many_flagged_rows_break_it_without_blocking(part_with: Callable[..., dict[str, Any]]) -> None:
    finding = contract_finding(_contract(part_with(below=20)))
    assert not finding.passed
    assert not finding.blocks


def test_rows_that_are_lost_break_it(part_with: Callable[..., dict[str, Any]]) -> None:
    profile = part_with()
    profile["rows_valid"] -= 1
    outcome = _contract(profile)
    assert [one.expectation.figure for one in outcome.broken] == ["rows_unaccounted"]
    assert outcome.critical


@pytest.mark.parametrize(("rows_promised", "met"), [(12_800, True), (25_599, True), (26_000, False), (8_000, False)])
def test_a_part_far_from_its_share_of_the_promised_rows_is_worth_a_warning(
    part_with: Callable[..., dict[str, Any]], rows_promised: int, *, met: bool
) -> None:
    outcome = _contract(part_with(), ExpectationsSpec(parts=128, rows=rows_promised))
    assert outcome.met is met
    assert not outcome.critical


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_expectation_and_asks_nobody_for_anything(
    part_with: Callable[..., dict[str, Any]],
) -> None:
    outcome = _contract(part_with(missing=20))
    html = contract_page(outcome)
    page = _Page()
    page.feed(html)
    assert "share_height_missing" in page.text
    assert "Failed" in page.text
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import", html)
    assert len(outcome.outcomes) == sum(f"{one.expectation.figure}" in page.text for one in outcome.outcomes)
    again = contract_page(_contract(part_with(missing=20)))
    moment = r"\d{8}T\d{6}\.\d+Z"
    assert re.sub(moment, "", again) == re.sub(moment, "", html), "the same page for the same figures"


CHECKING = """
import socket, sys
import polars as pl
def refuse(*args, **kwargs): raise SystemExit(f"a connection to {args} was asked for")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from laion_assets.metadata.contract import check_contract, expectations_of, figures_of
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.spec import ExpectationsSpec
profile = pl.read_ipc("profile.ipc").row(0, named=True)
outcome = check_contract(figures_of(profile), expectations_of(rulebook(), ExpectationsSpec(), rows=1), part="p")
print([one.expectation.figure for one in outcome.broken])
print(sorted({"altair", "scipy.stats", "boto3"} & set(sys.modules)))
"""

# What is imported for others, used after all.
OTHERS = """
from great_expectations.compatibility import aws
from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as divergence
print(divergence.stats.entropy([0.25] * 4, base=2), divergence.alt.Chart.__module__.split(".")[0])
import boto3, scipy.stats
print(aws.boto3.Session is boto3.Session, scipy.stats.entropy is divergence.stats.entropy)
"""


def test_checking_writes_no_file_opens_no_connection_and_loads_nothing_for_others_until_it_is_used(
    tmp_path: Path, part_with: Callable[..., dict[str, Any]]
) -> None:
    profile = pl.DataFrame([part_with()])
    profile.select("rows_in", "rows_valid", "rows_quarantined", "rule_counts").write_ipc(tmp_path / "profile.ipc")
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    environment = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHECKING + OTHERS],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    broken, loaded, *used = ran.stdout.splitlines()
    assert broken == "['share_shifted_license', 'share_too_many_fields']"
    assert loaded == "[]"
    assert used == ["2.0 altair", "True True"]
    assert "Calculating Metrics" not in ran.stderr
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "part-00000.parquet", "profile.ipc", "quarantined.parquet", "valid.parquet"
    ]  # fmt: skip
