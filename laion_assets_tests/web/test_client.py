"""Many URLs at once: each answered once, with bounded memory, and nothing left when it ends."""

import asyncio
import gc
import resource
from collections.abc import Iterator

import psutil
import pytest

from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, Request
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, Seen, Site, always, eventually, plain, ranged, serve
from laion_assets_tests.web.test_faults import FAULTS

OPEN = WebSpec(allow_networks=LOOPBACK, attempts=1)


def test_every_request_has_exactly_one_answer_also_those_that_cannot_be_asked(run: Run[dict[object, Answer]]) -> None:
    async def main() -> dict[object, Answer]:
        answers: dict[object, Answer] = {}
        async with serve(ranged(bytes(10_000))) as site, GuardedClient(OPEN) as client:
            urls = [site.url("/same")] * 50 + ["", "http://", "ftp://x/", "http://10.0.0.1/"] * 5 + [site.url("/end")]
            requests = [Request(url, key=n, more=lambda _, __: None) for n, url in enumerate(urls)]
            async for request, answer in client.answers(requests):
                assert request.key not in answers
                answers[request.key] = answer
        return answers

    answers = run(main())
    assert set(answers) == set(range(71))
    assert sum(answer.outcome is Outcome.OK for answer in answers.values()) == 51
    assert sum(answer.outcome is Outcome.INVALID_URL for answer in answers.values()) == 15
    assert sum(answer.outcome is Outcome.BLOCKED_ADDRESS for answer in answers.values()) == 5


def test_no_requests_are_no_answers(run: Run[list[object]]) -> None:
    async def main() -> list[object]:
        async with GuardedClient() as client:
            return [pair async for pair in client.answers([])]

    assert run(main()) == []


def test_an_endless_stream_is_taken_in_only_so_far_ahead(run: Run[int]) -> None:
    taken = 0

    def endless(site: Site) -> Iterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield Request(site.url(f"/{taken}"))

    async def main() -> int:
        furthest = 0
        spec = WebSpec(allow_networks=LOOPBACK, lookahead=50)
        async with serve(always(plain(200, body=b"x"))) as site, GuardedClient(spec) as client:
            answered = 0
            stream = client.answers(endless(site))
            async for _ in stream:
                answered += 1
                furthest = max(furthest, taken - answered)
                if answered == 500:
                    break
            await stream.aclose()
        return furthest

    assert run(main()) <= 50


@pytest.mark.both_loops
def test_leaving_a_stream_early_gives_up_what_was_under_way(run: Run[None]) -> None:
    async def slow(_: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)
        writer.close()

    async def main() -> None:
        async with serve(slow) as site, GuardedClient(OPEN) as client:
            asking = asyncio.ensure_future(anext(client.answers([Request(site.url(f"/{n}")) for n in range(100)])))
            await eventually(lambda: site.connections > 0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await eventually(lambda: not client._live and not client._workers)

    run(main())


@pytest.mark.both_loops
def test_giving_up_on_one_url_frees_its_place_for_the_next(run: Run[Answer]) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.path == "/slow":
            await asyncio.sleep(30)
        writer.write(plain(200, body=b"x"))
        await writer.drain()

    async def main() -> Answer:
        spec = WebSpec(allow_networks=LOOPBACK, per_host=1, concurrency=1)
        async with serve(handler) as site, GuardedClient(spec) as client:
            slow = asyncio.create_task(client.fetch(site.url("/slow")))
            await eventually(lambda: site.paths == ["/slow"])
            queued = asyncio.create_task(client.fetch(site.url("/queued")))
            fast = asyncio.create_task(client.fetch(site.url("/fast")))
            await eventually(lambda: len(client._live) == 3)
            slow.cancel()
            queued.cancel()
            answer = await asyncio.wait_for(fast, 20)
            assert "/queued" not in site.paths
            return answer

    assert run(main()).outcome is Outcome.OK


@pytest.mark.both_loops
def test_closing_ends_what_is_under_way_with_an_answer(run: Run[list[Answer]]) -> None:
    async def slow(_: Seen, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def main() -> list[Answer]:
        async with serve(slow) as site:
            async with GuardedClient(OPEN) as client:
                tasks = [asyncio.create_task(client.fetch(site.url(f"/{n}"))) for n in range(20)]
                await eventually(lambda: site.seen)
            return list(await asyncio.gather(*tasks))

    answers = run(main())
    assert {answer.outcome for answer in answers} == {Outcome.FAILED_HERE}
    assert answers[0].error == "the client was closed before it was asked to the end"


def test_a_closed_client_says_so(run: Run[None]) -> None:
    async def main() -> None:
        client = GuardedClient(OPEN)
        with pytest.raises(RuntimeError, match="closed"):
            await client.fetch("http://example.com/")
        async with client:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await client.fetch("http://example.com/")

    run(main())


def test_a_source_that_fails_fails_the_stream_and_nothing_else(run: Run[None]) -> None:
    def broken(site: Site) -> Iterator[Request]:
        yield Request(site.url("/1"))
        raise ValueError("no more rows")

    async def main() -> None:
        async with serve(always(plain(200, body=b"x"))) as site, GuardedClient(OPEN) as client:
            with pytest.raises(ValueError, match="no more rows"):
                _ = [pair async for pair in client.answers(broken(site))]
            assert (await client.fetch(site.url("/2"))).outcome is Outcome.OK

    run(main())


def test_two_streams_share_one_client_and_its_limits(run: Run[int]) -> None:
    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.002)
        writer.write(plain(200, body=b"x"))
        await writer.drain()

    async def main() -> int:
        spec = WebSpec(allow_networks=LOOPBACK, per_host=3)
        async with serve(handler) as site, GuardedClient(spec) as client:

            async def stream(name: str) -> int:
                requests = [Request(site.url(f"/{name}{n}")) for n in range(100)]
                return len([1 async for _ in client.answers(requests)])

            assert list(await asyncio.gather(stream("a"), stream("b"))) == [100, 100]
            return site.most_at_once["127.0.0.1"]

    assert run(main()) == 3


def test_bodies_nobody_picks_up_do_not_pile_up(run: Run[tuple[int, int]]) -> None:
    async def main() -> tuple[int, int]:
        spec = WebSpec(allow_networks=LOOPBACK, unread_bytes=1_000_000, per_host=4)
        async with serve(always(plain(200, body=bytes(100_000)))) as site, GuardedClient(spec) as client:
            stream = client.answers(Request(site.url(f"/{n}")) for n in range(200))
            await anext(stream)
            await asyncio.sleep(0.3)
            asked = len(site.seen)
            return asked, 1 + len([1 async for _ in stream])

    asked, answered = run(main())
    # Ten fill the store; those under way when it was full come on top.
    assert 10 <= asked <= 10 + 1 + 4
    assert answered == 200


def test_a_url_awaited_while_bodies_wait_to_be_picked_up_is_asked_all_the_same(run: Run[int]) -> None:
    async def main() -> int:
        spec = WebSpec(allow_networks=LOOPBACK, unread_bytes=1)
        answered = 0
        async with serve(always(plain(200, body=bytes(1000)))) as site, GuardedClient(spec) as client:
            async for _ in client.answers(Request(site.url(f"/{n}")) for n in range(20)):
                assert (await client.fetch(site.url("/on-the-side"))).outcome is Outcome.OK
                answered += 1
        return answered

    assert run(main()) == 20


def test_memory_and_descriptors_stay_flat_over_thousands_of_faults(run: Run[tuple[float, int]]) -> None:
    """All faults at once, again and again: what the first hundreds needed is enough for the rest."""
    hosts = [f"127.0.0.{n}" for n in range(1, 41)]
    stalling = {"hangs", "hangs in the headers", "hangs in the body", "drips headers", "drips a body"}
    writes = [write for name, write, *_ in FAULTS if name not in stalling]

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(writes[int(seen.path[1:]) % len(writes)](writer), 5)
        writer.close()
        await writer.wait_closed()

    async def main() -> tuple[float, int]:
        process = psutil.Process()
        spec = WebSpec(
            allow_networks=LOOPBACK, attempts=1, deadline_s=3.0, first_byte_s=0.3, breaker_failures=10**6, lookahead=200
        )
        memory, descriptors = [], []
        async with serve(handler, addresses=hosts) as site, GuardedClient(spec) as client:
            for _ in range(3):
                requests = (
                    Request(site.url(f"/{n}", host=hosts[n % len(hosts)]), max_bytes=200_000) for n in range(700)
                )
                outcomes = [answer.outcome async for _, answer in client.answers(requests)]
                assert len(outcomes) == 700
                assert Outcome.FAILED_HERE not in outcomes
                site.seen.clear()
                gc.collect()
                memory.append(process.memory_info().rss / 2**20)
                descriptors.append(process.num_fds())
            assert not client._live
        return memory[-1] - memory[0], max(descriptors)

    grown_mib, descriptors = run(main())
    assert grown_mib < 30
    assert descriptors < 1000


def test_the_limit_of_descriptors_is_raised_within_what_the_system_allows(run: Run[int]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> int:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        async with GuardedClient():
            return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    try:
        assert run(main()) >= min(16_384, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
