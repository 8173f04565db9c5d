"""Asking for many images on one event loop, and keeping what they answer every few seconds.

Which URLs are asked, and in how many processes, is decided elsewhere.
"""

import asyncio
import contextlib
import gc
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import polars as pl

from laion_assets.probes.reading import Reading
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import STORE_SCHEMA, ProbeStore
from laion_assets.web.client import GuardedClient
from laion_assets.web.request import Request
from laion_assets.web.spec import WebSpec

# A killed run loses at most what it learned since the last flush.
FLUSH_INTERVAL_S = 2.0
FLUSH_ROWS = 20_000
GARBAGE_THRESHOLD = 100_000
# By itself an interpreter sets some hundreds of objects aside, where it does at all.
_SET_ASIDE_BY_SOMEBODY = 10_000
_TICK_S = 0.2

OnTick = Callable[[Counter[str]], None]


def ask(urls: Iterable[str], *, web: WebSpec, spec: ProbeSpec, store: ProbeStore, on_tick: OnTick) -> None:
    """Ask for every URL once, and keep every answer in the store.

    Args:
        urls: In the order they are to be asked, as far as politeness allows.
        web: How the client behaves.
        spec: How an image is asked.
        store: Where the answers go, every two seconds.
        on_tick: Called several times a second, and at the end, with the number of answers per outcome so far.

    Raises:
        Exception: Whatever kept the store from keeping; what was learned before it is kept.
    """
    journal = _Journal(store, on_tick)
    main = _ask(urls, web=web, spec=spec, journal=journal)
    with _collecting_rarely(), _interrupted_as_loops_expect():
        if sys.platform == "win32":
            asyncio.run(main)
        else:
            import uvloop

            uvloop.run(main)
    on_tick(journal.outcomes)


@contextlib.contextmanager
def _interrupted_as_loops_expect() -> Iterator[None]:
    """Let Ctrl-C end the loop, then tell whoever handled it before.

    Dagster's handler raises an error of its own, for SIGTERM too, which uvloop only prints: the run would go on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals never come here
        return
    interrupt, terminate = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    if not callable(interrupt):
        yield  # ignored, or none of Python's business
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if callable(terminate):
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    except KeyboardInterrupt:
        interrupt(signal.SIGINT, None)
        raise
    finally:
        signal.signal(signal.SIGINT, interrupt)
        if callable(terminate):
            signal.signal(signal.SIGTERM, terminate)


@contextlib.contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Look for garbage in cycles less often, and only among what is new: it was an eighth of all work.

    What somebody set aside before stays so: to take back what is set aside here would take it back too.
    """
    thresholds = gc.get_threshold()
    alone = gc.get_freeze_count() < _SET_ASIDE_BY_SOMEBODY
    if alone:
        gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if alone:
            gc.unfreeze()


async def _ask(urls: Iterable[str], *, web: WebSpec, spec: ProbeSpec, journal: "_Journal") -> None:
    async with GuardedClient(web) as client:
        keeping = asyncio.create_task(journal.keep())
        asking = asyncio.create_task(_take_answers(client, urls, spec, journal))
        try:
            # Keeping only ends by failing (a full disk, say), and then asking on would be in vain.
            await asyncio.wait({keeping, asking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asking, keeping):
                task.cancel()
            ended = await asyncio.gather(asking, keeping, return_exceptions=True)
            journal.flush()
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def _take_answers(client: GuardedClient, urls: Iterable[str], spec: ProbeSpec, journal: "_Journal") -> None:
    def requests() -> Iterable[Request]:
        for url in urls:
            reading = Reading(spec)
            yield Request(
                url, key=reading, max_bytes=spec.max_prefix_bytes, more=reading, first_bytes=spec.first_prefix_bytes
            )

    async for request, answer in client.answers(requests()):
        reading: Any = request.key
        journal.note(request.url, reading.result(answer, probed_at=datetime.now(timezone.utc)))


class _Journal:
    """Collects results and hands them to the store every few seconds."""

    def __init__(self, store: ProbeStore, on_tick: OnTick) -> None:
        self.outcomes: Counter[str] = Counter()
        self._store = store
        self._on_tick = on_tick
        self._pending: list[dict[str, Any]] = []

    def note(self, url: str, result: dict[str, Any]) -> None:
        self.outcomes[result["outcome"]] += 1
        self._pending.append({"url": url, **result})

    async def keep(self) -> None:
        """Flush every few seconds until cancelled. Writing happens beside the event loop."""
        flushed = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            self._on_tick(self.outcomes)
            now = time.monotonic()
            if self._pending and (now - flushed >= FLUSH_INTERVAL_S or len(self._pending) >= FLUSH_ROWS):
                flushed = now
                # Taken here, on the loop's thread, where answers are noted; only the writing happens elsewhere.
                await asyncio.shield(asyncio.to_thread(self._write, self._take()))

    def flush(self) -> None:
        """Keep what is left."""
        if self._pending:
            self._write(self._take())

    def _take(self) -> list[dict[str, Any]]:
        pending, self._pending = self._pending, []
        return pending

    def _write(self, results: list[dict[str, Any]]) -> None:
        self._store.append(pl.DataFrame(results, schema=STORE_SCHEMA, orient="row"))
