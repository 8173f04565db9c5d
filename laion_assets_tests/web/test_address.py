# ruff: noqa: RUF001 - look-alike characters are what is tested here
"""Nobody gets us to talk to an address that is not on the public internet, however it is written."""

import ipaddress
from collections.abc import Iterable

import pytest

from laion_assets.web.address import AddressGuard
from laion_assets.web.client import GuardedClient
from laion_assets.web.connection import Connections
from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.spec import WebSpec
from laion_assets.web.url import BLOCKED_PORTS
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import always, plain, routes, serve

TRICKS = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://0x0:{port}/",
    "http://00:{port}/",
    "http://0.1.2.3:{port}/",
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.00.00.01:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7F.0x0.0x0.0x1:{port}/",
    "http://0x7f.1:{port}/",
    "http://%31%32%37%2e0.0.1:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://127．0｡0.1:{port}/",
    "http://𝟙𝟚𝟟.0.0.1:{port}/",
    "http://127.0.0\u00ad.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://ｌocalhost:{port}/",
    "http://deep.in.localhost:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::8.8.8.8]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:808:808::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[fe80::1%lo]:{port}/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xA9FEA9FE/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/latest/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://168.63.129.16.127.0.0.1/@127.0.0.1:{port}/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://012.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://3232235777/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250:1900/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://example.com@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://example.com@other.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://127.0.0.1:{port}\\.example.com/",
    "http:\\\\127.0.0.1:{port}\\",
    "http:127.0.0.1:{port}",
    "http:///127.0.0.1:{port}/",
    "http://127.0.0.1:{port}?@example.com/",
    "http://127.0.0.1:{port}#@example.com/",
    " \t\r\nhttp://127.0.0.1:{port}/",
    "ht\ntp://127.0.\t0.1:{port}/",
    "https://127.0.0.1:{port}/",
]


@pytest.mark.both_loops
def test_at_least_thirty_address_tricks_are_each_refused_without_a_connection(run: Run[None]) -> None:
    async def main() -> None:
        async with serve(always(plain(200, body=b"secret"))) as site, GuardedClient() as client:
            for trick in TRICKS:
                url = trick.replace("{port}", str(site.port))
                answer = await client.fetch(url)
                assert answer.outcome in {Outcome.BLOCKED_ADDRESS, Outcome.INVALID_URL}, (trick, answer)
                if "168.63" not in trick:
                    assert answer.outcome is Outcome.BLOCKED_ADDRESS, (trick, answer)
                assert answer.requests == 0
            assert site.connections == 0

    assert len(TRICKS) >= 30
    run(main())


def test_the_same_tricks_lead_nowhere_behind_a_redirect(run: Run[None]) -> None:
    async def main() -> None:
        async with serve(always(plain(200, body=b"secret")), addresses=("127.0.0.2",)) as inner:
            table = {}
            for number, trick in enumerate(TRICKS):
                location = trick.replace("127.0.0.1", "127.0.0.2").replace("{port}", str(inner.port))
                raw = "".join(character for character in location if character.isprintable()).strip()
                table[f"/{number}"] = always(plain(302, [("Location", raw.encode().decode("latin-1"))]))
            spec = WebSpec(allow_networks=("127.0.0.1/32",), nameservers=("127.0.0.1:9",), attempts=1, dns_s=0.2)
            async with serve(routes(table)) as site, GuardedClient(spec) as client:
                for number, trick in enumerate(TRICKS):
                    answer = await client.fetch(site.url(f"/{number}"))
                    if answer.outcome not in {Outcome.BLOCKED_ADDRESS, Outcome.INVALID_URL}:
                        # It named the allowed 127.0.0.1 itself in its own way, or a path on it.
                        assert answer.final_host in {"127.0.0.1", "localhost", "deep.in.localhost"}, (trick, answer)
                    assert b"secret" not in answer.body
            assert inner.connections == 0

    run(main())


@pytest.mark.parametrize("port", [22, 25, 6379 - 379, 6667, 10080])
def test_ports_of_other_protocols_are_refused_without_asking_a_name_server(run: Run[Answer], port: int) -> None:
    async def main() -> Answer:
        async with GuardedClient(WebSpec(nameservers=("127.0.0.1:9",))) as client:
            return await client.fetch(f"http://example.com:{port}/")

    answer = run(main())
    assert answer.outcome is Outcome.BLOCKED_ADDRESS
    assert answer.error == f"port {port} belongs to another protocol"


def test_an_allowed_network_is_reached_and_its_neighbour_is_not(run: Run[tuple[Answer, Answer]]) -> None:
    async def main() -> tuple[Answer, Answer]:
        spec = WebSpec(allow_networks=("127.0.0.8/29",))
        async with (
            serve(always(plain(200, body=b"yes")), addresses=("127.0.0.9", "127.0.0.16")) as site,
            GuardedClient(spec) as client,
        ):
            return await client.fetch(site.url(host="127.0.0.9")), await client.fetch(site.url(host="127.0.0.16"))

    inside, outside = run(main())
    assert (inside.outcome, inside.body) == (Outcome.OK, b"yes")
    assert (outside.outcome, outside.requests) == (Outcome.BLOCKED_ADDRESS, 0)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001:81b::200e",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "64:ff9b::8.8.8.8",
        "::ffff:8.8.8.8",
    ],
)
def test_addresses_of_the_public_internet_are_let_through(address: str) -> None:
    assert AddressGuard.reason(ipaddress.ip_address(address)) is None


def test_the_guard_refuses_whatever_python_calls_not_global() -> None:
    """Our own list is never laxer than the interpreter's, sampled densely at every boundary it knows."""
    edges = [ipaddress.ip_network(text) for text in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8")]
    edges += [ipaddress.ip_network(text) for text in ("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24")]
    edges += [ipaddress.ip_network(text) for text in ("192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15")]
    edges += [
        ipaddress.ip_network(text) for text in ("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")
    ]
    edges += [
        ipaddress.ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10")
    ]
    for address in _around(edges):
        if not address.is_global or address.is_multicast:
            # The exceptions inside 192.0.0.0/24 and 2001::/23 are anycast services, not web servers.
            assert AddressGuard.reason(address) is not None, address


def _around(
    networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for network in networks:
        first, last = network.network_address, network.broadcast_address
        for step in (0, 1, 2, 255):
            yield first + step
            yield last - step
        if int(first):
            yield first - 1
        if int(last) < 2**32 - 1 or network.version == 6:
            yield last + 1


def test_a_socket_is_not_even_made_for_an_address_that_slipped_past_the_resolver(run: Run[None]) -> None:
    async def main() -> None:
        connections = Connections(WebSpec(), AddressGuard())
        try:
            for endpoint in (("127.0.0.1", 80), ("169.254.169.254", 80), ("::1", 80, 0, 0), ("fe80::1%lo", 80, 0, 1)):
                with pytest.raises(Failure) as refusal:
                    connections._make_socket((2, 1, 6, "", endpoint))
                assert refusal.value.outcome is Outcome.BLOCKED_ADDRESS
        finally:
            await connections.close()

    run(main())


def test_the_guard_judges_the_port_after_the_address() -> None:
    guard = AddressGuard(("10.0.0.0/8",))
    guard.check("10.1.2.3", 22, BLOCKED_PORTS)
    with pytest.raises(Failure, match="port 22"):
        guard.check("8.8.8.8", 22, BLOCKED_PORTS)


def test_redirects_between_allowed_hosts_are_followed(run: Run[Answer]) -> None:
    async def main() -> Answer:
        spec = WebSpec(allow_networks=("127.0.0.0/8",))
        table = {"/": always(plain(302, [("Location", "/there")])), "/there": always(plain(200, body=b"here"))}
        async with serve(routes(table)) as site, GuardedClient(spec) as client:
            return await client.fetch(site.url())

    answer = run(main())
    assert (answer.body, answer.requests, answer.final_url and answer.final_url.endswith("/there")) == (
        b"here",
        2,
        True,
    )
