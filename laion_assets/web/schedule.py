"""Whose turn it is: many hosts side by side, each at its own pace.

Every host has a lane; lanes take turns, so that a shop with every seventh URL delays only itself. A lane waits when
its host or its registrable domain has enough requests under way, was asked too recently, or asked to be left alone.
Nothing here does any I/O, knows what a job is, or looks at a clock: the time is always handed in.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Generic, TypeVar

import tldextract

from laion_assets.web.outcome import Outcome

Job = TypeVar("Job")

# The suffix list that comes with the library; nothing is downloaded and nothing written to disk. Private suffixes
# (blogspot.com, myshopify.com) are left out on purpose: what they host shares its machines.
_SUFFIXES = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


@lru_cache(maxsize=65_536)
def registrable_domain(host: str) -> str:
    """The domain somebody registered: ``shop.co.uk`` for ``img.shop.co.uk``. An address is one of its own."""
    labels = host.split(".")
    if ":" in host or labels[-1].isdigit():
        return host
    # Where the list knows no suffix, its own default holds: the last label is one.
    return _SUFFIXES.extract_str(host).top_domain_under_public_suffix or ".".join(labels[-2:])


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one host, or one domain, may be asked."""

    concurrency: int
    per_s: float | None


class Gate:
    """Counts requests under way and spaces their starts: generic cell rate algorithm (ITU-T I.371), burst allowed."""

    __slots__ = ("_burst_s", "_interval_s", "_next", "active", "concurrency", "lanes", "waiting")

    def __init__(self, pace: Pace) -> None:
        self.concurrency = pace.concurrency
        self._interval_s = 1 / pace.per_s if pace.per_s else 0.0
        self._burst_s = self._interval_s * (pace.concurrency - 1)
        self._next = 0.0
        self.active = 0
        self.lanes = 0
        self.waiting: deque[Lane] = deque()
        """Lanes that could go on if this gate had a place."""

    def opens_at(self) -> float:
        """When the next request may start, as far as the rate is concerned."""
        return self._next - self._burst_s

    def spend(self, now: float, requests: int) -> None:
        """Count requests against the rate; it may run into debt, which those who come later wait for."""
        if self._interval_s:
            self._next = max(self._next, now) + requests * self._interval_s


# Where a lane is: nowhere (no jobs), in the ready queue, waiting for one of its own requests to end, in its domain's
# queue, or in the heap of times. It is in one place only, so every way of waiting has one way of being woken.
IDLE, READY, OWN_LIMIT, DOMAIN_LIMIT, TIMED = range(5)


class Lane:
    """One host: what is queued for it, and how it behaved."""

    __slots__ = (
        "domain",
        "domain_name",
        "failures",
        "gate",
        "healthy_at",
        "host",
        "jobs",
        "paused_until",
        "place",
        "suspended_until",
        "trouble",
    )

    def __init__(self, host: str, gate: Gate, domain: Gate, domain_name: str) -> None:
        self.host = host
        self.gate = gate
        self.domain = domain
        self.domain_name = domain_name
        self.jobs: deque[object] = deque()
        self.paused_until = 0.0
        """It asked us to come back later."""
        self.suspended_until = 0.0
        """It failed too often; until then it is not asked."""
        self.failures = 0
        self.healthy_at = float("-inf")
        self.trouble: Outcome | None = None
        """What the last URL that failed here ended with."""
        self.place = IDLE

    @property
    def is_idle(self) -> bool:
        """Nothing queued, nothing under way."""
        return not self.jobs and not self.gate.active


class Schedule(Generic[Job]):
    """Lanes and their turns."""

    def __init__(self, *, host: Pace, domain: Pace, breaker_failures: int, breaker_s: float, lanes_kept: int) -> None:
        self._host_pace = host
        self._domain_pace = domain
        self._breaker_failures = breaker_failures
        self._breaker_s = breaker_s
        self._lanes_kept = lanes_kept
        self._lanes: dict[str, Lane] = {}
        self._domains: dict[str, Gate] = {}
        self._ready: deque[Lane] = deque()
        self._timed: list[tuple[float, int, Lane]] = []
        self._later: list[tuple[float, int, str, bool, Job]] = []
        self._order = count()

    def add(self, host: str, job: Job, *, unlimited_rate: bool = False, front: bool = False) -> None:
        """Queue a job for its host; at the front if it has begun already."""
        lane = self._lane(host, unlimited_rate=unlimited_rate)
        if front:
            lane.jobs.appendleft(job)
        else:
            lane.jobs.append(job)
        if lane.place == IDLE:
            self._make_ready(lane)

    def add_later(self, when: float, host: str, job: Job, *, unlimited_rate: bool = False) -> None:
        """Queue a job for its host, but not before ``when``."""
        heapq.heappush(self._later, (when, next(self._order), host, unlimited_rate, job))

    def take(self, now: float) -> tuple[Job, Lane] | None:
        """The next job that may start now; its lane counts it as under way until ``give_back``.

        One request of it is spent; what else it sends is to be told by ``spend``.
        """
        self._wake(now)
        ready = self._ready
        while ready:
            lane = ready.popleft()
            if self._must_wait(lane, now):
                continue
            lane.gate.active += 1
            lane.domain.active += 1
            if now >= lane.suspended_until:
                self.spend(lane, now, requests=1)
            job: Job = lane.jobs.popleft()  # type: ignore[assignment]
            if lane.jobs:
                ready.append(lane)
            else:
                lane.place = IDLE
            return job, lane
        return None

    def spend(self, lane: Lane, now: float, *, requests: int) -> None:
        """Count requests to this host against its rate and its domain's. Who comes next waits longer for them."""
        lane.gate.spend(now, requests)
        lane.domain.spend(now, requests)

    def give_back(self, lane: Lane) -> None:
        """A request of this lane ended."""
        lane.gate.active -= 1
        lane.domain.active -= 1
        if lane.place == OWN_LIMIT:
            self._make_ready(lane)
        self._wake_one(lane.domain)
        if lane.is_idle and len(self._lanes) > self._lanes_kept:
            self._forget_idle()

    def next_time(self) -> float | None:
        """When ``take`` may have something that it has not now, other than by ``give_back``; None if never."""
        times = [heap[0][0] for heap in (self._timed, self._later) if heap]
        return min(times) if times else None

    def pause(self, lane: Lane, until: float) -> None:
        """Leave a host alone for as long as it asked."""
        lane.paused_until = max(lane.paused_until, until)

    def is_suspended(self, lane: Lane, now: float) -> bool:
        """Whether its host failed so often that it is not worth asking."""
        return now < lane.suspended_until

    def record(self, lane: Lane, now: float, *, healthy: bool, since: float = 0.0) -> None:
        """Count a URL that ended: failures in a row suspend the host, any sign of life forgives them.

        A failure that began before the last sign of life says nothing: what fails takes longest, so that the end of
        a run is a row of failures on any large host.

        Args:
            lane: Where it ended.
            now: When it ended.
            healthy: Whether the host showed a sign of life.
            since: When it was begun.
        """
        if healthy:
            lane.failures = 0
            lane.healthy_at = now
            return
        if since < lane.healthy_at:
            return
        lane.failures += 1
        if lane.failures >= self._breaker_failures:
            lane.suspended_until = now + self._breaker_s

    @property
    def has_ready(self) -> bool:
        """Whether another lane may have a turn right now."""
        return bool(self._ready)

    @property
    def hosts(self) -> int:
        """Hosts it keeps something about."""
        return len(self._lanes)

    def _must_wait(self, lane: Lane, now: float) -> bool:
        gate, domain = lane.gate, lane.domain
        # After a suspension one request at a time, until one goes well.
        limit = 1 if lane.failures >= self._breaker_failures else gate.concurrency
        if gate.active >= limit:
            lane.place = OWN_LIMIT
        elif domain.active >= domain.concurrency:
            lane.place = DOMAIN_LIMIT
            domain.waiting.append(lane)
            return True
        else:
            opens = max(gate.opens_at(), domain.opens_at(), lane.paused_until)
            if opens <= now or now < lane.suspended_until:
                return False
            lane.place = TIMED
            heapq.heappush(self._timed, (opens, next(self._order), lane))
        # It may have been woken for a place in its domain that it cannot use: the next one may.
        self._wake_one(domain)
        return True

    def _wake_one(self, domain: Gate) -> None:
        if domain.waiting and domain.active < domain.concurrency:
            self._make_ready(domain.waiting.popleft())

    def _wake(self, now: float) -> None:
        timed, later = self._timed, self._later
        while timed and timed[0][0] <= now:
            lane = heapq.heappop(timed)[2]
            self._make_ready(lane)
        while later and later[0][0] <= now:
            _, _, host, unlimited_rate, job = heapq.heappop(later)
            self.add(host, job, unlimited_rate=unlimited_rate, front=True)

    def _make_ready(self, lane: Lane) -> None:
        lane.place = READY
        self._ready.append(lane)

    def _lane(self, host: str, *, unlimited_rate: bool) -> Lane:
        lane = self._lanes.get(host)
        if lane is None:
            name = registrable_domain(host)
            host_pace, domain_pace = self._host_pace, self._domain_pace
            if unlimited_rate:
                host_pace, domain_pace = Pace(host_pace.concurrency, None), Pace(domain_pace.concurrency, None)
            domain = self._domains.get(name)
            if domain is None:
                domain = self._domains[name] = Gate(domain_pace)
            domain.lanes += 1
            lane = self._lanes[host] = Lane(host, Gate(host_pace), domain, name)
        return lane

    def _forget_idle(self) -> None:
        """Drop hosts nothing is queued for; one call makes room for many, so that it is rare.

        A dropped host also loses its pace, its pause and its failures: with that many hosts under way they are
        minutes old.
        """
        target = self._lanes_kept // 2
        for host, lane in list(self._lanes.items()):
            if len(self._lanes) <= target:
                return
            if lane.is_idle and lane.place == IDLE:
                del self._lanes[host]
                lane.domain.lanes -= 1
                if not lane.domain.lanes:
                    del self._domains[lane.domain_name]
