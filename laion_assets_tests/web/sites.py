"""A web server and a name server that do exactly what a test tells them, over real sockets on loopback.

The server counts what the client must be judged by (connections, requests under way at once per address, bytes taken
off its hands) on its own side.
"""

import asyncio
import contextlib
import socket
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

import dnslib

LOOPBACK = ("127.0.0.0/8",)


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    address: str
    """The local address it was sent to."""
    connection: int

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def range(self) -> tuple[int, int] | None:
        value = self.header("Range")
        if value is None:
            return None
        first, last = value.removeprefix("bytes=").split("-")
        return int(first), int(last) + 1


Handler = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """A web server on one port of several loopback addresses."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    under_way: Counter[str] = field(default_factory=Counter)
    most_at_once: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    """Body bytes the kernel took from us."""

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]


async def eventually(condition: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Wait for something that happens soon; how soon depends on what else the machine does."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never happened"
        await asyncio.sleep(0.01)


def head(status: int = 200, headers: Iterable[tuple[str, str]] = (), *, length: int | None = None) -> bytes:
    """Status line and headers of an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{key}: {value}" for key, value in headers)]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def plain(status: int = 200, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """A whole answer with its length."""
    return head(status, headers, length=len(body)) + body


def always(answer: bytes, *, then_close: bool = False) -> Handler:
    """A handler that gives every request the same answer."""

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if then_close:
            writer.close()

    return handler


def ranged(file: bytes, *, headers: Iterable[tuple[str, str]] = (("Content-Type", "image/jpeg"),)) -> Handler:
    """A handler that serves a file as a good server does, ranges included."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        span = seen.range
        if span is None:
            writer.write(plain(200, headers, file))
        elif span[0] >= len(file):
            writer.write(plain(416, [("Content-Range", f"bytes */{len(file)}")]))
        else:
            first, end = span[0], min(span[1], len(file))
            content_range = ("Content-Range", f"bytes {first}-{end - 1}/{len(file)}")
            writer.write(plain(206, [*headers, content_range], file[first:end]))
        await writer.drain()

    return handler


def routes(table: dict[str, Handler]) -> Handler:
    """One handler per path."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await table.get(seen.path.partition("?")[0], always(plain(404)))(seen, writer)

    return handler


@contextlib.asynccontextmanager
async def serve(handler: Handler, *, addresses: Iterable[str] = ("127.0.0.1",)) -> AsyncIterator[Site]:
    """Serve until the end of the block; every connection is cut then."""
    sockets = listening(addresses)
    site = Site(sockets[0].getsockname()[1])
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        site.connections += 1
        number = site.connections
        address = writer.get_extra_info("sockname")[0]
        try:
            while not writer.is_closing():
                raw = await reader.readuntil(b"\r\n\r\n")
                first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
                method, path, _ = first.split(" ")
                pairs = [line.split(": ", 1) for line in lines]
                seen = Seen(method, path, [(key, value) for key, value in pairs], address, number)
                site.seen.append(seen)
                site.under_way[address] += 1
                site.most_at_once[address] = max(site.most_at_once[address], site.under_way[address])
                try:
                    await handler(seen, writer)
                finally:
                    site.under_way[address] -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    servers = [await asyncio.start_server(connected, sock=sock) for sock in sockets]
    try:
        yield site
    finally:
        for server in servers:
            server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*list(tasks), return_exceptions=True)


def listening(addresses: Iterable[str]) -> list[socket.socket]:
    """Sockets listening on one free port of all these addresses."""
    first, *others = addresses
    one = socket.create_server((first, 0), backlog=512)
    port = one.getsockname()[1]
    return [one, *(socket.create_server((address, port), backlog=512) for address in others)]


@contextlib.asynccontextmanager
async def serve_raw(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Site]:
    """A server of whatever a handler writes; it need not even be HTTP."""
    site = Site(0)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        site.connections += 1
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*list(tasks), return_exceptions=True)


Zone = Callable[[str, str, int], "list[dnslib.RR] | int | None"]
"""``zone(name, type, nth question about it)``: records, a response code, or None for silence."""


@dataclass
class NameServer:
    """A DNS server on a UDP port of loopback."""

    address: str
    questions: list[tuple[str, str]]


@contextlib.asynccontextmanager
async def serve_names(zone: Zone) -> AsyncIterator[NameServer]:
    """Answer questions as ``zone`` says until the end of the block."""
    questions: list[tuple[str, str]] = []
    asked: defaultdict[tuple[str, str], int] = defaultdict(int)

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # asyncio's own datagram transport is not a DatagramTransport by its classes.
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            query = dnslib.DNSRecord.parse(data)
            name, kind = str(query.q.qname).rstrip(".").lower(), dnslib.QTYPE[query.q.qtype]
            questions.append((name, kind))
            said = zone(name, kind, asked[name, kind])
            asked[name, kind] += 1
            if said is None:
                return
            reply = query.reply()
            if isinstance(said, int):
                reply.header.rcode = said
            else:
                reply.add_answer(*said)
            self.transport.sendto(reply.pack(), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        yield NameServer(f"127.0.0.1:{port}", questions)
    finally:
        transport.close()


def a(name: str, address: str, ttl: int = 60) -> dnslib.RR:
    """An address record."""
    if ":" in address:
        return dnslib.RR(name, dnslib.QTYPE.AAAA, rdata=dnslib.AAAA(address), ttl=ttl)
    return dnslib.RR(name, dnslib.QTYPE.A, rdata=dnslib.A(address), ttl=ttl)
