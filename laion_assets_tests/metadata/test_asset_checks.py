"""The checks in Dagster: where their results are, what they show, and what they block."""

import json
import urllib.request
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.pages import serve_pages
from laion_assets.metadata.assets import _row_accounting
from laion_assets_tests.metadata.conftest import rows
from laion_assets_tests.metadata.on_dagster import (
    KEYS,
    Platform,
    asset_key,
    check_of,
    metadata_of,
    platform,
    sound_part,
)

__all__ = ["platform"]


@pytest.mark.parametrize(("valid", "quarantined", "unaccounted"), [(4, 1, 0), (4, 0, 1), (5, 1, -1)])
def test_rows_lost_or_counted_twice_fail_the_accounting(valid: int, quarantined: int, unaccounted: int) -> None:
    check = _row_accounting({"rows_in": 5}, valid, quarantined)
    assert check.passed is (unaccounted == 0)
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["rows_unaccounted"].value == unaccounted
    assert check.description == f"of 5 rows read {valid} are valid and {quarantined} quarantined"


def test_all_checks_of_a_part_are_stored_for_its_partition(platform: Platform) -> None:
    platform.publish(KEYS[0], sound_part(0))
    result = platform.run(KEYS[0])
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert set(found) == {
        "row_accounting", "contract", "below_1024_declared", "positional_union", "url_caption_hash", "swapped_sizes",
        "part_drift",
    }  # fmt: skip
    assert all(one.passed for one in found.values())
    assert {name for name, one in found.items() if one.blocking} == {"row_accounting", "contract"}
    assert found["url_caption_hash"].metadata["rows_looked_at"].value == 500
    assert found["swapped_sizes"].metadata["agreeing"].value == 500
    assert found["below_1024_declared"].description == "0 of 500 rows declare a side below 1,024 px"
    assert {one.partition for name, one in found.items() if name != "part_drift"} == {KEYS[0]}
    table = found["contract"].metadata["expectations"]
    assert isinstance(table, dg.TableMetadataValue)
    assert len(table.records) == 33


def test_the_data_docs_open_from_a_link_in_the_asset_and_in_its_check(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with dg.DagsterInstance.ephemeral() as instance, serve_pages(Lake(str(lake))) as address:
        platform = Platform(lake, instance, pages_url=address)
        platform.publish(KEYS[0], sound_part(0))
        result = platform.run(KEYS[0])
        links = [
            check_of(result, "contract").metadata["data_docs"],
            dg.MetadataValue.url(str(metadata_of(result, "validated_metadata")["data_docs"])),
        ]
        for link in links:
            assert isinstance(link, dg.UrlMetadataValue)
            with urllib.request.urlopen(str(link.value), timeout=60) as page:  # noqa: S310 (ours, on loopback)
                assert "share_url_missing" in page.read().decode()


def test_a_broken_contract_blocks_what_is_downstream_of_its_part_and_no_other(platform: Platform) -> None:
    platform.publish(KEYS[0], pl.concat([sound_part(0), rows(*({"HEIGHT": None} for _ in range(100)))]))
    platform.publish(KEYS[1], sound_part(1))
    bad, good = platform.run(KEYS[0]), platform.run(KEYS[1])
    assert not bad.success
    assert good.success
    contract = check_of(bad, "contract")
    assert not contract.passed
    assert contract.severity == dg.AssetCheckSeverity.ERROR
    assert contract.description == "share_height_missing is 0.166667"
    assert check_of(bad, "part_drift").description == "no part is in the lake whose contract is met"
    assert asset_key("rows") not in {event.asset_key for event in bad.get_asset_materialization_events()}
    assert asset_key("rows") in {event.asset_key for event in good.get_asset_materialization_events()}


def test_rows_below_the_minimum_are_shown_and_block_nothing(platform: Platform) -> None:
    platform.publish(KEYS[0], pl.concat([sound_part(0), rows({"WIDTH": 1000})]))
    result = platform.run(KEYS[0])
    assert result.success
    finding = check_of(result, "below_1024_declared")
    assert not finding.passed
    assert finding.severity == dg.AssetCheckSeverity.WARN
    assert finding.metadata["rows_below_minimum"].value == 1


def test_drift_is_seen_once_a_part_differs(platform: Platform) -> None:
    for number, key in enumerate(KEYS):
        frame = sound_part(number)
        platform.publish(key, frame if number < 2 else frame.with_columns(LANGUAGE=pl.lit("de")))
    assert platform.run(KEYS[0], "tables").success
    assert check_of(platform.run(KEYS[1]), "part_drift").passed
    result = platform.run(KEYS[2])
    drift = check_of(result, "part_drift")
    assert not drift.passed
    assert drift.description is not None
    assert drift.description.startswith("1 of 3 parts differ from the others beyond chance: part-00002 (language)")
    assert result.success, "drift is shown and does not block"
    json.dumps({key: str(value.value) for key, value in drift.metadata.items()})
