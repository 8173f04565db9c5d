"""A dead name is link rot, a sick resolver is ours, and no name talks us into a private address."""

import asyncio
import socket
from collections.abc import Callable

import dnslib
import pytest

from laion_assets.web import resolver as resolver_module
from laion_assets.web.address import AddressGuard
from laion_assets.web.client import GuardedClient
from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, Request
from laion_assets.web.resolver import GuardedResolver
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, Zone, a, always, plain, serve, serve_names

NXDOMAIN, SERVFAIL, REFUSED, NOTIMP = 3, 2, 5, 4


def resolving(host: str, zone: Zone, *, allow: tuple[str, ...] = ()) -> Callable[[], "asyncio.Future[list[str]]"]:
    async def main() -> list[str]:
        async with serve_names(zone) as names:
            resolver = GuardedResolver(AddressGuard(allow), nameservers=[names.address], timeout_s=1.0)
            try:
                return [result["host"] for result in await resolver.resolve(host, 80)]
            finally:
                await resolver.close()

    return main  # type: ignore[return-value]


def failing(run: Run[list[str]], host: str, zone: Zone, *, allow: tuple[str, ...] = ()) -> Failure:
    with pytest.raises(Failure) as failure:
        run(resolving(host, zone, allow=allow)())  # type: ignore[arg-type]
    return failure.value


def only(*records: dnslib.RR) -> Zone:
    """A zone that has these records for every question of their type."""
    return lambda _, kind, __: [record for record in records if dnslib.QTYPE[record.rtype] in {kind, "CNAME"}]


def test_a_name_is_resolved_by_the_configured_server_and_port(run: Run[list[str]]) -> None:
    zone = only(a("img.example", "93.184.216.34"), a("img.example", "93.184.216.35"))
    assert sorted(run(resolving("img.example", zone)())) == ["93.184.216.34", "93.184.216.35"]  # type: ignore[arg-type]


def test_aliases_are_followed(run: Run[list[str]]) -> None:
    alias = dnslib.RR("img.example", dnslib.QTYPE.CNAME, rdata=dnslib.CNAME("cdn.example"), ttl=60)
    assert run(resolving("img.example", only(alias, a("cdn.example", "93.184.216.34")))()) == ["93.184.216.34"]  # type: ignore[arg-type]


@pytest.mark.both_loops
@pytest.mark.parametrize(
    ("zone", "outcome", "finding"),
    [
        (lambda *_: NXDOMAIN, Outcome.DNS_FAILED, "no such name"),
        (lambda *_: [], Outcome.DNS_FAILED, "the name has no address"),
        (lambda *_: SERVFAIL, Outcome.RESOLVER_FAILED, ""),
        (lambda *_: REFUSED, Outcome.RESOLVER_FAILED, ""),
        (lambda *_: NOTIMP, Outcome.RESOLVER_FAILED, ""),
        (lambda *_: None, Outcome.RESOLVER_FAILED, ""),
    ],
    ids=["no such name", "no address", "server failure", "refused", "not implemented", "silence"],
)
def test_a_dead_name_and_a_sick_resolver_are_told_apart(
    run: Run[list[str]], zone: Zone, outcome: Outcome, finding: str
) -> None:
    failure = failing(run, "img.example", zone)
    assert failure.outcome is outcome
    assert "img.example" in failure.error
    assert finding in failure.error


def test_no_server_at_all_is_a_sick_resolver(run: Run[Answer]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def main() -> Answer:
        spec = WebSpec(nameservers=(f"127.0.0.1:{port}",), dns_s=0.5, attempts=1)
        async with GuardedClient(spec) as client:
            return await client.fetch("http://img.example/a.jpg")

    answer = run(main())
    assert (answer.outcome, answer.requests) == (Outcome.RESOLVER_FAILED, 0)


def test_a_sick_resolver_is_asked_again_and_a_dead_name_is_not(run: Run[tuple[Answer, Answer, list[str]]]) -> None:
    def zone(name: str, kind: str, nth: int) -> "list[dnslib.RR] | int":
        if name == "dead.example":
            return NXDOMAIN
        # c-ares asks three times by itself; the fourth question is ours.
        if nth < 3:
            return SERVFAIL
        return [a(name, "127.0.0.1")] if kind == "A" else []

    async def main() -> tuple[Answer, Answer, list[str]]:
        async with serve(always(plain(200, body=b"x"))) as site, serve_names(zone) as names:
            spec = WebSpec(allow_networks=LOOPBACK, nameservers=(names.address,), dns_s=2, backoff_s=0.01)
            async with GuardedClient(spec) as client:
                sick = await client.fetch(f"http://sick.example:{site.port}/")
                dead = await client.fetch(f"http://dead.example:{site.port}/")
                return sick, dead, [name for name, kind in names.questions if kind == "A"]

    sick, dead, questions = run(main())
    assert sick.outcome is Outcome.OK
    assert dead.outcome is Outcome.DNS_FAILED
    assert questions.count("dead.example") == 1


PRIVATE = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "0.0.0.0", "100.64.1.1", "224.0.0.1"]  # noqa: S104


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_refused(run: Run[list[str]], address: str) -> None:
    failure = failing(run, "rebind.example", only(a("rebind.example", address)))
    assert failure.outcome is Outcome.BLOCKED_ADDRESS
    assert failure.error.startswith(f"rebind.example resolves to {address} is ")


def test_one_private_address_among_public_ones_is_enough_to_refuse(run: Run[list[str]]) -> None:
    zone = only(a("mixed.example", "93.184.216.34"), a("mixed.example", "10.0.0.1"))
    assert failing(run, "mixed.example", zone).outcome is Outcome.BLOCKED_ADDRESS


@pytest.mark.parametrize("address", ["::1", "::ffff:7f00:1", "64:ff9b::7f00:1", "fe80::1", "fd00::1"])
def test_a_private_ipv6_address_is_refused(run: Run[list[str]], address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "_has_ipv6_route", lambda: True)
    failure = failing(run, "v6.example", only(a("v6.example", address), a("v6.example", "93.184.216.34")))
    assert failure.outcome is Outcome.BLOCKED_ADDRESS


def test_a_name_with_only_ipv6_is_out_of_our_reach_and_not_dead(
    run: Run[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "_has_ipv6_route", lambda: False)
    failure = failing(run, "v6.example", only(a("v6.example", "2606:4700::1111")))
    assert (failure.outcome, failure.error) == (
        Outcome.NETWORK_UNREACHABLE,
        "v6.example has only IPv6 addresses, and this machine no route to them",
    )


def test_a_zone_that_fails_for_one_kind_of_address_is_used_for_the_other(
    run: Run[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "_has_ipv6_route", lambda: True)

    def zone(name: str, kind: str, _: int) -> "list[dnslib.RR] | int":
        return [a(name, "93.184.216.34")] if kind == "A" else SERVFAIL

    assert run(resolving("half.example", zone)()) == ["93.184.216.34"]  # type: ignore[arg-type]


def test_localhost_is_never_asked_of_a_name_server(run: Run[list[str]]) -> None:
    failure = failing(run, "localhost", lambda *_: [a("localhost", "93.184.216.34")])
    assert failure.outcome is Outcome.BLOCKED_ADDRESS


@pytest.mark.both_loops
def test_rebinding_between_check_and_connection_does_not_get_through(
    run: Run[tuple[list[Answer], int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question about a name is answered with the other address; what was judged is what is connected to."""
    monkeypatch.setattr(resolver_module, "MIN_TTL_S", 0.0)

    def zone(name: str, kind: str, nth: int) -> list[dnslib.RR]:
        return [a(name, ("127.0.0.1", "127.0.0.2")[nth % 2], ttl=0)] if kind == "A" else []

    async def main() -> tuple[list[Answer], int, int]:
        secret = always(plain(200, body=b"secret"), then_close=True)
        async with serve(secret, addresses=("127.0.0.1", "127.0.0.2")) as site, serve_names(zone) as names:
            spec = WebSpec(
                allow_networks=("127.0.0.1/32",),
                nameservers=(names.address,),
                dns_s=60.0,  # a question asked again, on a busy machine, would be one more turn
                host_requests_per_s=None,
                domain_requests_per_s=None,
            )
            async with GuardedClient(spec) as client:
                answers = [await client.fetch(f"http://n{n % 3}.example:{site.port}/") for n in range(30)]
            private = sum(seen.address == "127.0.0.2" for seen in site.seen)
            return answers, private, len(names.questions)

    answers, private, questions = run(main())
    assert private == 0
    assert questions >= 30, "every connection was preceded by a question, so every answer had its chance"
    assert [answer.outcome for answer in answers].count(Outcome.OK) == 15
    assert [answer.outcome for answer in answers].count(Outcome.BLOCKED_ADDRESS) == 15


def test_a_redirect_to_a_name_that_leads_inside_is_refused(run: Run[Answer]) -> None:
    zone = only(a("inside.example", "127.0.0.2"))

    async def main() -> Answer:
        async with serve_names(zone) as names:
            spec = WebSpec(allow_networks=("127.0.0.1/32",), nameservers=(names.address,))
            leads_inside = always(plain(302, [("Location", "http://inside.example/")]))
            async with serve(leads_inside) as site, GuardedClient(spec) as client:
                return await client.fetch(site.url())

    answer = run(main())
    assert (answer.outcome, answer.final_host, answer.requests) == (Outcome.BLOCKED_ADDRESS, "inside.example", 1)


def test_a_name_is_asked_once_for_many_urls_and_again_when_its_time_is_up(run: Run[list[int]]) -> None:
    async def main() -> list[int]:
        counts = []
        zone = only(a("img.example", "93.184.216.34", ttl=0))
        async with serve_names(zone) as names:
            resolver = GuardedResolver(AddressGuard(), nameservers=[names.address], timeout_s=1.0)
            await asyncio.gather(*(resolver.resolve("img.example", 80) for _ in range(50)))
            counts.append(sum(kind == "A" for _, kind in names.questions))
            await resolver.resolve("img.example", 443)
            counts.append(sum(kind == "A" for _, kind in names.questions))
            resolver._known.clear()
            await resolver.resolve("img.example", 80)
            counts.append(sum(kind == "A" for _, kind in names.questions))
            await resolver.close()
        return counts

    assert run(main()) == [1, 1, 2]


def test_times_to_live_are_bounded_on_both_sides(run: Run[list[float]]) -> None:
    async def main() -> list[float]:
        kept = []
        for ttl in (0, 60, 10**6):
            async with serve_names(only(a("img.example", "93.184.216.34", ttl=ttl))) as names:
                resolver = GuardedResolver(AddressGuard(), nameservers=[names.address], timeout_s=1.0)
                await resolver.resolve("img.example", 80)
                kept.append(resolver._known["img.example"].until - asyncio.get_running_loop().time())
                await resolver.close()
        return kept

    assert [round(seconds) for seconds in run(main())] == [5, 60, 600]


def test_the_cache_of_names_is_bounded(run: Run[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "CACHED_NAMES", 10)

    async def main() -> int:
        async with serve_names(lambda name, kind, _: [a(name, "93.184.216.34")] if kind == "A" else []) as names:
            resolver = GuardedResolver(AddressGuard(), nameservers=[names.address], timeout_s=1.0)
            for n in range(40):
                await resolver.resolve(f"n{n}.example", 80)
            kept = len(resolver._known)
            await resolver.close()
            return kept

    assert run(main()) == 10


def test_giving_up_on_a_name_does_not_take_the_answer_from_others(run: Run[list[str]]) -> None:
    async def main() -> list[str]:
        async with serve_names(only(a("img.example", "93.184.216.34"))) as names:
            resolver = GuardedResolver(AddressGuard(), nameservers=[names.address], timeout_s=1.0)
            first = asyncio.create_task(resolver.resolve("img.example", 80))
            second = asyncio.create_task(resolver.resolve("img.example", 80))
            await asyncio.sleep(0)
            first.cancel()
            found = await second
            await resolver.close()
            return [result["host"] for result in found]

    assert run(main()) == ["93.184.216.34"]


def test_a_name_whose_resolver_fails_is_not_asked_for_every_url_and_stays_our_failure(
    run: Run[tuple[list[Outcome], int]],
) -> None:
    async def main() -> tuple[list[Outcome], int]:
        async with serve_names(lambda *_: SERVFAIL) as names:
            spec = WebSpec(
                nameservers=(names.address,), attempts=1, breaker_failures=4, per_host=1, host_requests_per_s=None
            )
            async with GuardedClient(spec) as client:
                requests = [Request(f"http://sick.example/{n}") for n in range(40)]
                outcomes = [answer.outcome async for _, answer in client.answers(requests)]
            return outcomes, len(names.questions)

    outcomes, questions = run(main())
    assert outcomes == [Outcome.RESOLVER_FAILED] * 40
    # Four URLs, for each up to two kinds of address and three tries of c-ares.
    assert questions <= 4 * 2 * 3


@pytest.mark.both_loops
def test_a_client_that_closes_while_names_are_asked_leaves_nothing_behind(run: Run[Answer]) -> None:
    async def main() -> Answer:
        async with serve_names(lambda *_: None) as names:
            async with GuardedClient(WebSpec(nameservers=(names.address,))) as client:
                task = asyncio.create_task(client.fetch("http://silent.example/"))
                await asyncio.sleep(0.1)
            return await task

    assert run(main()).outcome is Outcome.FAILED_HERE


@pytest.mark.both_loops
def test_a_deadline_that_ends_while_a_name_is_asked_blames_the_resolver(run: Run[Answer]) -> None:
    async def main() -> Answer:
        async with serve_names(lambda *_: None) as names:
            spec = WebSpec(nameservers=(names.address,), dns_s=5.0, deadline_s=1.0)
            async with GuardedClient(spec) as client:
                return await client.fetch("http://silent.example/")

    answer = run(main())
    assert answer.outcome is Outcome.RESOLVER_FAILED
    assert "the address of its host" in (answer.error or "")


@pytest.mark.both_loops
def test_a_later_try_that_the_deadline_cuts_short_leaves_what_the_first_one_found(run: Run[Answer]) -> None:
    async def main() -> Answer:
        async with serve_names(lambda *_: None) as names:
            spec = WebSpec(nameservers=(names.address,), dns_s=0.8, deadline_s=1.5, attempts=5)
            async with GuardedClient(spec) as client:
                return await client.fetch("http://silent.example/")

    answer = run(main())
    assert answer.outcome is Outcome.RESOLVER_FAILED
    assert answer.error == "no answer about silent.example within 0.8 s"
