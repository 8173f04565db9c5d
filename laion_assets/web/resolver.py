"""Names to addresses: c-ares with a bounded cache, and the difference between a dead name and a sick resolver.

A drowned resolver looks exactly like link rot, so only an authoritative "no such name" counts against the link;
everything else is reported as ours. Every address of a name must be one we talk to, and what is returned from here is
what aiohttp connects to, so there is no gap for a name to change its mind in.
"""

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

import aiodns
import aiohttp.abc
import pycares
import pycares.errno as ares

from laion_assets.web.address import AddressGuard
from laion_assets.web.deadline import timeout
from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome
from laion_assets.web.spec import split_nameserver
from laion_assets.web.url import BLOCKED_PORTS

CACHED_NAMES = 65_536
# A TTL of 0 is honoured for a few seconds at most: pages link many images of one host, and resolvers are shared.
MIN_TTL_S, MAX_TTL_S = 5.0, 600.0
NO_SUCH_NAME_TTL_S = 60.0
# More addresses than this would only prolong waiting for a dead host.
ADDRESSES_PER_NAME = 4
TRIES = 3

_NO_SUCH_NAME = frozenset((ares.ARES_ENOTFOUND, ares.ARES_ENODATA))
_NO_VALID_NAME = frozenset((ares.ARES_EBADNAME, ares.ARES_EBADSTR))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a name: its addresses, or why there are none."""

    addresses: tuple[str, ...]
    failure: tuple[Outcome, str] | None
    until: float


class GuardedResolver(aiohttp.abc.AbstractResolver):
    """aiohttp's resolver interface over c-ares, guarded and cached."""

    def __init__(self, guard: AddressGuard, *, nameservers: Iterable[str], timeout_s: float) -> None:
        self._guard = guard
        self._nameservers = [_csv_form(server) for server in nameservers]
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._ares: aiodns.DNSResolver | None = None
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Known]] = {}
        self._has_ipv6 = _has_ipv6_route()

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - both families are always wanted
    ) -> list[aiohttp.abc.ResolveResult]:
        """Addresses of a name, each of them vetted.

        Raises:
            Failure: ``dns_failed``, ``resolver_failed``, ``network_unreachable`` or ``blocked_address``.
        """
        known = await self._look_up(host)
        if known.failure is not None:
            raise Failure(*known.failure)
        for address in known.addresses:
            self._check(host, address, port)
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in known.addresses
        ]

    def _check(self, host: str, address: str, port: int) -> None:
        try:
            self._guard.check(address, port, BLOCKED_PORTS)
        except Failure as refusal:
            raise Failure(Outcome.BLOCKED_ADDRESS, f"{host} resolves to {refusal.error}") from None

    async def close(self) -> None:
        """Forget everything and close the channel."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._asking.clear()
        self._known.clear()
        if self._ares is not None:
            await self._ares.close()
            self._ares = None

    async def _look_up(self, host: str) -> _Known:
        known = self._known.get(host)
        if known is not None:
            if known.until > self._loop.time():
                self._known.move_to_end(host)
                return known
            del self._known[host]
        task = self._asking.get(host)
        if task is None:
            # A task of its own, so that whoever gives up waiting does not take the answer from the others.
            task = self._asking[host] = self._loop.create_task(self._ask(host))
            task.add_done_callback(lambda _: self._asking.pop(host, None))
        return await asyncio.shield(task)

    async def _ask(self, host: str) -> _Known:
        if host == "localhost" or host.endswith(".localhost"):
            return self._remember(host, _Known(("127.0.0.1",), None, self._loop.time() + MAX_TTL_S))
        try:
            async with timeout(self._timeout_s):
                return self._remember(host, await self._ask_ares(host))
        except (TimeoutError, asyncio.TimeoutError):
            return self._failed(Outcome.RESOLVER_FAILED, self._no_answer(host))
        except aiodns.error.DNSError as error:
            number = error.args[0] if error.args else None
            if number == ares.ARES_ETIMEOUT:
                # Whether its clock or ours rings first is chance, and no reason for two ways of saying it.
                return self._failed(Outcome.RESOLVER_FAILED, self._no_answer(host))
            text = f"{host}: {error.args[1] if len(error.args) > 1 else error}"
            if number in _NO_VALID_NAME:
                return self._remember(host, self._failed(Outcome.INVALID_URL, text))
            return self._failed(Outcome.RESOLVER_FAILED, text)
        except (pycares.AresError, UnicodeError, ValueError) as error:
            return self._failed(Outcome.RESOLVER_FAILED, f"{host}: {error}")

    def _no_answer(self, host: str) -> str:
        return f"no answer about {host} within {self._timeout_s:g} s"

    async def _ask_ares(self, host: str) -> _Known:
        kinds = ("A", "AAAA") if self._has_ipv6 else ("A",)
        # Both to their end: many zones answer for one kind of address and fail for the other, which then is enough.
        answers = await asyncio.gather(*(self._query(host, kind) for kind in kinds), return_exceptions=True)
        found = [answer for answer in answers if not isinstance(answer, BaseException)]
        addresses = [pair for answer in found for pair in answer or ()][:ADDRESSES_PER_NAME]
        if addresses:
            ttl = min(max(min(seconds for _, seconds in addresses), MIN_TTL_S), MAX_TTL_S)
            return _Known(tuple(address for address, _ in addresses), None, self._loop.time() + ttl)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        if None in found:
            return self._failed(Outcome.DNS_FAILED, f"{host}: no such name")
        # The name exists without an IPv4 address: dead, or out of our reach?
        if not self._has_ipv6 and await self._query(host, "AAAA"):
            return self._failed(
                Outcome.NETWORK_UNREACHABLE, f"{host} has only IPv6 addresses, and this machine no route to them"
            )
        return self._failed(Outcome.DNS_FAILED, f"{host}: the name has no address")

    async def _query(self, host: str, kind: str) -> list[tuple[str, float]] | None:
        """Addresses with their TTL; an empty list if there are none of this kind, None if the name does not exist."""
        if self._ares is None:
            # Without "lookups" c-ares would also believe /etc/hosts; domains of resolv.conf never apply to queries.
            self._ares = aiodns.DNSResolver(
                self._nameservers or None, loop=self._loop, timeout=self._timeout_s / (TRIES + 1), tries=TRIES
            )
        try:
            result = await self._ares.query_dns(host, kind)
        except aiodns.error.DNSError as error:
            if error.args and error.args[0] in _NO_SUCH_NAME:
                return None if error.args[0] == ares.ARES_ENOTFOUND else []
            raise
        found = []
        for record in result.answer:
            address = getattr(record.data, "addr", None)
            if address is not None:
                found.append((address if isinstance(address, str) else address.decode(), float(record.ttl)))
        return found

    def _failed(self, outcome: Outcome, error: str) -> _Known:
        # Failures of ours are forgotten at once: asking again is what they need.
        keep = NO_SUCH_NAME_TTL_S if outcome in {Outcome.DNS_FAILED, Outcome.INVALID_URL} else 0.0
        return _Known((), (outcome, error), self._loop.time() + keep)

    def _remember(self, host: str, known: _Known) -> _Known:
        self._known[host] = known
        if len(self._known) > CACHED_NAMES:
            self._known.popitem(last=False)
        return known


def _csv_form(server: str) -> str:
    address, port = split_nameserver(server)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _has_ipv6_route() -> bool:
    """Whether this machine could reach a global IPv6 address; sends nothing."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.connect(("2620:fe::fe", 53))
        return True
    return False
