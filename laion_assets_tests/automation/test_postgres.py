"""A backfill against a real PostgreSQL server, and a daemon that is killed in the middle of it."""

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import dagster as dg
import psutil
import pytest
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy import text

from laion_assets.definitions import defs
from laion_assets.home import Home
from laion_assets.instance_storage import POSTGRES_VARIABLE, _prepared
from laion_assets.registration import datasets, register_parts
from laion_assets_tests.automation.deployment import Deployment, deployment, kill_with_children, publish_parts
from laion_assets_tests.automation.postgres import PASSWORD, Postgres, binaries, postgres

PROGRAMS = binaries()
PARTS = 32
AT_ONCE = 4
SLOTS = 2
RAW = dg.AssetKey(["laion_hr", "raw_metadata"])
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""

pytestmark = [
    pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL's server: apt-get install postgresql"),
    pytest.mark.timeout(1500),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    assert PROGRAMS is not None
    with postgres(PROGRAMS) as running:
        yield running


def test_one_variable_puts_runs_events_and_schedules_into_postgresql(
    server: Postgres, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, server.database())
    with dg.DagsterInstance.get() as instance:
        storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        assert {type(one).__module__.partition(".")[0] for one in storages} == {"dagster_postgres"}
        instance.add_dynamic_partitions("parts", ["p0"])
        assert "run_monitoring" in instance.info_str()
        assert PASSWORD not in instance.info_str(), "the settings page of the UI shows this"
    with dg.DagsterInstance.get() as instance:
        assert instance.get_dynamic_partitions("parts") == ["p0"]
    assert not (home.dagster_home / "history").exists()


@pytest.mark.usefixtures("home")
def test_connections_are_kept_and_those_that_died_replaced(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    address = server.database()
    monkeypatch.setenv(POSTGRES_VARIABLE, address)
    server.asked(f"ALTER DATABASE {address.rpartition('/')[2]} SET statement_timeout = '77s'")
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("parts", ["p0"])
        assert isinstance(instance.run_storage, SqlRunStorage)
        with instance.run_storage.connect() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "77s", "as whoever runs it set it"
        kept = server.connected(address)
        assert kept
        for _ in range(5):
            assert instance.has_dynamic_partition("parts", "p0")
        assert server.connected(address) == kept
        server.disconnect(address)
        assert instance.get_dynamic_partitions("parts") == ["p0"]
        assert instance.get_runs() == []
        assert not server.connected(address) & kept


@pytest.mark.usefixtures("home")
def test_an_instance_connects_when_it_is_used_and_makes_its_tables_once(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg2  # type: ignore[import-untyped]

    address = server.database()
    monkeypatch.setenv(POSTGRES_VARIABLE, address)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("parts", ["p0"])
        instance.report_runless_asset_event(dg.AssetMaterialization("made"))
    with mock.patch("psycopg2.connect", wraps=psycopg2.connect) as connect:
        with dg.DagsterInstance.get() as instance:
            assert connect.call_count == 0, "what is there is known"
            assert instance.get_dynamic_partitions("parts") == ["p0"]
            assert connect.call_count == 1
        _prepared.cache_clear()  # as in another process
        with dg.DagsterInstance.get() as instance:
            assert connect.call_count == 2, "looked at once for all three storages"
            assert instance.get_latest_materialization_event(dg.AssetKey("made"))
    with contextlib.closing(psycopg2.connect(address)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE jobs CASCADE")  # as if whoever made them had been stopped half way
    _prepared.cache_clear()
    with dg.DagsterInstance.get() as instance:
        assert instance.all_instigator_state() == []


def test_a_backfill_survives_a_power_cut_in_the_middle(
    server: Postgres, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        POSTGRES_VARIABLE: server.database(),
        "LAION_HR_SOURCE": publish_parts(tmp_path / "published", PARTS),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _look_sooner(home)
    with dg.DagsterInstance.get() as instance, deployment(home, environment) as deployed:
        [dataset] = [one for one in datasets(defs()) if one.name == "laion_hr"]
        parts = [part.key for part in register_parts(dataset, instance).parts]
        instance.event_log_storage.set_concurrency_slots("metadata", SLOTS)
        deployed.start_webserver()
        daemon = deployed.start_daemon()
        backfill = _launch(deployed, parts)

        deployed.wait_until(lambda: len(instance.get_materialized_partitions(RAW)) >= AT_ONCE)
        kill_with_children(daemon)
        cut = time.time()
        killed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]))
        assert len(instance.get_materialized_partitions(RAW)) < PARTS

        instance.event_log_storage.set_concurrency_slots("metadata", AT_ONCE)
        deployed.start_daemon()
        deployed.wait_until(lambda: _finished(instance, backfill), seconds=1200)

        assert instance.get_materialized_partitions(RAW) == set(parts)
        assert {path.stem for path in (home.lake / "laion_hr" / "raw_metadata").iterdir()} == set(parts)
        runs = instance.get_runs()
        assert all(run.is_finished for run in runs)
        # A run that was killed between its part and its end has nothing left to try again.
        given_up = {run.run_id for run in runs if run.status is not dg.DagsterRunStatus.SUCCESS}
        assert given_up <= {run.run_id for run in killed}
        assert Counter(run.status for run in runs)[dg.DagsterRunStatus.SUCCESS] >= PARTS - len(given_up)
        assert _most_at_once(instance, until=cut) == SLOTS, "the pool has fewer slots than runs may be under way"
        assert SLOTS < _most_at_once(instance, since=cut) <= AT_ONCE
        checked = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(RAW, "published_bytes"), limit=4 * PARTS
        )
        assert {one.partition for one in checked if one.status.value == "SUCCEEDED"} == set(parts)
        assert not [one for one in checked if one.status.value == "FAILED"]
        assert _fork_servers(deployed), "runs are forks of a process that has imported what runs import"


def _look_sooner(home: Home) -> None:
    settings = home.dagster_home / "dagster.yaml"
    text = settings.read_text()
    sooner = {"start_timeout_seconds: 180": "start_timeout_seconds: 45", "seconds: 30": "seconds: 2"}
    for setting, quick in sooner.items():
        assert setting in text
        text = text.replace(setting, quick)
    settings.write_text(text)


def _launch(deployed: Deployment, parts: list[str]) -> str:
    launched = deployed.ask(
        LAUNCH, params={"assetSelection": [{"path": RAW.path}], "partitionNames": parts, "tags": []}
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return str(launched["backfillId"])


def _finished(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    backfill = instance.get_backfill(backfill_id)
    assert backfill is not None
    return backfill.status.value.startswith(("COMPLETED", "FAILED", "CANCELED"))


def _fork_servers(deployed: Deployment) -> list[psutil.Process]:
    """The processes that runs are forked from; they last as long as their code server."""
    started = [psutil.Process(process.pid) for process in deployed.running if process.poll() is None]
    family = [child for one in started for child in one.children(recursive=True)]
    return [one for one in family if any("laion_assets.run_imports" in word for word in one.cmdline())]


def _most_at_once(instance: dg.DagsterInstance, *, since: float = 0.0, until: float = math.inf) -> int:
    """How many of the runs that left the queue in a span of time were ever out of it and not at their end in it."""
    moments = []
    for record in instance.get_run_records():
        left = instance.get_records_for_run(record.dagster_run.run_id, of_type=dg.DagsterEventType.RUN_STARTING).records
        for began in (one.event_log_entry.timestamp for one in left):
            if record.end_time and since <= began < until:
                moments += [(began, 1), (min(record.end_time, until), -1)]
    count = most = 0
    for _, change in sorted(moments):
        count += change
        most = max(most, count)
    return most
