"""Dagster's records in SQLite: the same files as Dagster's own classes make, with less ado."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from laion_assets import sqlite_storage

KEPT = ("laion_assets.sqlite_storage", "SqliteStorage")
DAGSTERS = ("dagster._core.storage.sqlite_storage", "DagsterSqliteStorage")


@contextmanager
def opened(folder: Path, made_by: tuple[str, str] = KEPT) -> Iterator[dg.DagsterInstance]:
    folder.mkdir(exist_ok=True)
    module, name = made_by
    storage = {"module": module, "class": name, "config": {"base_dir": str(folder)}}
    with dg.DagsterInstance.local_temp(
        str(folder), overrides={"telemetry": {"enabled": False}, "storage": {"custom": storage}}
    ) as instance:
        yield instance


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(["a", "b", "c"]), check_specs=[dg.AssetCheckSpec("even", asset="rows")]
)
def rows(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg] # with it, Dagster wants a tuple
    count = ord(context.partition_key)
    check = dg.AssetCheckResult(check_name="even", passed=count % 2 == 0, metadata={"rows": count})
    return dg.MaterializeResult(metadata={"rows": count}, check_results=[check])


def materialise(instance: dg.DagsterInstance, part: str) -> str:
    return dg.materialize([rows], partition_key=part, instance=instance).run_id


def known(instance: dg.DagsterInstance) -> tuple[object, ...]:
    """What an instance says of its runs, their events, the parts that are made, and their checks."""
    runs = instance.get_runs()
    events = instance.fetch_materializations(dg.AssetKey("rows"), limit=100).records
    [check] = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("rows"), "even"), limit=1
    )
    return (
        [(run.run_id, run.status, [event.message for event in instance.all_logs(run.run_id)]) for run in runs],
        [(event.partition_key, event.run_id) for event in events],
        (check.run_id, check.status),
        instance.get_materialized_partitions(dg.AssetKey("rows")),
    )


@pytest.mark.parametrize("order", [(DAGSTERS, KEPT), (KEPT, DAGSTERS)], ids=["theirs first", "ours first"])
def test_each_goes_on_with_what_the_other_made(tmp_path: Path, order: Sequence[tuple[str, str]]) -> None:
    first, second = order
    with opened(tmp_path, first) as instance:
        materialise(instance, "a")
        by_first = known(instance)
    with opened(tmp_path, second) as instance:
        assert known(instance) == by_first
        materialise(instance, "b")
        by_second = known(instance)
    with opened(tmp_path, first) as instance:
        assert known(instance) == by_second
        assert instance.get_materialized_partitions(dg.AssetKey("rows")) == {"a", "b"}


def test_every_file_is_marked_with_dagster_s_newest_revision(tmp_path: Path) -> None:
    with opened(tmp_path) as instance:
        run = materialise(instance, "a")
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            assert storage is not None
            found, newest = storage.alembic_version()  # type: ignore[misc] # a pair where there is one
            assert found == newest is not None
        with instance.event_log_storage.run_connection(run) as connection:  # type: ignore[attr-defined] # SQLite's
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == newest


def test_files_stay_open_until_the_instance_is_left(tmp_path: Path) -> None:
    """SQLite empties its log into a file, and removes it, when the last one closes the file."""
    with opened(tmp_path) as instance:
        run = materialise(instance, "a")
        held = {str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
        assert {str(tmp_path / "history" / name) for name in ("runs.db", "runs/index.db")} <= held
        assert str(tmp_path / "history" / "runs" / f"{run}.db") not in held
    assert list(tmp_path.rglob("*.db-wal")) == []


def test_who_watches_a_run_is_told_of_what_another_writes(tmp_path: Path) -> None:
    told = threading.Event()
    with opened(tmp_path) as watching, opened(tmp_path) as writing:
        run = materialise(writing, "a")
        before = len(writing.all_logs(run))
        watching.watch_event_logs(run, None, lambda event, _: told.set() if event.message == "and on" else None)
        writing.report_engine_event("and on", writing.get_run_by_id(run))
        assert told.wait(30)
        assert len(watching.all_logs(run)) == before + 1


def test_several_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Of events that belong to no run, which all go to one file: each finds it missing, and makes it."""

    def write(start: threading.Barrier) -> None:
        with opened(tmp_path) as mine:
            start.wait(30)
            for part in ("a", "b", "c"):
                mine.report_runless_asset_event(dg.AssetMaterialization("rows", partition=part))

    with opened(tmp_path) as instance, ThreadPoolExecutor(4) as several:
        for _ in several.map(write, [threading.Barrier(4)] * 4):
            pass
        assert len(instance.fetch_materializations(dg.AssetKey("rows"), limit=100).records) == 12
    folder = tmp_path / "history" / "runs"
    with closing(sqlite3.connect(folder / ".db")) as file:
        assert file.execute("SELECT count(*) FROM event_logs").fetchone() == (12,)
    assert {path.name for path in folder.iterdir()} == {".db", "index.db"}


@pytest.mark.parametrize("barred", ["no links", "a full disk", "no room for scratch files"])
def test_where_the_short_way_is_barred_dagster_s_own_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, barred: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(barred)

    with opened(tmp_path) as instance:
        if barred == "no links":
            monkeypatch.setattr(Path, "hardlink_to", fails)
        elif barred == "a full disk":
            monkeypatch.setattr("os.fsync", fails)
        else:
            monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
            sqlite_storage._no_events.cache_clear()
        run = materialise(instance, "a")
        assert len(instance.all_logs(run)) > 5
    assert {path.name for path in (tmp_path / "history" / "runs").iterdir()} == {f"{run}.db", "index.db"}


def test_the_log_of_a_file_that_is_gone_is_not_read_into_the_next(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as instance:
        materialise(instance, "a")
        [run] = instance.get_runs()
        file = tmp_path / "one" / "history" / "runs" / f"{run.run_id}.db"
        with closing(sqlite3.connect(file)) as reader:
            reader.execute("SELECT count(*) FROM event_logs").fetchone()
            instance.report_engine_event("old", run)
            old = Path(f"{file}-wal").read_bytes()
    assert old

    with opened(tmp_path / "two") as instance:
        file = tmp_path / "two" / "history" / "runs" / file.name
        Path(f"{file}-wal").write_bytes(old)
        instance.report_engine_event("new", run)
        assert [event.message for event in instance.all_logs(run.run_id)] == ["new"]
    with closing(sqlite3.connect(file)) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
