"""The assets in Dagster: what is materialised, what is said about it, and what a damaged part stops."""

import shutil
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from laion_assets.lake.lake import Lake
from laion_assets.metadata.assets import metadata_assets, published_uri
from laion_assets.metadata.errors import MetadataError
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.sketch import sketches_of
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec
from laion_assets_tests.metadata.conftest import rows
from laion_assets_tests.metadata.on_dagster import (
    KEYS,
    PARTS,
    SEED,
    Platform,
    asset_key,
    check_of,
    metadata_of,
    platform,
    sound_part,
)

__all__ = ["platform"]

_EVIL = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) | **b**"


def _origins(said: dict[str, Any]) -> dict[str, list[str]]:
    """Columns of the published file per column that is made of them."""
    lineage: dg.TableColumnLineage = said["dagster/column_lineage"]
    assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {asset_key("raw_metadata")}
    return {name: [dep.column_name for dep in deps] for name, deps in lineage.deps_by_column.items()}


def _records(table: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (what a metadata value holds)
    return [dict(record.data) for record in table.records]


def test_one_step_makes_all_three_tables_of_a_part(platform: Platform) -> None:
    frame = pl.concat([sound_part(0), rows({"URL": None, "TEXT": _EVIL}, {"punsafe": None, "LANGUAGE": _EVIL})])
    platform.publish(KEYS[0], frame)
    result = platform.run(KEYS[0])
    assert result.success
    assert platform.files() == [
        "metadata_profile/contract/part-00000.html",
        "metadata_profile/part-00000.parquet",
        "quarantined_metadata/part-00000.parquet",
        "sample_sketch/part-00000.parquet",
        "validated_metadata/part-00000.parquet",
    ]
    valid = pl.read_parquet(platform.folder / "validated_metadata" / "part-00000.parquet")
    assert valid.schema == pl.Schema(VALIDATED_SCHEMA)
    assert set(valid.get_column("part")) == {"part-00000"}

    said = metadata_of(result, "validated_metadata")
    assert (said["dagster/partition_row_count"], said["rows_in"]) == (501, 502)
    assert said["share_flagged"] == pytest.approx(1 / 501)
    assert said["size_bytes"] == (platform.folder / "validated_metadata" / "part-00000.parquet").stat().st_size
    quarantined = metadata_of(result, "quarantined_metadata")
    assert quarantined["dagster/partition_row_count"] == 1
    assert _origins(said)["caption"] == ["TEXT"]
    assert _origins(said)["flags"] == ["HEIGHT", "TEXT", "URL", "WIDTH", "punsafe", "pwatermark", "similarity"]
    assert _origins(quarantined)["TEXT"] == ["TEXT"]
    profiled = metadata_of(result, "metadata_profile")
    assert profiled["rules_not_applicable"] == "shifted_license, too_many_fields"
    assert {"name": "h0.example", "rows": 72, "share": 72 / 501} in _records(profiled["hosts"])
    assert {"name": "punsafe", "rows": 1, "share": 1 / 501} in _records(profiled["nulls"])
    assert [one for one in _records(profiled["nulls_by_language"]) if one["column"] == "punsafe"] == [
        {"language": "en", "column": "punsafe", "rows": 500, "share null": 0.0},
        {"language": _EVIL[:60], "column": "punsafe", "rows": 1, "share null": 1.0},
    ]
    accounting = check_of(result, "row_accounting")
    assert accounting.passed
    assert {key: value.value for key, value in accounting.metadata.items()} == {
        "rows_in": 502, "rows_valid": 501, "rows_quarantined": 1, "rows_unaccounted": 0
    }  # fmt: skip


def test_the_sketch_of_a_part_is_of_the_seed_of_its_dataset_and_of_the_file_that_is_there(platform: Platform) -> None:
    lake = Lake(str(platform.folder.parent))
    platform.publish(KEYS[0], sound_part(0, n=3000))
    assert platform.run(KEYS[0], "tables").success
    assert sketches_of(lake, "laion_hr", KEYS[:1], seed=0) == {}
    (sketch,) = sketches_of(lake, "laion_hr", KEYS[:1], seed=SEED).values()
    first = sketch.rows.collect()
    platform.publish(KEYS[0], sound_part(0, n=2900))
    assert platform.run(KEYS[0], "tables").success
    (sketch,) = sketches_of(lake, "laion_hr", KEYS[:1], seed=SEED).values()
    assert sketch.valid_rows == 2900
    assert sketch.rows.collect()["row"].to_list() == first.filter(pl.col("row") < 2900)["row"].to_list()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html><title>Sign in</title></html>", "an HTML or XML page came in place of parquet"),
        (b"PAR1" + bytes(100), "the parquet file is cut off after 104 bytes"),
        (b"", "the file is empty, 0 bytes"),
        (rows({}).clear(), "the file has its columns but zero rows"),
        (rows({}).rename({"URL": "adresse"}), "no column for 'url' (looked for 'url' or 'image_url'"),
        (
            rows({}).with_columns(WIDTH=pl.lit([1, 2])),
            "column 'WIDTH' is List(Int64), which cannot be",
        ),
        (None, "laion_hr/raw_metadata of part-00001 is not in the lake"),
    ],
)
def test_a_damaged_part_fails_with_one_sentence_and_leaves_others_alone(
    platform: Platform, content: pl.DataFrame | bytes | None, sentence: str
) -> None:
    platform.publish(KEYS[0], sound_part(0))
    platform.publish(KEYS[1], b"" if content is None else content)
    if content is None:
        (platform.raw / "part-00001.parquet").unlink()
    assert platform.run(KEYS[0]).success
    result = platform.run(KEYS[1])
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    cause = failure.step_failure_data.user_failure_data
    assert cause is not None
    assert sentence in str(cause.description)
    assert "part-00001" in str(cause.description)
    if content is not None:
        assert str(cause.description).startswith("part-00001.parquet (part-00001): ")
    assert "\n" not in str(cause.description)
    assert not any("part-00001" in name for name in platform.files())
    assert result.get_asset_materialization_events() == []


@pytest.mark.parametrize("refused", ["validated_metadata", "metadata_profile"])
def test_a_lake_that_cannot_be_written_is_one_sentence_too(platform: Platform, refused: str) -> None:
    platform.publish(KEYS[0], sound_part(0, 10))
    (platform.folder / refused).write_text("a file where a folder should be")
    result = platform.run(KEYS[0], "tables")
    failure = next(event for event in result.all_events if event.is_step_failure)
    cause = failure.step_failure_data.user_failure_data
    assert cause is not None
    assert f"{refused}/part-00000.parquet: cannot be written (" in str(cause.description)
    assert "\n" not in str(cause.description)
    assert "validated_metadata/part-00000.parquet" not in platform.files(), "it would vouch for what is not there"


def test_nothing_a_stranger_wrote_reaches_the_event_log_as_markup(platform: Platform) -> None:
    frame = pl.concat([sound_part(0), rows({"TEXT": _EVIL, "LANGUAGE": _EVIL, "URL": "http://evil.example/<b>"})])
    platform.publish(KEYS[0], frame.with_columns(pl.lit(_EVIL).alias("NSFW")))
    result = platform.run(KEYS[0])
    said = [event.materialization.metadata for event in result.get_asset_materialization_events()]
    said += [check.metadata for check in result.get_asset_check_evaluations()]
    kinds = {type(value).__name__ for metadata in said for value in metadata.values()}
    assert "TableMetadataValue" in kinds
    assert "MarkdownMetadataValue" not in kinds
    assert "javascript:" not in (platform.folder / "metadata_profile/contract/part-00000.html").read_text()


def test_the_same_part_has_the_same_data_version_and_another_one_another(platform: Platform) -> None:
    def versions() -> dict[str, str]:
        events = platform.run(KEYS[0], "tables").get_asset_materialization_events()
        tags = {event.asset_key.path[-1]: event.materialization.tags or {} for event in events if event.asset_key}
        return {name: tag["dagster/data_version"] for name, tag in tags.items()}

    def tables() -> dict[str, bytes]:
        return {name: (platform.folder / name).read_bytes() for name in platform.files() if name.endswith("parquet")}

    platform.publish(KEYS[0], sound_part(0))
    first, bytes_before = versions(), tables()
    assert set(first) == {"validated_metadata", "quarantined_metadata", "metadata_profile"}
    assert versions() == first
    assert tables() == bytes_before
    platform.publish(KEYS[0], sound_part(0, n=499))
    changed = {name for name, version in versions().items() if version != first[name]}
    assert changed == {"validated_metadata", "metadata_profile"}, "nothing was quarantined before or after"


def test_what_is_downstream_of_an_unchanged_part_is_not_stale(platform: Platform) -> None:
    def status() -> StaleStatus:
        resolver = CachingStaleStatusResolver(
            platform.instance, platform.defs.resolve_asset_graph(), LoadingContextForTest(platform.instance)
        )
        return resolver.get_status(asset_key("rows"), KEYS[0])

    platform.publish(KEYS[0], sound_part(0))
    assert platform.run(KEYS[0], "tables").success
    assert platform.run(KEYS[0], "rows").success
    assert status() == StaleStatus.FRESH
    assert platform.run(KEYS[0], "tables").success
    assert status() == StaleStatus.FRESH, "made again, with the same bytes"
    platform.publish(KEYS[0], sound_part(0, n=499))
    assert platform.run(KEYS[0], "tables").success
    assert status() == StaleStatus.STALE


def test_changing_a_rule_changes_the_code_version() -> None:
    def version(rules: RulesSpec) -> str | None:
        assets = metadata_assets(
            "d", columns={}, expectations=ExpectationsSpec(), rules=rules, sample_seed=0, parts=PARTS, group="g"
        )[0]
        return assets.code_versions_by_key[dg.AssetKey(["d", "validated_metadata"])]

    assert version(RulesSpec()) == version(RulesSpec())
    assert version(RulesSpec()) != version(RulesSpec(switch_off=["caption_is_url"]))


def test_text_parts_are_found_by_their_key(platform: Platform) -> None:
    platform.publish("part-00000.old", b"broken", ending="parquet")
    platform.publish("part-00000.old", b"broken", ending="csv")
    platform.publish("part-000000", b"broken", ending="tsv")
    platform.publish(KEYS[0], b"url\ttext\nhttp://a/1\tone\n", ending="tsv")
    result = platform.run(KEYS[0])
    assert metadata_of(result, "validated_metadata")["dagster/partition_row_count"] == 1


@pytest.mark.parametrize("ending", ["csv.bz2", "parquet.gz", "data"])
def test_a_part_of_a_kind_that_is_not_read_is_not_called_missing(platform: Platform, ending: str) -> None:
    platform.publish(KEYS[0], b"BZh9", ending=ending)
    sentence = rf"^part-00000\.{ending} \(part-00000\): a file with this ending is not read\. Publish it as \.parquet"
    with pytest.raises(MetadataError, match=sentence):
        published_uri(Lake(str(platform.folder.parent)), "laion_hr", KEYS[0])


def test_duplicates_across_parts_are_listed_once_for_all_parts_in_the_lake(platform: Platform) -> None:
    for number, key in enumerate(KEYS):
        platform.publish(key, pl.concat([sound_part(number, 50), rows({"URL": "http://everywhere.example/x"})]))
        assert platform.run(key, "tables").success
    result = platform.run(None, "duplicates")
    assert result.success
    said = metadata_of(result, "duplicate_urls")
    assert (said["urls"], said["url_rows"], said["extra_url_rows"], said["parts"], said["rows"]) == (1, 3, 2, 3, 153)
    listed = pl.read_parquet(platform.folder / "duplicate_urls" / "duplicate_urls.parquet")
    assert listed.get_column("part").to_list() == KEYS
    shutil.rmtree(platform.folder / "validated_metadata")
    empty = platform.run(None, "duplicates")
    assert not empty.success
