"""The sandbox's name server, asked over UDP by a plain client and by c-ares."""

import asyncio
import socket

import aiodns
import dnslib
import polars as pl
import pytest

from laion_assets.sandbox import RunningSandbox
from laion_assets.sandbox.hosts import make_hosts


def ask(sandbox: RunningSandbox, name: str, kind: str = "A", *, patience_s: float = 2.0) -> dnslib.DNSRecord:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(patience_s)
        client.sendto(dnslib.DNSRecord.question(name, kind).pack(), ("127.0.0.1", sandbox.ports.dns))
        return dnslib.DNSRecord.parse(client.recv(4096))


def addresses(record: dnslib.DNSRecord) -> list[str]:
    return [str(each.rdata) for each in record.rr]


def code(record: dnslib.DNSRecord) -> str:
    return str(dnslib.RCODE[record.header.rcode])


def test_named_hosts_resolve_to_their_addresses(sandbox: RunningSandbox) -> None:
    named = [host for host in make_hosts(400, named_share=0.1) if host.name]
    assert len(named) == 39
    assert addresses(ask(sandbox, named[0].name or "")) == [named[0].address]
    assert addresses(ask(sandbox, (named[1].name or "").upper())) == [named[1].address]


def test_any_name_under_web_test_leads_to_the_web(sandbox: RunningSandbox) -> None:
    found = {name: addresses(ask(sandbox, name)) for name in ("a.web.test", "b.c.web.test", "a.web.test")}
    assert all(len(each) == 1 and each[0].startswith("127.") for each in found.values())
    assert found["a.web.test"] == addresses(ask(sandbox, "a.web.test"))


@pytest.mark.parametrize("name", ["gone.invalid", "example.com", "nosuch.test"])
def test_other_names_do_not_exist(sandbox: RunningSandbox, name: str) -> None:
    assert code(ask(sandbox, name)) == "NXDOMAIN"


def test_names_that_exist_have_no_other_addresses(sandbox: RunningSandbox) -> None:
    answer = ask(sandbox, "a.web.test", "AAAA")
    assert (code(answer), answer.rr) == ("NOERROR", [])


def test_a_broken_zone_answers_servfail_and_a_silent_one_nothing(sandbox: RunningSandbox) -> None:
    assert code(ask(sandbox, "img1.servfail.test")) == "SERVFAIL"
    with pytest.raises(TimeoutError):
        ask(sandbox, "img1.silent.test", patience_s=0.3)


def test_names_can_lead_to_private_addresses(sandbox: RunningSandbox) -> None:
    assert addresses(ask(sandbox, "img7.intranet.test")) == ["10.0.0.1"]


def test_the_rebinding_name_is_the_web_when_checked_and_something_else_when_used(sandbox: RunningSandbox) -> None:
    first, second, third = (ask(sandbox, "one.rebind.test") for _ in range(3))
    assert addresses(second) == ["169.254.169.254"]
    assert addresses(first) == addresses(third)
    assert addresses(first)[0].startswith("127.")
    assert [each.rr[0].ttl for each in (first, second, third)] == [0, 0, 0]


def test_packets_that_are_no_questions_are_ignored(sandbox: RunningSandbox) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for packet in (b"", b"\x00", b"\xff" * 600, dnslib.DNSRecord.question("a.web.test").reply().pack()):
            client.sendto(packet, ("127.0.0.1", sandbox.ports.dns))
    assert code(ask(sandbox, "gone.invalid")) == "NXDOMAIN"


def test_c_ares_agrees(sandbox: RunningSandbox, truth: pl.DataFrame) -> None:
    dead = truth.filter(pl.col("fault") == "dns_nxdomain")["url"].str.extract("//([^/:]+)").unique().to_list()

    async def resolve() -> tuple[str, set[int]]:
        resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=sandbox.ports.dns, timeout=2)
        found = await resolver.query_dns("img.shop-0010.test", "A")
        codes = set()
        for name in dead[:20]:
            with pytest.raises(aiodns.error.DNSError) as caught:
                await resolver.query_dns(name, "A")
            codes.add(caught.value.args[0])
        return str(getattr(found.answer[0].data, "addr", None)), codes

    address, codes = asyncio.run(resolve())
    assert address == make_hosts(400, named_share=0.1)[10].address
    assert codes == {aiodns.error.ARES_ENOTFOUND}
