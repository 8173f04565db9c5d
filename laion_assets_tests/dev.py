"""`laion-assets dev` as a user starts it, from the command to its end."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laion_assets.home import Home
from laion_assets_tests.ports import free_port

BIN = Path(sys.executable).parent
READY_S = 120


@dataclass(frozen=True)
class Dev:
    """The command, running."""

    process: "subprocess.Popen[bytes]"
    home: Home
    port: int
    log: Path

    @property
    def address(self) -> str:
        """Where the UI is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def answers(self) -> bool:
        """Whether the UI is there."""
        try:
            urllib.request.urlopen(f"{self.address}/server_info", timeout=2).close()  # noqa: S310 (ours)
        except OSError:
            return False
        return True

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Wait for something to happen; fails with what was printed."""
        deadline = time.monotonic() + READY_S
        while not happened():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)


@contextmanager
def dev(
    home: Home,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    log: Path,
    *,
    end: signal.Signals = signal.SIGINT,
) -> Iterator[Dev]:
    """The command in a process group of its own, ended by Ctrl-C, which reaches all of it, or as a service is."""
    port = free_port()
    command = [str(BIN / "laion-assets"), "dev", "--home", str(home.folder), "--port", str(port), *arguments]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=dict(variables), stdout=out, stderr=out, start_new_session=True) as process,
    ):
        try:
            yield Dev(process, home, port, log)
        finally:
            if process.poll() is None:
                send = os.killpg if end is signal.SIGINT else os.kill
                send(process.pid, end)
                process.wait(60)
