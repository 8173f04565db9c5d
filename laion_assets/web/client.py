"""The guarded client: the only way to the open web.

Brings together the address guard, the bounds, the schedule and the outcomes. Each of those has a module of its own;
here is the order in which they meet one request: it is read, admitted, stands in line at its host, is asked, and then
either answered, sent on to another host, or put back for another try.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from itertools import islice
from types import TracebackType

from typing_extensions import Self

from laion_assets.web.address import AddressGuard
from laion_assets.web.connection import Connections
from laion_assets.web.exchange import Exchange, Found, Redirect
from laion_assets.web.explanation import explain
from laion_assets.web.failure import Failure
from laion_assets.web.journey import AN_ADDRESS, Journey
from laion_assets.web.outcome import Fault, Outcome
from laion_assets.web.prefix import read_prefix
from laion_assets.web.request import (
    FIRST_PREFIX_BYTES,
    MAX_BODY_BYTES,
    MAX_PREFIX_BYTES,
    Answer,
    MoreBytes,
    Request,
)
from laion_assets.web.robots import MAX_ROBOTS_BYTES
from laion_assets.web.robots_gate import HeardRobots, RobotsGate
from laion_assets.web.schedule import Lane, Pace, Schedule
from laion_assets.web.spec import WebSpec
from laion_assets.web.url import Target, join_url, parse_url
from laion_assets.web.whole import read_whole

# Outcomes that say a host is in trouble, so that a row of them suspends it. A 404 is a sign of life.
TROUBLE = frozenset(
    (
        Outcome.TIMED_OUT,
        Outcome.REFUSED,
        Outcome.CONNECTION_LOST,
        Outcome.SERVER_ERROR,
        Outcome.RATE_LIMITED,
        Outcome.RESOLVER_FAILED,
        Outcome.NETWORK_UNREACHABLE,
    )
)
# A try is not worth starting with less than this share of the deadline left.
WORTHWHILE_SHARE = 0.05
# How late a time-out may be noticed.
WATCH_INTERVAL_S = 0.05
LANES_KEPT = 65_536
MAX_SUSPENSION_S = 3_600.0


class GuardedClient:
    """Asks the open web for images: guarded, bounded, polite, and never raising for what a server does.

    Used as an async context manager, on one event loop; a process that wants a second core opens a second client.

    Example:
        >>> async with GuardedClient(WebSpec()) as client:
        ...     answer = await client.fetch("https://example.org/cat.jpg", max_bytes=20_000_000)
        ...     answer.outcome, len(answer.body)
    """

    def __init__(self, spec: WebSpec | None = None) -> None:
        self.spec = spec or WebSpec()
        self._guard = AddressGuard(self.spec.allow_networks)
        self._schedule: Schedule[Journey] = Schedule(
            host=Pace(self.spec.per_host, self.spec.host_requests_per_s),
            domain=Pace(self.spec.per_domain, self.spec.domain_requests_per_s),
            breaker_failures=self.spec.breaker_failures,
            breaker_s=self.spec.breaker_s,
            lanes_kept=LANES_KEPT,
        )
        self._workers: set[asyncio.Task[None]] = set()
        self._live: set[Journey] = set()
        self._on_the_way: set[Journey] = set()
        self._unread_bytes = 0
        self._awaited = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._kicked = False
        self._robots = RobotsGate(self.spec.robots_agent, self._ask_for_robots)
        self._random = random.Random()  # noqa: S311 - spreads retries, keeps no secrets
        self._open = False

    async def __aenter__(self) -> Self:
        """Open the connection pool and the resolver."""
        self._loop = asyncio.get_running_loop()
        self._connections = Connections(self.spec, self._guard)
        self._exchange = Exchange(self.spec, self._connections)
        self._open = True
        self._watchman = self._loop.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every socket; requests still under way are cancelled."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tasks = [self._watchman, *self._workers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for journey in list(self._live):
            self._end(journey, Failure(Outcome.FAILED_HERE, "the client was closed before it was asked to the end"))
        await self._connections.close()

    async def fetch_prefix(
        self,
        url: str,
        *,
        more: MoreBytes,
        first_bytes: int = FIRST_PREFIX_BYTES,
        max_bytes: int = MAX_PREFIX_BYTES,
    ) -> Answer:
        """Read the first bytes of a file, and further ones only as ``more`` asks for them.

        A range request each time; a server without ranges is read just as far and cut off.

        Args:
            url: As published; spaces and non-ASCII characters are escaped, existing escapes kept.
            more: Called as ``more(prefix, complete)``; returns the total number of bytes needed from the file's
                start, or None when the prefix is enough.
            first_bytes: Asked for at first.
            max_bytes: Never read further than this, whatever ``more`` says.

        Returns:
            An answer whose outcome is ``ok`` when HTTP went well, however far was read: a body that ``more`` was
            still not content with is for the caller to name.
        """
        return await self._answer(Request(url, max_bytes=max_bytes, more=more, first_bytes=first_bytes))

    async def fetch(self, url: str, *, max_bytes: int = MAX_BODY_BYTES) -> Answer:
        """Read a whole file into memory.

        Args:
            url: As published; spaces and non-ASCII characters are escaped, existing escapes kept.
            max_bytes: A larger body ends as ``too_large``: from its announced length before it is read, else when
                the cap is passed.

        Returns:
            An answer with the whole body if the outcome is ``ok``; ``truncated`` if it ended before its announced end.
        """
        return await self._answer(Request(url, max_bytes=max_bytes))

    async def answers(self, requests: Iterable[Request]) -> AsyncGenerator[tuple[Request, Answer], None]:
        """Answer many requests, each as soon as it is finished, in no order.

        ``requests`` may be endless: at most ``spec.lookahead`` are taken from it ahead of their answers. A host at its
        limit holds up nobody else's requests. Every request has exactly one answer. Closing the generator gives up
        what is under way; who leaves it early closes it (``contextlib.aclosing``).
        """
        finished: deque[tuple[Request, Answer]] = deque()
        wake = asyncio.Event()
        under_way: set[Journey] = set()
        source = iter(requests)

        def finish(journey: Journey, answer: Answer) -> None:
            under_way.discard(journey)
            finished.append((journey.request, answer))
            self._unread_bytes += len(answer.body)
            wake.set()

        def take_in(request: Request) -> None:
            journey = Journey(request, finish)
            under_way.add(journey)
            self._set_out(journey)

        try:
            while True:
                for request in islice(source, self.spec.lookahead - len(under_way) - len(finished)):
                    take_in(request)
                if finished:
                    pair = finished.popleft()
                    self._read(len(pair[1].body))
                    yield pair
                elif not under_way:
                    return
                else:
                    wake.clear()
                    await wake.wait()
        finally:
            for journey in list(under_way):
                self._abandon(journey)
            self._read(sum(len(answer.body) for _, answer in finished))

    async def _answer(self, request: Request) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def finish(_: Journey, answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        journey = Journey(request, finish)
        self._awaited += 1
        try:
            self._set_out(journey)
            return await future
        finally:
            self._awaited -= 1
            if not journey.done:
                self._abandon(journey)

    # -- the way of a journey

    def _abandon(self, journey: Journey) -> None:
        self._live.discard(journey)
        journey.abandon()

    def _set_out(self, journey: Journey) -> None:
        if not self._open:
            raise RuntimeError("The client is closed; use it inside `async with GuardedClient(spec) as client`.")
        self._live.add(journey)
        try:
            journey.target = parse_url(journey.request.url)
            self._line_up(journey, journey.target)
        except Exception as error:  # noqa: BLE001 - whatever a URL does to us, it is that URL's outcome
            self._end(journey, explain(error))

    def _line_up(self, journey: Journey, target: Target, *, front: bool = False) -> None:
        """Put a journey in line at its target's host.

        Raises:
            Failure: The target is not to be asked.
        """
        self._connections.admit(target)
        if self.spec.robots_txt and not journey.for_robots:
            known = self._robots.allows(target, self._loop.time(), lambda: self._robots_are_known(journey))
            if not known:
                return
        self._schedule.add(target.host, journey, unlimited_rate=self._is_ours(target), front=front)
        self._kick()

    def _is_ours(self, target: Target) -> bool:
        """A sandbox or an intranet by the user's own word: asked side by side as politely, but not slowed down."""
        return target.address is not None and self._guard.allows(target.host)

    def _read(self, size: int) -> None:
        """Bodies were picked up."""
        was_full = self._is_full
        self._unread_bytes -= size
        if was_full and not self._is_full:
            self._kick()

    @property
    def _is_full(self) -> bool:
        """Enough bodies wait to be picked up; but who picks them up may first wait for a single URL."""
        return self._unread_bytes >= self.spec.unread_bytes and not self._awaited

    def _kick(self) -> None:
        if not self._kicked:
            self._kicked = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Start workers while there are places and turns for them."""
        self._kicked = False
        if not self._open or self._is_full:
            return
        schedule, workers, now = self._schedule, self._workers, self._loop.time()
        while len(workers) < self.spec.concurrency and (turn := schedule.take(now)) is not None:
            worker = self._loop.create_task(self._work(*turn))
            workers.add(worker)
            worker.add_done_callback(self._worker_ended)
        when = schedule.next_time()
        if when is not None and (self._timer is None or when < self._timer_at):
            if self._timer is not None:
                self._timer.cancel()
            # Kept here because the handle cannot say it: for a time that is almost now, uvloop gives another kind.
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._loop.call_exception_handler({"message": "web client worker failed", "exception": error})
        self._kick()

    async def _work(self, journey: Journey, lane: Lane) -> None:
        """Take turns until there is none to take."""
        schedule, on_the_way, worker = self._schedule, self._on_the_way, asyncio.current_task()
        while True:
            sent_before = journey.requests
            try:
                if not journey.done:
                    journey.task = worker
                    on_the_way.add(journey)
                    await self._turn(journey, lane)
            finally:
                on_the_way.discard(journey)
                journey.task = None
                further = journey.requests - sent_before - 1
                if further > 0:
                    schedule.spend(lane, self._loop.time(), requests=further)
                schedule.give_back(lane)
            turn = None if self._is_full else schedule.take(self._loop.time())
            if turn is None:
                return
            if schedule.has_ready and len(self._workers) < self.spec.concurrency:
                self._kick()
            journey, lane = turn

    async def _turn(self, journey: Journey, lane: Lane) -> None:
        """One request at one host, and what follows from it."""
        schedule, spec = self._schedule, self.spec
        began = self._loop.time()
        if journey.attempts == 0 and journey.failure is None:
            journey.began = began
        if schedule.is_suspended(lane, began):
            if journey.failure is not None:
                # It was asked before, and what came of that is what there is to say.
                self._end(journey, journey.failure)
                return
            # What fails on our side stays on our side: a sick resolver must not look like a sick host.
            trouble = lane.trouble if lane.trouble is not None and lane.trouble.fault is Fault.US else None
            self._end(journey, Failure(trouble or Outcome.HOST_SUSPENDED, f"{lane.host} failed too often in a row"))
            return
        journey.attempts += 1
        journey.too_late = False
        journey.deadline = began + spec.deadline_s - journey.spent_s
        journey.wait_for("a connection", journey.deadline)
        result: Found | Redirect | Failure
        try:
            more = journey.request.more
            if more is None:
                result = await read_whole(self._exchange, journey, last_in_line=not lane.jobs)
            else:
                result = await read_prefix(self._exchange, journey, more)
        except asyncio.CancelledError:
            if not journey.too_late or journey.done or not self._open:
                raise
            journey.resume()
            ours = journey.waits_for == AN_ADDRESS
            outcome = Outcome.RESOLVER_FAILED if ours else Outcome.TIMED_OUT
            result = Failure(outcome, f"gave up waiting for {journey.waits_for}")
            if ours and journey.failure is not None and journey.failure.outcome is outcome:
                # The resolver already said what ails it; that a later try was cut short adds nothing.
                result = journey.failure
        except Exception as error:  # noqa: BLE001 - whatever it is, this URL has one outcome and the others go on
            result = explain(error)
        now = self._loop.time()
        journey.spent_s += now - began
        if isinstance(result, Failure):
            self._failed(journey, lane, result, now)
            return
        schedule.record(lane, now, healthy=True)
        if isinstance(result, Found):
            self._end(journey, result)
        else:
            self._redirected(journey, result)

    async def _watch(self) -> None:
        """Stop what waits too long. One look at everything on its way is cheaper than three timers for each of it."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            now = self._loop.time()
            for journey in list(self._on_the_way):
                journey.stop(now)

    def _redirected(self, journey: Journey, redirect: Redirect) -> None:
        try:
            journey.target = self._follow(journey, redirect)
            # A new place is a new try: attempts count failures at one of them.
            journey.attempts, journey.failure = 0, None
            self._line_up(journey, journey.target, front=True)
        except Exception as error:  # noqa: BLE001 - see _set_out
            self._end(journey, explain(error))

    def _follow(self, journey: Journey, redirect: Redirect) -> Target:
        if journey.target is None:
            raise TypeError("redirected without having asked")
        target = join_url(journey.target, redirect.location)
        journey.redirects.append(journey.target.url)
        journey.use_ranges()
        if len(journey.redirects) > self.spec.max_redirects:
            raise Failure(Outcome.REDIRECT_LOOP, f"more than {self.spec.max_redirects} redirects, last to {target.url}")
        if target.url in journey.redirects:
            raise Failure(Outcome.REDIRECT_LOOP, f"redirected in a circle, to {target.url}")
        return target

    def _failed(self, journey: Journey, lane: Lane, failure: Failure, now: float) -> None:
        """Another try, or the end."""
        spec, schedule = self.spec, self._schedule
        asked_s = failure.retry_after_s
        if asked_s is not None and asked_s > spec.max_retry_after_s:
            lane.suspended_until = max(lane.suspended_until, now + min(asked_s, MAX_SUSPENSION_S))
        else:
            ceiling = min(spec.backoff_s * 2 ** (journey.attempts - 1), spec.max_backoff_s)
            # Full jitter, so that those who failed together do not come back together.
            wait_s = max(asked_s or 0.0, self._random.uniform(0, ceiling))
            if asked_s is not None or failure.outcome is Outcome.RATE_LIMITED:
                # Also when this URL is not tried again: the host asked it of us, whatever we want next.
                schedule.pause(lane, now + wait_s)
            if self._is_worth_another_try(journey, failure.outcome):
                journey.failure = failure
                ours = journey.target is not None and self._is_ours(journey.target)
                schedule.add_later(now + wait_s, lane.host, journey, unlimited_rate=ours)
                self._kick()
                return
        lane.trouble = failure.outcome
        schedule.record(lane, now, healthy=failure.outcome not in TROUBLE, since=journey.began)
        self._end(journey, failure)

    def _is_worth_another_try(self, journey: Journey, outcome: Outcome) -> bool:
        # What failed in our own code will fail there again within the minute.
        can_change = outcome.retryable and outcome is not Outcome.FAILED_HERE
        has_time = journey.spent_s < self.spec.deadline_s * (1 - WORTHWHILE_SHARE)
        return can_change and has_time and journey.attempts < self.spec.attempts and not journey.done

    def _end(self, journey: Journey, result: Found | Failure) -> None:
        if journey.done:
            return
        journey.done = True
        self._live.discard(journey)
        target = journey.target
        found = result if isinstance(result, Found) else None
        failure = result if isinstance(result, Failure) else None
        journey.finish(
            journey,
            Answer(
                outcome=failure.outcome if failure else Outcome.OK,
                error=failure.error if failure else None,
                http_status=journey.status,
                body=found.body if found else b"",
                complete=found.complete if found else False,
                content_type=found.content_type if found else None,
                final_url=target.url if target else None,
                final_host=target.host if target else None,
                file_bytes=found.file_bytes if found else None,
                bytes_read=journey.bytes_read,
                requests=journey.requests,
                seconds=journey.spent_s,
                opted_out=failure is not None and failure.outcome is Outcome.OPTED_OUT,
            ),
        )

    def _ask_for_robots(self, url: str, heard: HeardRobots) -> None:
        request = Request(url, more=lambda _, __: None, first_bytes=MAX_ROBOTS_BYTES, max_bytes=MAX_ROBOTS_BYTES)
        self._set_out(Journey(request, lambda _, answer: heard(answer), for_robots=True))

    def _robots_are_known(self, journey: Journey) -> None:
        if journey.done or journey.target is None:
            return
        try:
            self._line_up(journey, journey.target)
        except Failure as failure:
            self._end(journey, failure)
