"""The sandbox's name server: UDP on loopback, answering for the hosts of the web and for the names that go wrong.

| name | answer |
|---|---|
| a named host of the web | its address |
| ``*.web.test`` | an address of the web, the same for the same name |
| ``*.invalid`` and everything else | NXDOMAIN |
| ``*.servfail.test`` | SERVFAIL |
| ``*.silent.test`` | none |
| ``*.intranet.test`` | 10.0.0.1 |
| ``*.rebind.test`` | by turns an address of the web and 169.254.169.254, with a lifetime of zero |
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Sequence

from laion_assets.sandbox.hosts import METADATA_SERVICE, PRIVATE_ADDRESS, Host

TTL_S = 60


class NameServer(asyncio.DatagramProtocol):
    """Answers questions for names under .test and .invalid."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        """Know the named hosts among ``hosts``."""
        self._addresses = {host.name: host.address for host in hosts if host.name}
        self._hosts = hosts
        self._asked: Counter[str] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        answer = self.answer(data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)

    def answer(self, packet: bytes) -> bytes | None:
        """The answer to one packet; ``None`` where there is none to be given."""
        import dnslib

        try:
            question = dnslib.DNSRecord.parse(packet)
        except dnslib.DNSError:
            return None
        name = str(question.q.qname).rstrip(".").lower()
        if _under(name, "silent.test"):
            return None
        reply = question.reply()
        if _under(name, "servfail.test"):
            reply.header.rcode = dnslib.RCODE.SERVFAIL
            return bytes(reply.pack())
        address, ttl = self._resolve(name)
        if address is None:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        elif question.q.qtype == dnslib.QTYPE.A:
            reply.add_answer(dnslib.RR(question.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(address), ttl=ttl))
        return bytes(reply.pack())

    def _resolve(self, name: str) -> tuple[str | None, int]:
        if name in self._addresses:
            return self._addresses[name], TTL_S
        if _under(name, "web.test"):
            return self._hosts[zlib.crc32(name.encode()) % len(self._hosts)].address, TTL_S
        if _under(name, "intranet.test"):
            return PRIVATE_ADDRESS, TTL_S
        if _under(name, "rebind.test"):
            self._asked[name] += 1
            return (METADATA_SERVICE if self._asked[name] % 2 == 0 else self._hosts[0].address), 0
        return None, TTL_S


def _under(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")
