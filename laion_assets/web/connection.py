"""Connections: aiohttp's pool and parser, with our resolver, sockets and bounds in the places it offers for them.

Requests are sent without aiohttp's session. What that prepares and looks after (cookies, redirects, authentication,
bodies to send, time-outs, tracing) is not wanted here, and took a quarter of the processor time of a probe.

Whatever reaches a socket has passed here: the address connected to is judged once more as the socket for it is made,
whichever way it came about.
"""

import asyncio
import contextlib
import resource
import socket
import urllib.request
import weakref
from contextvars import ContextVar
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from laion_assets.web.address import AddressGuard
from laion_assets.web.failure import Failure
from laion_assets.web.journey import AN_ADDRESS, Journey
from laion_assets.web.outcome import Outcome
from laion_assets.web.reply import Reply
from laion_assets.web.resolver import GuardedResolver
from laion_assets.web.spec import WebSpec
from laion_assets.web.tls import trusting
from laion_assets.web.url import BLOCKED_PORTS, Target

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

MAX_HEADER_LINES = 200
# A host is asked again within moments or not for hours, and a scan over many hosts must not run out of descriptors.
KEEP_ALIVE_S = 3.0
PREFIX_BUFFER_BYTES = 16_384
# A server without ranges sends on until the connection is cut: with the system's window 128 KB of it arrive where
# 4 KiB were asked for, with this one 12 KB. It is opened wide once more than that is wanted: 64 KiB would take three
# times as long through the small one.
PREFIX_WINDOW_BYTES = 8_192
WIDE_WINDOW_BYTES = 262_144
_TCP_WINDOW_CLAMP = getattr(socket, "TCP_WINDOW_CLAMP", None)
BODY_BUFFER_BYTES = 262_144
WANTED_DESCRIPTORS = 16_384
ORIGINS_KEPT = 4_096

_ON_THE_WAY: ContextVar[Journey] = ContextVar("laion_assets_journey")


class Connections:
    """The pool of connections and everything that guards it."""

    def __init__(self, spec: WebSpec, guard: AddressGuard) -> None:
        self._loop = asyncio.get_running_loop()
        self._guard = guard
        self._proxies = _environment_proxies() if spec.trust_environment_proxies else {}
        self._proxy_hosts = frozenset(url.raw_host or "" for url in self._proxies.values())
        self._resolver = _TellingResolver(guard, nameservers=spec.nameservers, timeout_s=spec.dns_s)
        _raise_descriptor_limit()
        self._tls = trusting(spec.tls_ca_file)
        self._connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._make_socket,
            # Our schedule is the limit; aiohttp's would make requests wait unseen, inside their deadline.
            limit=0,
            use_dns_cache=False,
            happy_eyeballs_delay=None,
            keepalive_timeout=KEEP_ALIVE_S,
            ssl=self._tls,
        )
        self._headers = {"User-Agent": spec.user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._max_header_bytes = spec.max_header_bytes
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=spec.connect_s)
        self._connect_s = spec.dns_s + 2 * spec.connect_s
        self._first_byte_s = spec.first_byte_s
        self._origin = lru_cache(maxsize=ORIGINS_KEPT)(self._make_origin)
        self._windows: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()
        """Connections whose window is not the system's, and what it is."""

    def admit(self, target: Target) -> None:
        """Refuse what can be refused without asking a name server.

        Raises:
            Failure: ``blocked_address``.
        """
        if target.address is not None:
            self._guard.check(target.host, target.port, BLOCKED_PORTS)
        elif target.port in BLOCKED_PORTS and not self._guard.allows_some:
            raise Failure(Outcome.BLOCKED_ADDRESS, f"port {target.port} belongs to another protocol")
        if target.host in self._proxy_hosts:
            raise Failure(Outcome.BLOCKED_ADDRESS, f"{target.host} is the proxy")

    async def get(self, journey: Journey, *, wanted_range: str | None = None) -> Reply:
        """Send a GET for a journey's target, or a range of it, and wait for the headers of the answer.

        Redirects are not followed, cookies not kept, and nothing of where we come from is told.
        """
        target = journey.target
        if target is None:
            raise TypeError("a journey must have a target before it begins")
        _ON_THE_WAY.set(journey)
        try:
            return await self._get(journey, target, wanted_range)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) or journey.on_new_connection:
                raise
            # A kept connection may have been closed just as it was used again (RFC 9112, 9.3.1).
            return await self._get(journey, target, wanted_range)

    async def _get(self, journey: Journey, target: Target, wanted_range: str | None) -> Reply:
        journey.wait_for("a connection", self._loop.time() + self._connect_s)
        proxy = self._proxy_for(target) if self._proxies else None
        journey.to_proxy = proxy is not None
        journey.on_new_connection = False
        origin = self._origin(target.origin, proxy)
        try:
            connection = await self._connector.connect(origin, traces=[], timeout=self._timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise Failure(Outcome.TIMED_OUT, f"no connection to {target.origin} in time") from None
        try:
            protocol, transport = connection.protocol, connection.transport
            assert protocol is not None  # noqa: S101 - until it is released or closed
            assert transport is not None  # noqa: S101 - as long as nothing else had a turn since it was got
            journey.requests += 1
            self._fit_window(connection, journey)
            journey.wait_for("the first byte", self._loop.time() + self._first_byte_s)
            protocol.set_response_params(
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=BODY_BUFFER_BYTES if journey.request.more is None else PREFIX_BUFFER_BYTES,
                max_line_size=self._max_header_bytes,
                max_field_size=self._max_header_bytes,
                max_headers=MAX_HEADER_LINES,
            )
            transport.write(origin.request(target, wanted_range))
            head, content = await protocol.read()
            self._bound(head)
            while head.code < 200 and head.code != 101:
                head, content = await protocol.read()
                self._bound(head)
            if target.scheme == "https" and not self._tls.knows(target.host):
                self._tls.remember(target.host, transport.get_extra_info("ssl_object"))
        except BaseException:
            connection.close()
            raise
        journey.wait_for("the rest of the body", journey.deadline)
        return Reply(connection, status=head.code, reason=head.reason, headers=head.headers, content=content)

    async def close(self) -> None:
        """Close every connection and the resolver."""
        await self._connector.close()
        await self._resolver.close()

    def _bound(self, head: "RawResponseMessage") -> None:
        """Refuse a head over the cap as a whole; the parser bounds each of its lines and their number."""
        size = sum(len(name) + len(value) for name, value in head.raw_headers)
        if size > self._max_header_bytes:
            raise Failure(
                Outcome.TOO_LARGE,
                f"headers over our cap: {size} bytes in all, {self._max_header_bytes} is the most",
            )

    def _make_origin(self, origin: str, proxy: URL | None) -> "_Origin":
        return _Origin("GET", URL(f"{origin}/", encoded=True), headers=self._headers, loop=self._loop, proxy=proxy)

    def _fit_window(self, connection: "Connection", journey: Journey) -> None:
        """Make a connection that was used before fit for this use."""
        protocol, narrow = connection.protocol, _is_prefix(journey)
        window = self._windows.get(protocol)
        if window is None:
            # A new one is right as it was made; one that downloads share with prefixes stays as the system likes it.
            if narrow:
                self._windows[protocol] = PREFIX_WINDOW_BYTES
            return
        wanted = PREFIX_WINDOW_BYTES if narrow else WIDE_WINDOW_BYTES
        if window != wanted:
            self._windows[protocol] = wanted
            set_window(connection, wanted)

    def _make_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, endpoint = address
        journey = _ON_THE_WAY.get(None)
        if journey is None or not journey.to_proxy:
            self._guard.check(str(endpoint[0]), int(endpoint[1]), BLOCKED_PORTS)
        made = socket.socket(family, kind, protocol)
        if journey is not None:
            journey.on_new_connection = True
            if _is_prefix(journey):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PREFIX_WINDOW_BYTES)
        return made

    def _proxy_for(self, target: Target) -> URL | None:
        if urllib.request.proxy_bypass(f"{target.host}:{target.port}"):
            return None
        return self._proxies.get(target.scheme) or self._proxies.get("all")


class _TellingResolver(GuardedResolver):
    """Tells the journey under way that its name is being looked up: whose time runs out here blames our resolver.

    A proxy is where the user's environment says, whatever its address.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        journey = _ON_THE_WAY.get()
        waited_for, journey.waits_for = journey.waits_for, AN_ADDRESS
        found = await super().resolve(host, port, family)
        journey.waits_for = waited_for
        return found

    def _check(self, host: str, address: str, port: int) -> None:
        if not _ON_THE_WAY.get().to_proxy:
            super()._check(host, address, port)


class _Origin(aiohttp.ClientRequest):
    """What aiohttp has to know of an origin to connect to it, and the part of a request that is the same for all of it.

    Made once for an origin: aiohttp makes one for every request, at a tenth of the cost of a probe.
    """

    @cached_property
    def connection_key(self) -> "ConnectionKey":
        """Which connections can be used again."""
        return super().connection_key

    @cached_property
    def _header_lines(self) -> str:
        # Asked for once there is a connection: connecting is when aiohttp adds what a proxy must be told.
        return "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())

    def request(self, target: Target, wanted_range: str | None) -> bytes:
        """The bytes of a request for a target, or for a range of it."""
        asked = target.path if self.proxy is None or self.is_ssl() else target.url
        ranged = "" if wanted_range is None else f"Range: {wanted_range}\r\n"
        return f"GET {asked} HTTP/1.1\r\n{self._header_lines}{ranged}\r\n".encode("ascii")


def set_window(connection: "Connection", size: int) -> None:
    """Let that much arrive before it is read."""
    made = connection.transport.get_extra_info("socket") if connection.transport is not None else None
    if made is not None:
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            # The small buffer at the start also set a limit that a larger one does not lift by itself.
            if _TCP_WINDOW_CLAMP is not None:
                made.setsockopt(socket.IPPROTO_TCP, _TCP_WINDOW_CLAMP, 2 * size)


def _is_prefix(journey: Journey) -> bool:
    return journey.request.more is not None and not journey.wide


def _environment_proxies() -> dict[str, URL]:
    return {
        scheme: URL(url) for scheme, url in urllib.request.getproxies().items() if scheme in {"http", "https", "all"}
    }


def _raise_descriptor_limit() -> None:
    """The customary soft limit of 1,024 is less than a busy client holds open; the hard limit is the user's word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
