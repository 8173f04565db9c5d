"""One event loop and one guarded client per process, for all the shards it makes, several of them at once.

A shard ends with waiting for its slowest servers, up to the deadline; meanwhile the next one can begin, and what was
learned about names and hosts stays. Whoever calls is a thread of a distributor, and blocks.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import uvloop

from laion_assets.web.client import GuardedClient
from laion_assets.web.spec import WebSpec

T = TypeVar("T")


class Engine:
    """Runs coroutines that share a client; started when first used, ended with its process or by ``stop``."""

    def __init__(self, web: WebSpec, *, resizing_threads: int) -> None:
        self._loop = uvloop.new_event_loop()
        self._ready: Future[GuardedClient] = Future()
        self._running: set[Future[Any]] = set()
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._turn, args=(web,), name="downloads", daemon=True)
        self._thread.start()
        self.client = self._ready.result()
        self.resizing_threads = resizing_threads
        self.resizing = ThreadPoolExecutor(resizing_threads, thread_name_prefix="resizing")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine on the loop and wait for it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._running.add(future)
        try:
            return future.result()
        finally:
            self._running.discard(future)

    def stop(self) -> None:
        """End at once: what runs is cancelled, and whoever waits for it gets a CancelledError."""
        for future in list(self._running):
            future.cancel()
        if self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self.resizing.shutdown(wait=False, cancel_futures=True)

    def _turn(self, web: WebSpec) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(web))
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _serve(self, web: WebSpec) -> None:
        self._over = asyncio.Event()
        async with GuardedClient(web) as client:
            self._ready.set_result(client)
            await self._over.wait()


_ENGINES: dict[WebSpec, Engine] = {}
_STARTING = threading.Lock()


def engine_for(web: WebSpec, *, resizing_threads: int) -> Engine:
    """This process's engine with these manners; started with so many threads for resizing."""
    with _STARTING:
        if web not in _ENGINES:
            _ENGINES[web] = Engine(web, resizing_threads=resizing_threads)
        return _ENGINES[web]


def stop_engines() -> None:
    """End all engines of this process."""
    with _STARTING:
        while _ENGINES:
            _ENGINES.popitem()[1].stop()
