"""The Dagster instance that ``dagster.yaml`` describes."""

import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.instance.config import PoolGranularity
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.tags import GRPC_INFO_TAG

from laion_assets.home import Home
from laion_assets.instance_storage import POSTGRES_VARIABLE, InstanceStorageError
from laion_assets.run_launcher import MISSED_ANSWERS, WatchedRunLauncher


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:  # noqa: ARG001 (it sets the environment)
    with dg.DagsterInstance.get() as found:
        yield found


def test_without_the_variable_everything_is_in_sqlite_in_dagster_home(instance: dg.DagsterInstance, home: Home) -> None:
    instance.add_dynamic_partitions("parts", ["p0"])
    assert (home.dagster_home / "history" / "runs" / "index.db").exists()
    assert isinstance(instance.run_storage, SqliteRunStorage)


def test_an_address_that_is_not_postgresql_s_is_refused_without_being_told(
    home: Home,  # noqa: ARG001 (it sets the environment)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, "mysql://root:secret@host/db")
    with pytest.raises(InstanceStorageError, match=f"{POSTGRES_VARIABLE} is not a PostgreSQL address") as caught:
        dg.DagsterInstance.get()
    assert "secret" not in str(caught.value)


def test_without_a_home_and_without_the_variable_it_says_what_to_set(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")
    with pytest.raises(InstanceStorageError, match="Set DAGSTER_HOME"):
        dg.DagsterInstance.from_config(str(home.dagster_home))


def test_one_run_at_a_time_has_a_pool_unless_more_are_allowed_and_killed_runs_are_looked_for(
    instance: dg.DagsterInstance,
) -> None:
    settings = instance.get_concurrency_config()
    assert settings.pool_config.default_pool_limit == 1
    assert settings.pool_config.pool_granularity is PoolGranularity.RUN
    assert settings.run_queue_config is not None
    assert settings.run_queue_config.max_concurrent_runs == 4
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled


def started(
    instance: dg.DagsterInstance, *, tags: dict[str, str] | None = None, pid: int | None = None
) -> dg.DagsterRun:
    """A run that counts as started, by a process that said so."""
    run = dg.DagsterRun("job", status=dg.DagsterRunStatus.STARTED, tags=tags or {})
    instance.add_run(run)
    if pid is not None:
        from dagster._core.events import EngineEventData

        instance.report_engine_event("Executing steps in process", run, EngineEventData.in_process(pid))
    return run


def launcher_of(instance: dg.DagsterInstance) -> WatchedRunLauncher:
    launcher = instance.run_launcher
    assert isinstance(launcher, WatchedRunLauncher)
    return launcher


def test_a_run_whose_process_is_there_is_left_alone(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = started(instance, pid=process.pid)
        found = launcher_of(instance).check_run_worker_health(run)
        process.kill()
    assert found.status is WorkerStatus.RUNNING


def test_a_run_whose_process_was_killed_is_found_dead(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = started(instance, pid=process.pid)
        process.kill()
    found = launcher_of(instance).check_run_worker_health(run)
    assert found.status is WorkerStatus.FAILED
    assert f"its process {process.pid} is gone" in str(found.msg)


def test_another_process_with_the_number_of_a_dead_one_does_not_count(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = started(instance, pid=1 << 22)
        launcher = launcher_of(instance)
        monkeypatch.setattr(launcher, "_process", lambda _: (process.pid, 0.0))  # it spoke in 1970
        found = launcher.check_run_worker_health(run)
        process.kill()
    assert found.status is WorkerStatus.FAILED


def test_a_machine_that_does_not_answer_is_given_several_chances(instance: dg.DagsterInstance) -> None:
    run = started(instance, tags={GRPC_INFO_TAG: '{"host": "127.0.0.2", "port": 1}'})
    launcher = launcher_of(instance)
    seen = [launcher.check_run_worker_health(run).status for _ in range(MISSED_ANSWERS)]
    assert seen == [WorkerStatus.RUNNING] * (MISSED_ANSWERS - 1) + [WorkerStatus.FAILED]
