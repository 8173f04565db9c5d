"""Runs, events and schedules in SQLite as Dagster keeps them, with its engines and open files kept.

Dagster's own classes make an engine for whatever they ask or write, some thousand times in the run of a part: nothing
of what SQLAlchemy has compiled is there the next time, every query reads the schema again, and the last one to close a
file empties its log into it. And they read all of alembic's ninety revisions to mark a file that they have just made,
and again, in every process, to see that it is marked. It was more than half of what Dagster costs a run.
"""

import contextlib
import functools
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as db
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool


class SqliteStorage(DagsterSqliteStorage):
    """All three in one folder. What Dagster's own class made, this one goes on with, and the other way round."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Past the class that would make the storages which these are in place of.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = _Runs.from_local(_runs_directory(base_dir))
        self._event_log_storage = _Events(_event_logs_directory(base_dir))
        self._schedule_storage = _Schedules.from_local(_schedule_directory(base_dir))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SqliteStorage":
        """As ``dagster.yaml`` and overrides of an instance name it: ``{"base_dir": folder}``."""
        return cls.from_local(inst_data=inst_data, **config_value)


class _OneFile:
    """What Dagster keeps in one file."""

    name: ClassVar[str]
    _conn_string: str

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Any:  # noqa: ANN401 (either)
        Path(base_dir).mkdir(parents=True, exist_ok=True)
        address = create_db_conn_string(base_dir, cls.name)
        if _is_marked(_closing(address)):
            return cls(address, inst_data)  # type: ignore[call-arg] # Dagster's class, which follows in both of these
        return super().from_local(base_dir, inst_data)  # type: ignore[misc]

    @functools.cached_property
    def _engine(self) -> Engine:
        return _closing(self._conn_string)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection


class _Schedules(_OneFile, SqliteScheduleStorage):
    """Asked for seldom, and never told that nobody will ask any more: its file is closed after each use."""

    name = "schedules"


class _Runs(_OneFile, SqliteRunStorage):
    name = "runs"

    @functools.cached_property
    def _engine(self) -> Engine:
        return _open(self._conn_string)

    def dispose(self) -> None:
        self._engine.dispose()


class _Events(SqliteEventLogStorage):
    """Events of each run in a file of its own, and in one for all of them what is asked across runs."""

    @functools.cached_property
    def _index(self) -> Engine:
        return _open(self.conn_string_for_shard(INDEX_SHARD_NAME))

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._index if shard == INDEX_SHARD_NAME else _closing(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                _make_unless_there(Path(self.path_for_shard(shard)))
                if not _is_marked(engine):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def dispose(self) -> None:
        super().dispose()
        self._index.dispose()


def _open(address: str) -> Engine:
    """An engine that keeps its file open between one use and the next."""
    return db.create_engine(
        address,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
    )


@functools.lru_cache(maxsize=16)
def _closing(address: str) -> Engine:
    """An engine that closes its file after each use: the UI follows a run by changes to the file, not to its log."""
    return db.create_engine(address, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


def _is_marked(engine: Engine) -> bool:
    """Whether a file says which revision it has: such a file needs nothing more, unless it is years old."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() is not None


def _make_unless_there(path: Path) -> None:
    """A file for the events of a run, whole from its first moment on, whoever else has the same idea."""
    if path.exists() or path.with_name(f"{path.name}-wal").exists():
        return  # a log that is left of a file would be read into ours
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    # Somebody else was first, the disk is full, there are no links here: Dagster then does it its own way, or fails.
    with contextlib.suppress(OSError, SQLAlchemyError):
        try:
            new.touch(mode=0o644, exist_ok=False)  # as SQLite does
            with new.open("wb") as file:
                file.write(_no_events())
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(new)
        finally:
            new.unlink(missing_ok=True)


@functools.cache
def _no_events() -> bytes:
    """A file with the tables of events and nothing in them, marked with Dagster's newest revision."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        engine = _closing(f"sqlite:///{made}")
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            SqlEventLogStorageMetadata.create_all(connection)
            revisions = ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))
            MigrationContext.configure(connection).stamp(revisions, "head")
        return made.read_bytes()
