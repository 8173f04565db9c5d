"""Every way to run a part: what its checks say then, and what is left when it is cancelled half-way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from laion_assets.definitions import defs
from laion_assets.home import Home
from laion_assets.pipeline import QUIET
from laion_assets_tests.automation.conftest import Toy, key
from laion_assets_tests.sources.publisher import Publisher, serve

CONTRACT = dg.AssetCheckKey(key("validated_metadata"), "contract")
RAW = dg.AssetKey(["laion_hr", "raw_metadata"])


def results(toy: Toy) -> dict[str | None, str]:
    """The contract's latest result per part."""
    found = toy.instance.event_log_storage.get_asset_check_execution_history(CONTRACT, limit=100)
    return {one.partition: one.status.value for one in reversed(found)}


def test_each_part_has_the_result_of_its_own_check(toy: Toy) -> None:
    toy.broken = {"p1"}
    outcomes = {part: toy.run("toy_parts", part).success for part in ("p0", "p1", "p2")}
    assert outcomes == {"p0": True, "p1": False, "p2": True}
    assert results(toy) == {"p0": "SUCCEEDED", "p1": "FAILED", "p2": "SUCCEEDED"}
    made = toy.instance.get_materialized_partitions(key("small", "rows"))
    assert made == {"p0", "p2"}, "a failed blocking check stops its part and no other"


def test_a_part_made_again_has_its_latest_result_and_the_others_keep_theirs(toy: Toy) -> None:
    toy.broken = {"p0", "p1"}
    for part in ("p0", "p1"):
        toy.run("toy_parts", part)
    toy.broken = set()
    toy.run("toy_parts", "p1")
    assert results(toy) == {"p0": "FAILED", "p1": "SUCCEEDED"}


def test_no_asset_lets_dagster_put_several_parts_into_one_run() -> None:
    for node in defs().resolve_asset_graph().asset_nodes:
        if node.is_partitioned:
            assert node.backfill_policy in (None, dg.BackfillPolicy.multi_run(1)), node.key


@pytest.mark.parametrize("job_name", ["laion_hr_parts", "laion_hr_vlm_1024_shards", "laion_hr_link_health"])
def test_a_run_over_a_range_of_parts_is_refused_and_stores_no_result(
    job_name: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAION_HR_SOURCE", str(home.folder))
    ends = ("2026-01-05", "2026-01-12") if job_name.endswith("health") else ("part-00000", "part-00001")
    job = defs().resolve_job_def(job_name)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("laion_hr_parts", ["part-00000", "part-00001"])
        tags = {ASSET_PARTITION_RANGE_START_TAG: ends[0], ASSET_PARTITION_RANGE_END_TAG: ends[1]}
        result = job.execute_in_process(instance=instance, tags=tags, run_config=dict(QUIET), raise_on_error=False)
        assert not result.success
        [first, *_] = [event for event in result.all_events if event.is_step_failure]
        error = first.step_failure_data.error
        assert error is not None
        while error.cause is not None:
            error = error.cause
        assert "range of partitions" in error.message
        assert not result.get_asset_materialization_events()
        stored = [
            record.status
            for check in job.asset_layer.asset_graph.asset_check_keys
            for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=10)
        ]
        assert set(stored) <= {AssetCheckExecutionRecordStatus.PLANNED}


@pytest.fixture
def slow() -> Iterator[Publisher]:
    """A publisher of one part that takes its time."""
    with serve(Publisher(files={"/part-00000.parquet": os.urandom(3_000_000)}, bytes_per_s=300_000)) as running:
        yield running


def test_a_cancelled_run_leaves_no_half_part_and_the_next_goes_on_where_it_ended(
    home: Home, slow: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAION_HR_SOURCE", f"{slow.url}/part-{{00000..00000}}.parquet")
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("laion_hr_parts", ["part-00000"])
        command = ["-m", "dagster", "asset", "materialize", "-m", "laion_assets.definitions"]
        choice = ["--select", "key:laion_hr/raw_metadata", "--partition", "part-00000"]
        with (home.folder / "run.log").open("wb") as log:
            run = subprocess.Popen([sys.executable, *command, *choice], stdout=log, stderr=log, cwd=home.folder)
        deadline = time.monotonic() + 120
        while not any(path.stat().st_size > 300_000 for path in home.lake.rglob("*.partial*")):
            assert run.poll() is None, (home.folder / "run.log").read_text()
            assert time.monotonic() < deadline, sorted(home.lake.rglob("*"))
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        run.wait(60)
        assert {one.status for one in instance.get_runs()} <= {
            dg.DagsterRunStatus.CANCELED,
            dg.DagsterRunStatus.FAILURE,
        }
        raw = home.lake / "laion_hr" / "raw_metadata"
        assert not [path for path in raw.glob("*.parquet") if path.is_file()]

        slow.bytes_per_s = None
        job = defs().resolve_job_def("laion_hr_parts")
        again = job.execute_in_process(
            instance=instance,
            partition_key="part-00000",
            asset_selection=[RAW],
            run_config=dict(QUIET),
        )
        [made] = again.get_asset_materialization_events()
        told = made.step_materialization_data.materialization.metadata
        assert int(str(told["resumed_from_bytes"].value)) > 300_000
        assert (raw / "part-00000.parquet").read_bytes() == slow.files["/part-00000.parquet"]
    assert not list(Path(home.lake).rglob("*.partial*"))
