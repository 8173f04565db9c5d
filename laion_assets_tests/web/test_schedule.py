"""Turns are fair, limits are kept, and nobody is forgotten: on a clock of the test's own."""

import random
import socket
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_assets.web.schedule import Lane, Pace, Schedule, registrable_domain

TWO, FOUR = Pace(2, None), Pace(4, None)


def schedule(
    *,
    host: Pace = TWO,
    domain: Pace = FOUR,
    failures: int = 3,
    suspended_s: float = 60.0,
    kept: int = 1000,
) -> Schedule[str]:
    return Schedule(host=host, domain=domain, breaker_failures=failures, breaker_s=suspended_s, lanes_kept=kept)


def taken(of: Schedule[str], now: float = 0.0) -> list[str]:
    """Everything that may start now."""
    jobs = []
    while (turn := of.take(now)) is not None:
        jobs.append(turn[0])
    return jobs


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("shop.com", "shop.com"),
        ("img.cdn.shop.com", "shop.com"),
        ("img.shop.co.uk", "shop.co.uk"),
        ("a.b.blogspot.com", "blogspot.com"),
        ("x.myshopify.com", "myshopify.com"),
        ("xn--bcher-kva.xn--p1ai", "xn--bcher-kva.xn--p1ai"),
        ("a.b.unlisted", "b.unlisted"),
        ("localhost", "localhost"),
        ("co.uk", "co.uk"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_hosts_are_grouped_by_the_domain_somebody_registered(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


def test_the_suffix_list_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    registrable_domain.cache_clear()
    assert registrable_domain("a.b.gov.au") == "b.gov.au"


def test_hosts_take_turns_whatever_the_order_of_arrival() -> None:
    turns = schedule(host=Pace(3, None), domain=Pace(3, None))
    for n in range(3):
        turns.add("1.1.1.1", f"a{n}")
    for n in range(3):
        turns.add("2.2.2.2", f"b{n}")
    assert taken(turns) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_host_at_its_limit_holds_up_nobody_else() -> None:
    turns = schedule(host=Pace(1, None))
    for n in range(1000):
        turns.add("1.1.1.1", f"a{n}")
    turns.add("2.2.2.2", "b")
    assert taken(turns) == ["a0", "b"]


def test_a_domain_at_its_limit_passes_its_places_round_its_hosts() -> None:
    turns = schedule(host=Pace(2, None), domain=Pace(2, None))
    for host in "abcd":
        for n in range(2):
            turns.add(f"{host}.shop.com", f"{host}{n}")
    order = []
    under_way: list[Lane] = []
    while (turn := turns.take(0.0)) or under_way:
        if turn:
            order.append(turn[0])
            under_way.append(turn[1])
            assert len(under_way) <= 2
        else:
            turns.give_back(under_way.pop(0))
    assert Counter(name[0] for name in order[:4]) == Counter("abcd")
    assert len(order) == 8


def test_a_place_that_one_host_cannot_use_goes_to_the_next_of_its_domain() -> None:
    turns = schedule(host=Pace(1, None), domain=Pace(1, None))
    for host in "xab":
        turns.add(f"{host}.shop.com", host)
    first = turns.take(0.0)
    assert first is not None
    assert turns.take(0.0) is None
    # Meanwhile a asked to be left alone, on an earlier answer say; when x ends, a is woken first.
    turns.pause(turns._lanes["a.shop.com"], 100.0)
    turns.give_back(first[1])
    assert taken(turns) == ["b"]


def test_starts_are_spaced_with_a_burst_of_the_concurrency() -> None:
    turns = schedule(host=Pace(2, 10.0), domain=Pace(100, None))
    for n in range(6):
        turns.add("1.1.1.1", f"a{n}")
    starts: list[float] = []
    now = 0.0
    while len(starts) < 6:
        turn = turns.take(now)
        if turn is None:
            when = turns.next_time()
            assert when is not None
            now = when
            continue
        starts.append(round(now, 6))
        turns.give_back(turn[1])
    assert starts == [0.0, 0.0, 0.1, 0.2, 0.3, 0.4]


def test_the_rate_of_a_domain_holds_over_all_its_hosts() -> None:
    turns = schedule(host=Pace(10, None), domain=Pace(10, 2.0))
    for host in range(20):
        turns.add(f"h{host}.shop.com", f"{host}")
    for _ in range(10):
        turn = turns.take(0.0)
        assert turn is not None
        turns.give_back(turn[1])
    assert turns.take(0.0) is None
    assert turns.next_time() == pytest.approx(0.5)


def test_what_a_turn_sends_beyond_one_request_is_waited_for_by_who_comes_next() -> None:
    turns = schedule(host=Pace(2, 10.0), domain=Pace(3, 20.0))
    for host in ("a.shop.com", "b.shop.com", "other.com"):
        turns.add(host, host)
    turn = turns.take(0.0)
    assert turn is not None
    turns.spend(turn[1], 0.0, requests=5)
    turns.give_back(turn[1])
    turns.add("a.shop.com", "again")
    assert taken(turns, 0.0) == ["other.com"]
    # Six requests spent: of its domain's 20 a second, in bursts of 3, and of its own 10 a second, in bursts of 2.
    assert turns.next_time() == pytest.approx(0.2)
    assert taken(turns, 0.2) == ["b.shop.com"]
    assert turns.next_time() == pytest.approx(0.5)
    assert taken(turns, 0.5) == ["again"]


def test_a_host_that_asks_for_a_pause_gets_it_and_others_go_on() -> None:
    turns = schedule()
    turns.add("1.1.1.1", "a0")
    turn = turns.take(0.0)
    assert turn is not None
    turns.pause(turn[1], 5.0)
    turns.give_back(turn[1])
    turns.add("1.1.1.1", "a1")
    turns.add("2.2.2.2", "b0")
    assert taken(turns, 0.0) == ["b0"]
    assert turns.next_time() == 5.0
    assert taken(turns, 4.999) == []
    assert taken(turns, 5.0) == ["a1"]


def test_a_job_for_later_comes_first_at_its_host_when_its_time_has_come() -> None:
    turns = schedule(host=Pace(1, None))
    turns.add_later(3.0, "1.1.1.1", "again")
    assert taken(turns, 2.9) == []
    turns.add("1.1.1.1", "new")
    turns.add("1.1.1.1", "newer")
    assert turns.next_time() == 3.0
    assert taken(turns, 3.0) == ["again"]


def ended(turns: Schedule[str], job: str, now: float, *, healthy: bool) -> Lane:
    turns.add("1.1.1.1", job)
    turn = turns.take(now)
    assert turn is not None
    assert turn[0] == job
    turns.record(turn[1], now, healthy=healthy)
    turns.give_back(turn[1])
    return turn[1]


def test_failures_in_a_row_suspend_a_host_and_one_success_forgives_them() -> None:
    turns = schedule(failures=3, suspended_s=60.0)
    for healthy in (False, False, True, False, False):
        lane = ended(turns, "x", 0.0, healthy=healthy)
        assert not turns.is_suspended(lane, 0.0)
    lane = ended(turns, "x", 0.0, healthy=False)
    assert turns.is_suspended(lane, 59.9)
    assert not turns.is_suspended(lane, 60.0)


def test_a_failure_that_began_before_the_last_sign_of_life_does_not_count() -> None:
    turns = schedule(failures=2)
    lane = ended(turns, "x", 10.0, healthy=True)
    for _ in range(5):
        turns.record(lane, 20.0, healthy=False, since=9.0)
    assert not turns.is_suspended(lane, 20.0)
    for _ in range(2):
        turns.record(lane, 20.0, healthy=False, since=11.0)
    assert turns.is_suspended(lane, 20.0)


def test_after_a_suspension_one_request_at_a_time_tries_the_host() -> None:
    turns = schedule(host=Pace(4, None), failures=1, suspended_s=60.0)
    lane = ended(turns, "x", 0.0, healthy=False)
    for n in range(4):
        turns.add("1.1.1.1", f"a{n}")
    assert taken(turns, 60.0) == ["a0"]
    turns.record(lane, 60.0, healthy=True)
    turns.give_back(lane)
    assert taken(turns, 60.0) == ["a1", "a2", "a3"]


def test_what_is_queued_for_a_suspended_host_is_handed_out_at_once_to_be_turned_away() -> None:
    turns = schedule(host=Pace(4, 1.0), failures=1, suspended_s=60.0)
    lane = ended(turns, "x", 0.0, healthy=False)
    for n in range(50):
        turns.add("1.1.1.1", f"a{n}")
    handed = 0
    while (turn := turns.take(1.0)) is not None:
        assert turns.is_suspended(turn[1], 1.0)
        turns.give_back(turn[1])
        handed += 1
    assert handed == 50
    assert lane.is_idle


def test_hosts_without_anything_to_do_are_forgotten_when_there_are_too_many() -> None:
    turns = schedule(kept=100)
    for n in range(10_000):
        turns.add(f"h{n}.shop{n % 7}.com", "x")
        turn = turns.take(0.0)
        assert turn is not None
        turns.give_back(turn[1])
    assert turns.hosts <= 100


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    per_host=st.integers(1, 3),
    per_domain=st.integers(3, 5),
    rate=st.sampled_from([None, 5.0, 50.0]),
    workers=st.integers(1, 12),
)
def test_limits_hold_and_every_job_has_its_turn_however_things_go(
    seed: int, per_host: int, per_domain: int, rate: float | None, workers: int
) -> None:
    luck = random.Random(seed)  # noqa: S311 - a different course of events for each example
    turns = schedule(host=Pace(per_host, rate), domain=Pace(per_domain, rate and rate * 2), failures=4, suspended_s=2.0)
    hosts = [f"h{n}.d{n % 3}.com" for n in range(9)] + ["9.9.9.9"]
    waiting = {f"job{n}": luck.choice(hosts) for n in range(150)}
    for job, host in waiting.items():
        if luck.random() < 0.2:
            turns.add_later(luck.uniform(0, 3), host, job)
        else:
            turns.add(host, job, front=luck.random() < 0.1)
    now, done = 0.0, Counter[str]()
    under_way: list[tuple[float, str, Lane]] = []
    by_host, by_domain = Counter[str](), Counter[str]()
    for _ in range(100_000):
        turn = turns.take(now) if len(under_way) < workers else None
        if turn is not None:
            job, lane = turn
            assert waiting[job] == lane.host
            by_host[lane.host] += 1
            by_domain[lane.domain_name] += 1
            assert by_host[lane.host] <= per_host
            assert by_domain[lane.domain_name] <= per_domain
            quick = turns.is_suspended(lane, now)
            under_way.append((now + (0 if quick else luck.expovariate(3)), job, lane))
            continue
        ends = min((when for when, *_ in under_way), default=None)
        opens = turns.next_time() if len(under_way) < workers else None
        if ends is None and opens is None:
            break
        if ends is not None and (opens is None or ends <= opens):
            now = max(now, ends)
            first = min(under_way, key=lambda item: item[0])
            under_way.remove(first)
            _, job, lane = first
            by_host[lane.host] -= 1
            by_domain[lane.domain_name] -= 1
            if not turns.is_suspended(lane, now):
                turns.record(lane, now, healthy=luck.random() < 0.7)
            if luck.random() < 0.05:
                turns.pause(lane, now + luck.uniform(0, 2))
            if luck.random() < 0.2:
                turns.spend(lane, now, requests=luck.randint(1, 8))
            done[job] += 1
            turns.give_back(lane)
        else:
            assert opens is not None
            now = max(now, opens)
    assert set(done) == set(waiting)
    assert set(done.values()) == {1}
