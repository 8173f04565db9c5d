"""A PostgreSQL server of the tests' own: Debian's package, on loopback, gone with the test.

The cluster that the package itself may have made is neither used nor touched. PostgreSQL refuses to run as root, so
then it runs as the user the package made for it.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laion_assets_tests.ports import free_port

PASSWORD = "a-database-password"  # noqa: S105 (that of a server that lives for one test)
READY_S = 60
PROGRAMS = ("initdb", "postgres", "pg_dump")

_names = itertools.count()


def binaries() -> Path | None:
    """The folder of PostgreSQL's own programs: where Debian keeps them, newest first, or on the path."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]), reverse=True)
    folders = [*debian, *([Path(found).resolve().parent] if found else [])]
    return next((one for one in folders if all((one / name).exists() for name in PROGRAMS)), None)


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"dagster_{next(_names)}"
        self.asked(f"CREATE DATABASE {name}")
        return self._address(name)

    def connected(self, address: str) -> set[int]:
        """The processes that serve the connections to a database."""
        return {pid for (pid,) in self.asked(f"SELECT pid {_connections_to(address)}")}

    def disconnect(self, address: str) -> None:
        """End all connections to a database, as the server does when it is restarted."""
        self.asked(f"SELECT pg_terminate_backend(pid) {_connections_to(address)}")
        while self.connected(address):
            time.sleep(0.01)

    def asked(self, statement: str) -> list[tuple[Any, ...]]:
        """What the server answers to a statement."""
        import psycopg2  # type: ignore[import-untyped]

        connection = psycopg2.connect(self._address("postgres"))
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _address(self, name: str) -> str:
        return f"postgresql://dagster:{PASSWORD}@127.0.0.1:{self.port}/{name}"


def _connections_to(address: str) -> str:
    return f"FROM pg_stat_activity WHERE datname = '{address.rpartition('/')[2]}'"


@contextlib.contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    """A server while the block works."""
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    # Not below pytest's folders: those let nobody in but their owner.
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user:
            owner = pwd.getpwnam(user)
            for path in (folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        # Not SCRAM, whose proof takes as long as everything else that is done to connect, a thousand times here.
        init = ["--pgdata", str(data), "--username=dagster", "--auth=md5", f"--pwfile={secret}", "--no-sync"]
        _run([str(programs / "initdb"), *init], user, folder)
        server = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1"]
        quick = ["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200"]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen([*server, *quick], stdout=log, stderr=log, user=user, cwd=folder) as process,
        ):
            try:
                running = Postgres(port)
                _wait(running, process, folder / "log")
                yield running
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], user: str | None, folder: Path) -> None:
    subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg2

    for _ in range(READY_S * 10):
        assert process.poll() is None, log.read_text()
        # It takes connections before it is ready for them, and refuses them then.
        with contextlib.suppress(psycopg2.OperationalError):
            server.asked("SELECT 1")
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
