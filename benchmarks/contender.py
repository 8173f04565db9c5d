"""Processes that do pieces of work when told to, and what each piece took."""

import contextlib
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Work = Callable[..., Any]
"""A function of a module, which is what another process can be told by name."""


@dataclass(frozen=True)
class Measured:
    """What a contender took for one piece of work."""

    seconds: float
    cpu_s: float
    peak_mb: float


class Contender:
    """A process that does the same kind of work again and again when told to."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(work, theirs), daemon=True)
        self._process.start()

    def run(self, *arguments: Any) -> tuple[Measured, Any]:  # noqa: ANN401 (whatever the work takes and gives)
        """Do one piece of work."""
        self._ours.send(arguments)
        measured, result = self._ours.recv()
        return measured, result

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # it died of what it will say itself
            self._ours.send(None)
        self._process.join()


@contextlib.contextmanager
def contenders(*works: Work) -> Iterator[list[Contender]]:
    """Processes that do this work, ended at the end of the block."""
    started = [Contender(work) for work in works]
    try:
        yield started
    finally:
        for one in started:
            one.stop()


def _serve(work: Work, told: Connection) -> None:
    """In the child: time what is asked for."""
    while (arguments := told.recv()) is not None:
        wall, cpu = time.perf_counter(), _cpu_s()
        result = work(*arguments)
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
        told.send((Measured(wall, cpu, _peak_mb()), result))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Most memory this process has had. Not getrusage's: a child inherits that from the process it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
