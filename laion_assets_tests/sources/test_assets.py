"""The asset ``raw_metadata``, materialised by Dagster from a real server."""

import hashlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.patience import Patience
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests import warm
from laion_assets_tests.sources.killed import materialise_part
from laion_assets_tests.sources.publisher import Fault, Publisher

KEY = dg.AssetKey(["laion_hr", "raw_metadata"])
PARTS = dg.DynamicPartitionsDefinition(name="laion_hr_parts")
PART, OTHER_PART = "part-00000", "part-00001"
CONTENT = {PART: b"PAR1" * 5000, OTHER_PART: b"PAR1" * 6000}
IMPATIENT = Patience(attempts=1, first_pause_s=0.0, longest_pause_s=0.01, silence_s=0.5)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}) as found:
        found.add_dynamic_partitions("laion_hr_parts", [PART, OTHER_PART, "part-00099"])
        yield found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(autouse=True)
def published(publisher: Publisher) -> None:
    for part, content in CONTENT.items():
        publisher.files[f"/{part}.parquet"] = content
    give_checksums(publisher)


def give_checksums(publisher: Publisher, **wrong: str) -> None:
    digests = {f"{part}.parquet": hashlib.sha256(content).hexdigest() for part, content in CONTENT.items()}
    lines = [f"{digest}  {name}" for name, digest in {**digests, **wrong}.items()]
    publisher.files["/SHA256SUMS"] = "\n".join(lines).encode()


def asset(publisher: Publisher, suffix: str = ".parquet") -> dg.AssetsDefinition:
    return raw_metadata(
        "laion_hr",
        source=SourceSpec(uri=f"{publisher.url}/part-{{00000..00001}}{suffix}"),
        parts=PARTS,
        group="laion_hr_metadata",
        patience=IMPATIENT,
    )


def materialise(
    raw: dg.AssetsDefinition, instance: dg.DagsterInstance, lake: Lake, part: str = PART
) -> dg.ExecuteInProcessResult:
    @dg.asset(deps=[raw], partitions_def=PARTS)
    def downstream() -> None:
        pass

    return dg.materialize(
        [raw, downstream],
        partition_key=part,
        instance=instance,
        resources={"lake": LakeResource(base_uri=lake.base_uri)},
        raise_on_error=False,
    )


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (found,) = result.asset_materializations_for_node("laion_hr__raw_metadata")
    return {name: value.value for name, value in found.metadata.items()}


def data_version_of(result: dg.ExecuteInProcessResult) -> str:
    (found,) = result.asset_materializations_for_node("laion_hr__raw_metadata")
    return (found.tags or {})["dagster/data_version"]


def checks_of(result: dg.ExecuteInProcessResult) -> list[tuple[bool, str | None]]:
    return [(check.passed, check.partition) for check in result.get_asset_check_evaluations()]


def events_of(result: dg.ExecuteInProcessResult, kind: str) -> list[dg.DagsterEvent]:
    return [event for event in result.all_events if event.event_type_value == kind]


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    (event,) = events_of(result, "STEP_FAILURE")
    assert [step.step_key for step in events_of(result, "STEP_START")] == ["laion_hr__raw_metadata"]
    data: Any = event.event_specific_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error.message)


def test_the_published_file_lies_in_the_lake_byte_for_byte(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    result = materialise(asset(publisher), instance, lake)
    assert result.success
    uri = lake.uri(KEY.path, f"{PART}.parquet")
    assert lake.read_bytes(uri) == CONTENT[PART]
    sha256 = hashlib.sha256(CONTENT[PART]).hexdigest()
    found = metadata_of(result)
    assert found.pop("seconds") >= 0
    assert found.pop("megabytes_per_second") >= 0
    assert found == {
        "dagster/uri": uri,
        "published_uri": f"{publisher.url}/{PART}.parquet",
        "revision": "",
        "etag": publisher.etag(f"/{PART}.parquet"),
        "sha256": sha256,
        "bytes": 20_000,
        "received_bytes": 20_000,
        "resumed_from_bytes": 0,
        "reused": False,
    }
    assert data_version_of(result) == sha256
    assert checks_of(result) == [(True, PART)]


def test_what_the_lake_holds_already_is_not_fetched_again(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    first = materialise(asset(publisher), instance, lake)
    publisher.seen.clear()
    second = materialise(asset(publisher), instance, lake)
    assert f"/{PART}.parquet" not in [seen.path for seen in publisher.gets()]
    assert (metadata_of(second)["reused"], metadata_of(second)["received_bytes"]) == (True, 0)
    assert data_version_of(first) == data_version_of(second)
    assert checks_of(second) == [(True, PART)]


def test_without_a_checksum_the_mark_of_last_time_decides(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    del publisher.files["/SHA256SUMS"]
    assert [metadata_of(materialise(asset(publisher), instance, lake))["reused"] for _ in range(2)] == [False, True]
    publisher.files[f"/{PART}.parquet"] = b"PAR2" * 5000
    result = materialise(asset(publisher), instance, lake)
    assert not metadata_of(result)["reused"]
    assert lake.read_bytes(lake.uri(KEY.path, f"{PART}.parquet")) == b"PAR2" * 5000
    assert data_version_of(result) == hashlib.sha256(b"PAR2" * 5000).hexdigest()


def test_a_copy_that_rotted_in_the_lake_is_fetched_anew(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    materialise(asset(publisher), instance, lake)
    uri = lake.uri(KEY.path, f"{PART}.parquet")
    lake.write_bytes(uri, b"PAR0" * 5000)
    assert not metadata_of(materialise(asset(publisher), instance, lake))["reused"]
    assert lake.read_bytes(uri) == CONTENT[PART]


def test_bytes_that_are_not_the_publishers_never_become_an_asset(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake, tmp_path: Path
) -> None:
    give_checksums(publisher, **{f"{PART}.parquet": "0" * 64})
    result = materialise(asset(publisher), instance, lake)
    assert f"arrived where the publisher gives {'0' * 64}" in failure_of(result)
    assert result.asset_materializations_for_node("laion_hr__raw_metadata") == []
    assert checks_of(result) == [(False, PART)]
    assert events_of(result, "STEP_UP_FOR_RETRY") == []
    assert [path for path in (tmp_path / "lake").rglob("*") if path.is_file()] == []
    assert materialise(asset(publisher), instance, lake, OTHER_PART).success


def test_a_failure_leaves_what_the_lake_had(publisher: Publisher, instance: dg.DagsterInstance, lake: Lake) -> None:
    materialise(asset(publisher), instance, lake)
    give_checksums(publisher, **{f"{PART}.parquet": "0" * 64})
    assert not materialise(asset(publisher), instance, lake).success
    assert lake.read_bytes(lake.uri(KEY.path, f"{PART}.parquet")) == CONTENT[PART]


def test_a_failure_of_the_moment_is_retried_by_dagster(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    raw = asset(publisher)
    publisher.faults = [Fault(status=200, body=publisher.files["/SHA256SUMS"]), Fault(drop_after=9000)]
    result = materialise(raw, instance, lake)
    assert result.success
    assert len(events_of(result, "STEP_UP_FOR_RETRY")) == 1
    assert metadata_of(result)["resumed_from_bytes"] == 9000
    assert metadata_of(result)["received_bytes"] == 11_000


def test_a_failure_that_lasts_ends_with_its_sentence(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    publisher.faults = [Fault(status=503)] * 99
    result = materialise(asset(publisher), instance, lake)
    assert len(events_of(result, "STEP_UP_FOR_RETRY")) == 3
    (event,) = events_of(result, "STEP_FAILURE")
    assert "busy or broken for the moment (HTTP 503)" in str(event.event_specific_data)


def test_a_source_that_asks_for_hours_is_left_alone(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    publisher.knows_head = False
    publisher.faults = [Fault(status=429, headers={"Retry-After": "7200"})] * 9
    result = materialise(asset(publisher), instance, lake)
    assert "(HTTP 429) and asks for a pause of 7200 s" in failure_of(result)
    assert events_of(result, "STEP_UP_FOR_RETRY") == []
    assert len(publisher.gets()) == 1


def test_a_killed_run_is_resumed_by_the_next(publisher: Publisher, instance: dg.DagsterInstance, lake: Lake) -> None:
    content = b"PAR1" * 1_000_000
    publisher.files[f"/{PART}.parquet"] = content
    publisher.files["/SHA256SUMS"] = f"{hashlib.sha256(content).hexdigest()}  {PART}.parquet".encode()
    publisher.bytes_per_s = 4e6
    process = warm.start(materialise_part, publisher.url, lake.base_uri)
    deadline = time.monotonic() + 60
    while publisher.body_bytes() < 2_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.kill() == -signal.SIGKILL
    assert lake.list_names(KEY.path) == []
    publisher.bytes_per_s = None
    found = metadata_of(materialise(asset(publisher), instance, lake))
    assert found["resumed_from_bytes"] > 1_000_000
    assert found["received_bytes"] == len(content) - found["resumed_from_bytes"]
    assert lake.read_bytes(lake.uri(KEY.path, f"{PART}.parquet")) == content


@pytest.mark.parametrize("part", [PART, "part-00099"])
def test_what_will_not_change_by_itself_is_not_retried(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake, part: str
) -> None:
    if part == PART:
        del publisher.files[f"/{PART}.parquet"]
    result = materialise(asset(publisher), instance, lake, part)
    words = "there is no such file (HTTP 404)" if part == PART else "no part 'part-00099' among the 2 published now"
    assert words in failure_of(result)
    assert events_of(result, "STEP_UP_FOR_RETRY") == []


def test_a_lake_that_refuses_is_a_failure_with_its_sentence(
    publisher: Publisher, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = materialise(asset(publisher), instance, Lake(str(tmp_path / "file" / "lake")))
    assert "cannot be written" in failure_of(result)


def test_a_part_that_changes_its_format_is_there_once(
    publisher: Publisher, instance: dg.DagsterInstance, lake: Lake
) -> None:
    materialise(asset(publisher), instance, lake)
    materialise(asset(publisher), instance, lake, OTHER_PART)
    for part in CONTENT:
        publisher.files[f"/{part}.tsv.gz"] = b"new"
    materialise(asset(publisher, ".tsv.gz"), instance, lake)
    assert lake.list_names(KEY.path) == [f"{PART}.tsv.gz", f"{OTHER_PART}.parquet"]


def test_the_definition_says_what_the_catalogue_shows(publisher: Publisher) -> None:
    raw = raw_metadata(
        "laion_hr",
        source=SourceSpec(uri="hf://datasets/laion/relaion-high-resolution/**/*.parquet"),
        parts=PARTS,
        group="laion_hr_metadata",
    )
    spec = raw.get_asset_spec(KEY)
    assert (spec.group_name, list(spec.owners), spec.kinds) == (
        "laion_hr_metadata",
        ["team:laion-assets"],
        {"huggingface", "parquet"},
    )
    assert spec.code_version == "1"
    (check,) = raw.check_specs
    assert (check.name, check.blocking, check.partitions_def) == ("published_bytes", True, PARTS)
    signed = raw_metadata("x", source=SourceSpec(uri=f"{publisher.url}/a.csv?key=secret"), parts=PARTS, group="g")
    assert "secret" not in str(signed.get_asset_spec())
