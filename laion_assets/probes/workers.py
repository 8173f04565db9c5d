"""Asking in several processes, one per core: a client is one event loop, and an event loop is one core.

URLs are dealt out by registrable domain, so that the limits per host and per domain hold as they do in one process. Not
so for a host that redirects lead to from URLs of several shares: each process keeps the limits for itself.
Each worker keeps its own answers in the store; nothing but counts comes back here.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from laion_assets.probes.asking import OnTick
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.failure import Failure
from laion_assets.web.schedule import registrable_domain
from laion_assets.web.spec import WebSpec
from laion_assets.web.url import parse_url

# Also how late the end is noticed: 0.2 s was as much as 1,000 probes take.
_TICK_S = 0.05
_FAREWELL_S = 10.0


class WorkerError(RuntimeError):
    """A worker ended before its work was done."""


def ask_side_by_side(
    urls: Iterable[str], *, processes: int, web: WebSpec, spec: ProbeSpec, store: ProbeStore, on_tick: OnTick
) -> None:
    """As ``asking.ask``, in several processes.

    They end when this process does, however it ends.

    Raises:
        WorkerError: A worker failed; what it and the others had kept by then is kept.
    """
    web = web.model_copy(update={"concurrency": max(1, web.concurrency // processes)})
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(share, web=web, spec=spec, store=store)) for share in deal(urls, processes)
        ]
        while any(worker.is_at_work for worker in workers):
            time.sleep(_TICK_S)
            if all(worker.is_ready for worker in workers):
                on_tick(sum((worker.outcomes for worker in workers), Counter()))
            for worker in workers:
                worker.check()
        for worker in workers:
            # What it said last may still be on its way, and how it ended not have been looked at.
            worker.listener.join()
            worker.check()
        on_tick(sum((worker.outcomes for worker in workers), Counter()))


def deal(urls: Iterable[str], shares: int) -> list[list[str]]:
    """Divide URLs so that all of one registrable domain are in one share, in the order they had."""
    dealt: list[list[str]] = [[] for _ in range(shares)]
    for url in urls:
        dealt[zlib.crc32(_domain(url).encode()) % shares].append(url)
    return dealt


def _domain(url: str) -> str:
    try:
        # Whatever the scheme: what cannot be asked goes where its host's others go.
        return registrable_domain(parse_url("http:" + url.partition(":")[2]).host)
    except Failure:
        return url


@dataclass
class _Worker:
    process: subprocess.Popen[str]
    errors: IO[str]
    is_ready: bool = False
    outcomes: Counter[str] = field(default_factory=Counter)
    listener: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.listener = threading.Thread(target=self.listen, daemon=True)

    @property
    def is_at_work(self) -> bool:
        return self.process.poll() is None

    def listen(self) -> None:
        """Take in what it tells, a line of JSON each time, until it ends."""
        assert self.process.stdout is not None  # noqa: S101 - opened as a pipe
        for line in self.process.stdout:
            self.is_ready = True
            self.outcomes = Counter(json.loads(line))

    def check(self) -> None:
        if self.process.poll():
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines() or ["without a word"]
            raise WorkerError(
                f"a probing process ended with {self.process.returncode}: {said[-1][:300]}. What was learned until "
                "then is kept; remove the cause and run again."
            )


@contextlib.contextmanager
def _worker(urls: list[str], *, web: WebSpec, spec: ProbeSpec, store: ProbeStore) -> Iterator[_Worker]:
    job = {
        "web": web.model_dump(mode="json"),
        "spec": spec.model_dump(mode="json"),
        "lake": store.lake.base_uri,
        "asset": list(store.asset),
        "urls": urls,
    }
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "laion_assets.probes.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        worker = _Worker(process, errors)
        assert process.stdin is not None  # noqa: S101 - opened as a pipe
        try:
            worker.listener.start()
            # One line, and then nothing ever again: when this pipe ends, so does the worker.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job) + "\n")
                process.stdin.flush()
            yield worker
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(_FAREWELL_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            worker.listener.join()
            if process.stdout is not None:
                process.stdout.close()
