"""Where the Dagster instance keeps runs, events and schedules: PostgreSQL if a variable names one, else SQLite.

``dagster.yaml`` names this class, so one file serves both: a laptop sets nothing, a server sets one variable. The
address with its password stays in the environment: it is in no file, and the UI shows the name of this class instead.
"""

import functools
import os
import sqlite3
from typing import cast

from dagster._config import Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from laion_assets.sqlite_storage import SqliteStorage

POSTGRES_VARIABLE = "LAION_ASSETS_POSTGRES"
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
_RECYCLED_S = 3600
# The tables that Dagster's storages look for, the last one made last; and how long a statement may take.
_LOOK = """
SELECT setting, to_regclass('runs') IS NOT NULL AND to_regclass('instance_info') IS NOT NULL
  AND to_regclass('event_logs') IS NOT NULL AND to_regclass('jobs') IS NOT NULL
FROM pg_settings WHERE name = 'statement_timeout'
"""


class InstanceStorageError(ValueError):
    """The storage that the environment asks for cannot be had."""


class InstanceStorage(DagsterSqliteStorage):
    """Named in ``dagster.yaml`` under ``storage: custom``; makes the storage that the environment asks for."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The folder of SQLite's files; `DAGSTER_HOME` unless given."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(  # type: ignore[override] # either storage, as the environment says
        cls, inst_data: ConfigurableClassData, config_value: dict[str, str]
    ) -> DagsterStorage:
        """SQLite's storage, or PostgreSQL's.

        Raises:
            InstanceStorageError: neither can be had, and why.
        """
        if url := os.environ.get(POSTGRES_VARIABLE, "").strip():
            return _postgres(url, inst_data)
        folder = config_value.get("base_dir") or os.environ.get("DAGSTER_HOME")
        if not folder:
            raise InstanceStorageError(
                f"neither DAGSTER_HOME nor {POSTGRES_VARIABLE} is set. Set DAGSTER_HOME to the folder of dagster.yaml."
            )
        return SqliteStorage.from_local(folder, inst_data=inst_data)


def _postgres(url: str, inst_data: ConfigurableClassData) -> DagsterStorage:
    scheme, _, address = url.partition("://")
    if scheme not in _SCHEMES or not address:
        raise InstanceStorageError(
            f"{POSTGRES_VARIABLE} is not a PostgreSQL address. Give postgresql://user:password@host:5432/database."
        )
    try:
        from dagster_postgres.storage import DagsterPostgresStorage
    except ImportError:
        raise InstanceStorageError(
            f"{POSTGRES_VARIABLE} is set and dagster-postgres is not installed. "
            "Install it: pip install -c constraints.txt 'laion-assets[postgres]'."
        ) from None
    # Without a driver in its name the address means psycopg 3 to newer SQLAlchemy; dagster-postgres brings psycopg 2.
    driven = f"postgresql+psycopg2://{address}"
    allowed_ms = _prepared(driven)
    storage = DagsterPostgresStorage(driven, should_autocreate_tables=False, inst_data=inst_data)
    _hold_connections(storage, allowed_ms)
    return storage


@functools.cache
def _prepared(address: str) -> int:
    """See to it that a database has Dagster's tables; returns how many ms it allows a statement, 0 for any number.

    Dagster looks for them each time an instance is opened, three times each, in a connection of its own; and for a run
    an instance is opened by daemon, code server and run.
    """
    from dagster_postgres.storage import DagsterPostgresStorage

    storage = DagsterPostgresStorage(address, should_autocreate_tables=False)
    with cast("SqlRunStorage", storage.run_storage).connect() as connection:
        allowed_ms, complete = connection.execute(text(_LOOK)).one()
    if not complete:
        DagsterPostgresStorage(address, should_autocreate_tables=True)
    return int(allowed_ms)


def _hold_connections(storage: DagsterStorage, allowed_ms: int) -> None:
    """Keep a connection of each storage open, as Dagster does in its webserver only.

    Elsewhere it connects anew for whatever it asks or writes: a hundred times and more in a run, and each time both
    sides work out the password's proof. A connection that has died, as when the server was restarted, is noticed
    before it is used, and replaced.
    """
    for one in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        # As without a pool, there is no limit to connections at a time, and for a statement the role's own.
        one.optimize_for_webserver(statement_timeout=allowed_ms, pool_recycle=_RECYCLED_S, max_overflow=-1)


# Of every pool, since Dagster does not show us its own. A file does not hang up.
@event.listens_for(QueuePool, "checkout")
def _ask_whether_alive(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
    except Exception as error:
        raise DisconnectionError from error
