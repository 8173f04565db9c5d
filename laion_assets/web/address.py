"""Which addresses we talk to: globally routable unicast, and what the user allowed by name of its network.

Written out from IANA's special-purpose registries rather than taken from ``ipaddress.is_global``, whose answer differs
between the Python releases we support. https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-.
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome

_BLOCKED_V4 = {
    "0.0.0.0/8": "this machine's own network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by carriers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "where Azure keeps its host's services, though the registry calls it global",
    "169.254.0.0/16": "link-local, where clouds keep their metadata services",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved or broadcast",
}
# Of IPv6 only 2000::/3 is handed out as global unicast; these parts of it are not for us.
_BLOCKED_V6 = {
    "2001::/23": "reserved for protocols, Teredo among them",
    "2001:db8::/32": "for documentation",
    "2002::/16": "6to4",
    "3fff::/20": "for documentation",
}
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
# Behind NAT64 this is how every IPv4 host looks; judged by the IPv4 address inside. Its local twin 64:ff9b:1::/48 and
# the deprecated IPv4-compatible ::/96 never lead to the public internet and fall outside 2000::/3.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _Ranges:
    """Disjoint address ranges with a name each."""

    def __init__(self, named: dict[str, str]) -> None:
        networks = sorted((ipaddress.ip_network(text), name) for text, name in named.items())
        self._starts = [int(network.network_address) for network, _ in networks]
        self._ends = [int(network.broadcast_address) for network, _ in networks]
        self._names = [name for _, name in networks]

    def name(self, address: int) -> str | None:
        place = bisect_right(self._starts, address) - 1
        return self._names[place] if place >= 0 and address <= self._ends[place] else None


_V4 = _Ranges(_BLOCKED_V4)
_V6 = _Ranges(_BLOCKED_V6)


REMEMBERED = 16_384
"""Addresses whose judgement is kept: many URLs share few."""


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    # A zone ("fe80::1%eth0") names an interface of this machine, so it cannot be global, nor allowed by a network.
    return None if "%" in address else ipaddress.ip_address(address)


@lru_cache(maxsize=REMEMBERED)
def _reason(address: str) -> str | None:
    parsed = _parse(address)
    return "bound to a network interface" if parsed is None else AddressGuard.reason(parsed)


class AddressGuard:
    """Says of an address whether it may be talked to."""

    def __init__(self, allow_networks: Iterable[str] = ()) -> None:
        self._allowed = [ipaddress.ip_network(network) for network in allow_networks]
        self._is_allowed = lru_cache(maxsize=REMEMBERED)(self._find_allowed)

    @property
    def allows_some(self) -> bool:
        """Whether any network was allowed beyond the global ones."""
        return bool(self._allowed)

    def allows(self, address: str) -> bool:
        """Whether the user allowed this address by its network, whatever it is."""
        return bool(self._allowed) and self._is_allowed(address)

    def _find_allowed(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._allowed)

    def check(self, address: str, port: int, blocked_ports: frozenset[int]) -> None:
        """Let an endpoint pass or not.

        Raises:
            Failure: ``blocked_address``, with the reason.
        """
        if self.allows(address):
            return
        reason = _reason(address)
        if reason is not None:
            raise Failure(Outcome.BLOCKED_ADDRESS, f"{address} is {reason}")
        if port in blocked_ports:
            raise Failure(Outcome.BLOCKED_ADDRESS, f"port {port} belongs to another protocol")

    @staticmethod
    def reason(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
        """Why an address is not globally routable unicast; None if it is."""
        if isinstance(address, ipaddress.IPv4Address):
            return _V4.name(int(address))
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            reason = _V4.name(int(inner))
            return reason and f"{inner} in disguise: {reason}"
        if address not in _GLOBAL_V6 or address.scope_id is not None:
            return "not global unicast"
        return _V6.name(int(address))
