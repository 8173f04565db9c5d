"""A deployment as an operator runs it: daemon and webserver in processes of their own, asked through GraphQL."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from laion_assets.home import PROJECT_ROOT, Home
from laion_assets_tests.metadata.conftest import SOUND_ROW
from laion_assets_tests.ports import free_port

READY_S = 180
WORKSPACE = str(PROJECT_ROOT / "workspace.yaml")


def publish_parts(folder: Path, parts: int, *, rows: int = 20) -> str:
    """Write small sound parts into a folder; returns the source that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(parts):
        frame = pl.DataFrame(
            [{**SOUND_ROW, "URL": f"https://example.org/{number}/{row}.jpg", "hash": row} for row in range(rows)]
        )
        frame.write_parquet(folder / f"part-{number:05d}.parquet")
    return str(folder / "*.parquet")


@dataclass
class Deployment:
    """The processes of one Dagster instance, all with the same environment."""

    home: Home
    environment: Mapping[str, str]
    workspace: str = WORKSPACE
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def log(self) -> Path:
        """What all processes print."""
        return self.home.folder / "processes.log"

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Start the daemon, with a code server of its own."""
        return self._start(["dagster._daemon", "run", "-w", self.workspace])

    def start_webserver(self) -> None:
        """Start the webserver and wait until it answers with our code location."""
        port = free_port()
        process = self._start(["dagster_webserver", "-w", self.workspace, "-h", "127.0.0.1", "-p", str(port)])
        self.url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            assert process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
                return bool(self.ask(query)["repositoriesOrError"].get("nodes"))
            return False

        self.wait_until(ready)

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (ours)
            found: dict[str, Any] = json.load(answer)
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    def wait_until(self, happened: Callable[[], bool], *, seconds: float = READY_S) -> None:
        """Wait for something to happen; fails with what the processes printed."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, self.log.read_text()[-5000:]
            time.sleep(0.25)

    def stop(self) -> None:
        """End all processes that were started, gently where they let us, and whatever they leave behind."""
        family = [
            child
            for process in self.running
            if process.poll() is None
            for child in psutil.Process(process.pid).children(recursive=True)
        ]
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:  # noqa: PERF203 (waiting costs more)
                kill_with_children(process)
        self.running.clear()
        _, left = psutil.wait_procs(family, timeout=5)
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def _start(self, module: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                cwd=self.home.folder,
            )
        self.running.append(process)
        return process


@contextlib.contextmanager
def deployment(
    home: Home, environment: Mapping[str, str], *, workspace: Path | str = WORKSPACE
) -> Iterator[Deployment]:
    """A deployment that ends with the block."""
    deployed = Deployment(home, {**os.environ, **home.environment(), **environment}, str(workspace))
    try:
        yield deployed
    finally:
        deployed.stop()


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started at once, as a power cut does."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.suspend()  # so that none has the time to start another
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
