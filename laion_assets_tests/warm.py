"""Processes that begin with what takes long to import imported already, as those of Dagster's runs do."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TextIO

from laion_assets.run_processes import WARM_MODULE

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([WARM_MODULE, "laion_assets.shards.downloader"])


@dataclass(frozen=True)
class Warm:
    """A process that was started warm, and what it prints."""

    process: BaseProcess
    printed: TextIO

    @property
    def pid(self) -> int:
        """Its number."""
        assert self.process.pid is not None
        return self.process.pid

    def line(self) -> str:
        """The next line it prints."""
        return self.printed.readline().strip()

    def kill(self) -> int | None:
        """End it as want of memory does, and wait for all that it started; returns its exit code.

        It may have ended by itself.
        """
        self.process.kill()
        return self.end(within_s=20)[0]

    def end(self, *, within_s: float = 60) -> tuple[int | None, str]:
        """Its exit code and what else it printed, once it and all that print for it have ended, in time or it fails."""
        late = threading.Timer(within_s, self.process.kill)
        late.start()
        try:
            with self.printed:
                rest = self.printed.read()
            self.process.join()
            assert late.is_alive(), f"it took longer than {within_s} s to end; it printed {rest}"
        finally:
            late.cancel()
        return self.process.exitcode, rest


def start(function: Callable[..., object], *arguments: object) -> Warm:
    """Start a process that calls a function of a module, with this one's environment."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = _FORKS.Process(target=_begin, args=(dict(os.environ), writer, function, arguments))
    process.start()
    writer.close()
    with reader:
        return Warm(process, os.fdopen(os.dup(reader.fileno())))


def _begin(
    environment: Mapping[str, str], output: Connection, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    function(*arguments)
