"""Where the columns of a part's tables come from, as the UI and the lineage of columns say it."""

import dagster as dg
import polars as pl

from laion_assets.metadata.column_origins import quarantined_origins, validated_origins
from laion_assets.metadata.columns import OVERFLOW, map_columns
from laion_assets.metadata.rule import Rule
from laion_assets.metadata.rulebook import Rulebook, rulebook
from laion_assets.metadata.table_assets import column_lineage

PUBLISHED = {"img": pl.String(), "ALT": pl.String(), "W": pl.Int64(), "flags": pl.String(), OVERFLOW: pl.String()}
MAPPED = map_columns(PUBLISHED, {"url": ["IMG"]}, where="here")


def rule(name: str, breaks: str, severity: str) -> Rule:
    return Rule(name=name, reason="so", severity=severity, tolerance=0, breaks=breaks)  # type: ignore[arg-type]


def test_a_column_comes_from_the_published_one_that_was_matched() -> None:
    assert validated_origins(MAPPED, Rulebook(())) == {
        "url": {"img"},
        "caption": {"ALT"},
        "declared_width": {"W"},
        "flags_published": {"flags"},
        "flags": set(),
    }


def test_flags_come_from_what_rules_that_apply_look_at() -> None:
    book = Rulebook((
        rule("long", "caption_chars > 9", "flag"),
        rule("again", "repeats_url", "flag"),
        rule("tall", "declared_height > 9", "flag"),
        rule("narrow", "declared_width < 9", "quarantine"),
    ))  # fmt: skip
    assert validated_origins(MAPPED, book)["flags"] == {"ALT", "img"}


def test_reasons_come_from_all_that_a_value_can_be_lost_in_and_the_rest_is_as_published() -> None:
    assert quarantined_origins(MAPPED, rulebook()) == {
        "img": {"img"},
        "ALT": {"ALT"},
        "W": {"W"},
        "flags": {"flags"},
        "reasons": {"img", "ALT", "W"},
    }


def test_a_file_of_thousands_of_columns_or_with_endless_names_does_not_flood_the_event_log() -> None:
    origins = {"x" * 1_000_000: {"y"}, **{f"c{number}": {"y"} for number in range(5000)}, "none": set[str]()}
    lineage = column_lineage(dg.AssetKey("raw"), origins).deps_by_column
    assert lineage["c0"] == [dg.TableColumnDep(dg.AssetKey("raw"), "y")]
    assert len(lineage) == 200
    assert max(map(len, lineage)) < 200
