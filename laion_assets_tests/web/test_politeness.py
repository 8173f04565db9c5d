"""What hosts see of us: never too many at once, never too often, and gone when asked to go."""

import asyncio
import random
import time
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import pairwise

import pytest

from laion_assets.web.client import GuardedClient
from laion_assets.web.exchange import read_retry_after
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, Request
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, Handler, Seen, Site, a, always, plain, ranged, serve, serve_names

OPEN = WebSpec(allow_networks=LOOPBACK)


def changed(**settings: object) -> WebSpec:
    return WebSpec.model_validate({"allow_networks": LOOPBACK, "backoff_s": 0.01, **settings})


async def all_of(client: GuardedClient, urls: Iterable[str]) -> dict[str, Answer]:
    answers = {}
    async for request, answer in client.answers(Request(url, max_bytes=10**6) for url in urls):
        assert request.url not in answers, "answered twice"
        answers[request.url] = answer
    return answers


def after(seconds: float, answer: bytes = plain(200, body=b"x")) -> Handler:
    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(answer)
        await writer.drain()

    return handler


@pytest.mark.both_loops
def test_a_host_never_sees_more_of_us_at_once_than_agreed(run: Run[Site]) -> None:
    site: Site

    hosts = [f"127.0.0.{n}" for n in range(1, 6)]

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.005)
        number = int(seen.path[1:])
        if number % 5 == 0:
            # Redirects and retries arrive at hosts that are busy already.
            there = f"http://{hosts[number % 3]}:{site.port}/{number + 1}"
            writer.write(plain(302, [("Location", there)]))
        elif number % 7 == 0:
            writer.write(plain(503))
        else:
            writer.write(plain(200, body=b"x"))
        await writer.drain()

    async def main() -> Site:
        nonlocal site
        async with (
            serve(handler, addresses=hosts) as site,
            GuardedClient(changed(per_host=3, concurrency=64)) as client,
        ):
            urls = [site.url(f"/{n}", host=hosts[n % 5 if n % 2 else 0]) for n in range(300)]
            answers = await all_of(client, urls)
            assert len(answers) == 300
            return site

    site = run(main())
    assert set(site.most_at_once) == set(hosts)
    assert max(site.most_at_once.values()) == 3


def test_all_hosts_together_never_see_more_of_us_than_agreed(run: Run[int]) -> None:
    site: Site

    hosts = [f"127.0.0.{n}" for n in range(1, 21)]
    most = 0

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, sum(site.under_way.values()))
        await asyncio.sleep(0.005)
        writer.write(plain(200))
        await writer.drain()

    async def main() -> int:
        nonlocal site
        async with serve(handler, addresses=hosts) as site, GuardedClient(changed(concurrency=10)) as client:
            await all_of(client, [site.url(f"/{n}", host=hosts[n % 20]) for n in range(200)])
            return most

    assert run(main()) == 10


def test_all_hosts_of_a_domain_share_its_limit(run: Run[int]) -> None:
    site: Site

    most = 0

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, sum(site.under_way.values()))
        await asyncio.sleep(0.01)
        writer.write(plain(200))
        await writer.drain()

    async def main() -> int:
        nonlocal site
        async with serve(handler) as site, serve_names(lambda name, _, __: [a(name, "127.0.0.1")]) as names:
            spec = changed(
                nameservers=(names.address,),
                per_host=2,
                per_domain=5,
                host_requests_per_s=None,
                domain_requests_per_s=None,
            )
            async with GuardedClient(spec) as client:
                await all_of(client, [f"http://img{n % 10}.shop.co.uk:{site.port}/{n}" for n in range(100)])
            return most

    assert run(main()) == 5


@pytest.mark.parametrize("ranges", [1, 2])
def test_a_host_is_not_asked_more_often_than_agreed_be_it_for_further_ranges(
    run: Run[list[float]], ranges: int
) -> None:
    times: list[float] = []
    file = ranged(b"12345678")

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        await file(seen, writer)

    def more(prefix: bytes, _: bool) -> int | None:  # noqa: FBT001 - the client's signature
        return None if len(prefix) == 8 else 8

    async def main() -> list[float]:
        async with serve(handler) as site, serve_names(lambda name, _, __: [a(name, "127.0.0.1")]) as names:
            spec = changed(nameservers=(names.address,), per_host=2, host_requests_per_s=40.0)
            urls = [f"http://slow.example:{site.port}/{n}" for n in range(20 // ranges)]
            async with GuardedClient(spec) as client:
                wanted = (Request(url, more=more, first_bytes=8 // ranges) for url in urls)
                async for _, answer in client.answers(wanted):
                    assert answer.requests == ranges
            return times

    times = run(main())
    assert len(times) == 20
    # Two at once to begin with, then one every 25 ms: 0.45 s, of which a slow first connection may hide a little.
    assert times[-1] - times[0] >= 0.3


def test_a_host_that_many_others_redirect_to_is_not_asked_more_often_than_agreed(run: Run[list[float]]) -> None:
    times: list[float] = []

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        host = seen.header("Host") or ""
        if host.startswith("cdn.example"):
            times.append(time.monotonic())
            writer.write(plain(200))
        else:
            writer.write(plain(302, [("Location", f"http://cdn.example:{host.split(':')[1]}{seen.path}")]))
        await writer.drain()

    async def main() -> list[float]:
        async with serve(handler) as site, serve_names(lambda name, _, __: [a(name, "127.0.0.1")]) as names:
            spec = changed(nameservers=(names.address,), per_host=2, host_requests_per_s=40.0)
            async with GuardedClient(spec) as client:
                await all_of(client, [f"http://shop{n}.example:{site.port}/{n}" for n in range(20)])
            return times

    times = run(main())
    assert len(times) == 20
    assert times[-1] - times[0] >= 0.3


def test_one_shop_with_every_seventh_url_does_not_hold_up_the_others(run: Run[list[str]]) -> None:
    others_are_done = asyncio.Event()

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.address == "127.0.0.9":
            await others_are_done.wait()
        writer.write(plain(200))
        await writer.drain()

    async def main() -> list[str]:
        async with serve(handler, addresses=["127.0.0.9", "127.0.0.1", "127.0.0.2"]) as site:
            order: list[str] = []
            urls = [site.url(f"/{n}", host="127.0.0.9") for n in range(40)]
            urls += [site.url(f"/{n}", host=f"127.0.0.{1 + n % 2}") for n in range(240)]
            async with GuardedClient(changed(per_host=2, concurrency=6)) as client:
                async for _, answer in client.answers(Request(url) for url in urls):
                    assert answer.final_host is not None
                    order.append(answer.final_host)
                    if len(order) == 240:
                        others_are_done.set()
            return order

    order = run(main())
    assert set(order[:240]) == {"127.0.0.1", "127.0.0.2"}
    assert order[240:] == ["127.0.0.9"] * 40


def sends_the_first_away(status: int, times: list[float]) -> Handler:
    """Asks to come back in a second, and writes down when it was asked."""

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        writer.write(plain(status, [("Retry-After", "1")]) if len(times) == 1 else plain(200))
        await writer.drain()

    return handler


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_says_when_to_come_back_is_left_alone_until_then(
    run: Run[tuple[list[Answer], list[float]]], status: int
) -> None:
    times: list[float] = []

    async def main() -> tuple[list[Answer], list[float]]:
        async with serve(sends_the_first_away(status, times)) as site, GuardedClient(changed(per_host=1)) as client:
            return list((await all_of(client, [site.url(f"/{n}") for n in range(5)])).values()), times

    answers, times = run(main())
    assert [answer.outcome for answer in answers] == [Outcome.OK] * 5
    assert len(times) == 6
    assert times[1] - times[0] >= 0.99, "nobody else was sent there either"
    assert min(answer.seconds for answer in answers) < 0.9, "waiting one's turn is not spent on the URL"


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_says_so_on_our_last_try_is_left_alone_as_well(
    run: Run[tuple[list[Outcome], list[float]]], status: int
) -> None:
    times: list[float] = []

    async def main() -> tuple[list[Outcome], list[float]]:
        spec = changed(per_host=1, attempts=1)
        async with serve(sends_the_first_away(status, times)) as site, GuardedClient(spec) as client:
            answers = await all_of(client, [site.url("/1"), site.url("/2")])
            return [answers[site.url(path)].outcome for path in ("/1", "/2")], times

    (first, second), times = run(main())
    assert first is (Outcome.RATE_LIMITED if status == 429 else Outcome.SERVER_ERROR)
    assert second is Outcome.OK
    assert len(times) == 2
    assert times[1] - times[0] >= 0.99


class Dice(random.Random):
    """Always falls on the ceiling, and remembers between what it was thrown."""

    def __init__(self) -> None:
        super().__init__()
        self.thrown: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.thrown.append((a, b))
        return b


def test_waits_between_tries_are_drawn_below_a_ceiling_that_doubles_up_to_its_own(
    run: Run[tuple[list[tuple[float, float]], list[float]]],
) -> None:
    times: list[float] = []

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        writer.write(plain(500))
        await writer.drain()

    async def main() -> tuple[list[tuple[float, float]], list[float]]:
        spec = changed(attempts=5, backoff_s=0.05, max_backoff_s=0.15)
        async with serve(handler) as site, GuardedClient(spec) as client:
            client._random = dice = Dice()
            assert (await client.fetch(site.url())).outcome is Outcome.SERVER_ERROR
            return dice.thrown, times

    thrown, times = run(main())
    ceilings = [0.05, 0.1, 0.15, 0.15]
    # From zero on, so that those who failed together do not come back together.
    assert [low for low, _ in thrown[:4]] == [0] * 4
    assert [ceiling for _, ceiling in thrown[:4]] == pytest.approx(ceilings)
    waited = [later - earlier for earlier, later in pairwise(times)]
    assert len(waited) == 4
    assert all(wait >= ceiling - 0.01 for wait, ceiling in zip(waited, ceilings, strict=True)), waited


def test_a_longer_wait_than_ours_ends_the_url_and_suspends_the_host(run: Run[tuple[list[Answer], int]]) -> None:
    async def main() -> tuple[list[Answer], int]:
        busy = always(plain(429, [("Retry-After", "3600")]))
        async with serve(busy) as site, GuardedClient(changed(per_host=1, max_retry_after_s=5)) as client:
            answers = await all_of(client, [site.url(f"/{n}") for n in range(5)])
            return list(answers.values()), len(site.seen)

    answers, asked = run(main())
    assert asked == 1
    outcomes = sorted(answer.outcome.value for answer in answers)
    assert outcomes == ["host_suspended"] * 4 + ["rate_limited"]
    assert [answer.requests for answer in answers if answer.outcome is Outcome.HOST_SUSPENDED] == [0] * 4


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("120", 120), (" 7 ", 7), ("-1", None), ("soon", None), ("1.5", None), ("", None), (None, None)],
)
def test_retry_after_is_read_as_seconds(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    later = datetime.now(timezone.utc) + timedelta(seconds=90)
    earlier = datetime.now(timezone.utc) - timedelta(days=400)
    assert read_retry_after(format_datetime(later, usegmt=True)) == pytest.approx(90, abs=2)
    assert read_retry_after(format_datetime(earlier, usegmt=True)) == 0
    assert read_retry_after("Wed, 99 Foo 2026 25:61:00 GMT") is None
    assert read_retry_after("9" * 400) == 999_999_999


@pytest.mark.parametrize(
    ("status", "requests"), [(500, 3), (502, 3), (503, 3), (429, 3), (404, 1), (403, 1), (400, 1), (451, 1)]
)
def test_only_what_asking_again_can_change_is_asked_again(run: Run[Answer], status: int, requests: int) -> None:
    async def main() -> Answer:
        async with serve(always(plain(status))) as site, GuardedClient(changed(attempts=3)) as client:
            return await client.fetch(site.url())

    assert run(main()).requests == requests


def test_a_new_connection_that_ends_without_an_answer_is_one_try(run: Run[tuple[Answer, int]]) -> None:
    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> tuple[Answer, int]:
        async with serve(handler) as site, GuardedClient(changed(attempts=3)) as client:
            return await client.fetch(site.url()), len(site.seen)

    answer, seen = run(main())
    assert (answer.outcome, answer.requests, seen) == (Outcome.CONNECTION_LOST, 3, 3)


def test_a_url_that_works_on_the_second_try_is_ok(run: Run[Answer]) -> None:
    site: Site

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(plain(503) if len(site.seen) == 1 else plain(200, body=b"at last"))
        await writer.drain()

    async def main() -> Answer:
        nonlocal site
        async with serve(handler) as site, GuardedClient(changed()) as client:
            return await client.fetch(site.url())

    answer = run(main())
    assert (answer.outcome, answer.body, answer.requests, answer.http_status) == (Outcome.OK, b"at last", 2, 200)


def test_redirects_on_the_way_do_not_use_up_the_tries(run: Run[Answer]) -> None:
    site: Site

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.path != "/c":
            writer.write(plain(302, [("Location", {"/a": "/b", "/b": "/c"}[seen.path])]))
        else:
            writer.write(plain(503) if site.paths.count("/c") == 1 else plain(200, body=b"at last"))
        await writer.drain()

    async def main() -> Answer:
        nonlocal site
        async with serve(handler) as site, GuardedClient(changed(attempts=2)) as client:
            return await client.fetch(site.url("/a"))

    answer = run(main())
    assert (answer.outcome, answer.requests) == (Outcome.OK, 4)


def test_all_tries_together_keep_to_one_deadline(run: Run[Answer]) -> None:
    async def main() -> Answer:
        spec = changed(deadline_s=0.6, first_byte_s=0.25, attempts=10)
        async with serve(after(30)) as site, GuardedClient(spec) as client:
            return await client.fetch(site.url())

    answer = run(main())
    assert answer.outcome is Outcome.TIMED_OUT
    assert answer.requests in {2, 3}
    assert 0.55 < answer.seconds < 1.0


def test_a_host_that_keeps_failing_is_left_alone_and_then_tried_carefully(
    run: Run[tuple[list[Outcome], int, list[Outcome], int]],
) -> None:
    broken = True

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(plain(500) if broken else plain(200))
        await writer.drain()

    async def main() -> tuple[list[Outcome], int, list[Outcome], int]:
        nonlocal broken
        spec = changed(attempts=1, breaker_failures=4, breaker_s=2, per_host=1)
        async with serve(handler, addresses=["127.0.0.1", "127.0.0.2"]) as site, GuardedClient(spec) as client:
            first = await all_of(client, [site.url(f"/{n}") for n in range(20)])
            asked = len(site.seen)
            elsewhere = await client.fetch(site.url("/", host="127.0.0.2"))
            assert elsewhere.outcome is Outcome.SERVER_ERROR, "another host is another matter"
            await asyncio.sleep(2.1)
            broken = False
            second = await all_of(client, [site.url(f"/{n}") for n in range(20)])
            return (
                [answer.outcome for answer in first.values()],
                asked,
                [answer.outcome for answer in second.values()],
                len(site.seen),
            )

    first, asked, second, all_asked = run(main())
    assert first.count(Outcome.SERVER_ERROR) == 4
    assert first.count(Outcome.HOST_SUSPENDED) == 16
    assert asked == 4
    assert second == [Outcome.OK] * 20
    assert all_asked == 4 + 1 + 20


def test_a_url_that_was_asked_ends_with_what_came_of_it_though_its_host_is_suspended_by_then(
    run: Run[list[Answer]],
) -> None:
    async def main() -> list[Answer]:
        spec = changed(attempts=3, breaker_failures=1, per_host=1, backoff_s=0.5)
        async with serve(always(plain(500))) as site, GuardedClient(spec) as client:
            return list((await all_of(client, [site.url(f"/{n}") for n in range(6)])).values())

    answers = run(main())
    for answer in answers:
        assert (answer.outcome is Outcome.HOST_SUSPENDED) == (answer.requests == 0), answer
        assert (answer.outcome is Outcome.SERVER_ERROR) == (answer.requests > 0), answer


def test_missing_files_are_no_sign_of_a_sick_host(run: Run[set[Outcome]]) -> None:
    async def main() -> set[Outcome]:
        async with serve(always(plain(404))) as site, GuardedClient(changed(breaker_failures=2)) as client:
            answers = await all_of(client, [site.url(f"/{n}") for n in range(50)])
            return {answer.outcome for answer in answers.values()}

    assert run(main()) == {Outcome.NOT_FOUND}
