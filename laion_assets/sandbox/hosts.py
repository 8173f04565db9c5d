"""The hosts of the sandbox's web: their addresses, names and shares.

Host shares follow what high-resolution rows show: one shop holds 14 %, the ten largest together 34 %, and a long
Zipf-like tail the rest. Each host has one address in 127.0.0.0/8; 127.0.x.y stays free for the hub and others.
"""

import functools
from dataclasses import dataclass

LARGEST_SHARE = 0.14
TEN_LARGEST_SHARE = 0.34

HUB_ADDRESS = "127.0.0.1"
CONTENT_ADDRESS = "127.0.0.2"
"""The hub serves LFS files from another origin, so that a client leaking its token there would be seen."""

NOTHING_LISTENS = "127.199"
"""No sandbox ever binds an address of 127.199.0.0/16: connections there are refused."""

PRIVATE_ADDRESS = "10.0.0.1"
METADATA_SERVICE = "169.254.169.254"


@dataclass(frozen=True)
class Host:
    """One web host. ``label`` is what stands in a URL: the name where it has one, the address otherwise."""

    address: str
    name: str | None
    style: int

    @property
    def label(self) -> str:
        """What stands in a URL."""
        return self.name or self.address


def host_shares(count: int) -> list[float]:
    """The share of rows of each host, largest first; for eleven hosts at least."""
    next_nine = [rank**-0.5 for rank in range(2, 11)]
    tail = [rank**-0.8 for rank in range(11, count + 1)]
    return [
        LARGEST_SHARE,
        *(weight / sum(next_nine) * (TEN_LARGEST_SHARE - LARGEST_SHARE) for weight in next_nine),
        *(weight / sum(tail) * (1 - TEN_LARGEST_SHARE) for weight in tail),
    ]


@functools.lru_cache(maxsize=8)
def make_hosts(count: int, *, named_share: float) -> tuple[Host, ...]:
    """The hosts, largest first. The ten largest have no names, so that the name server is not what is measured."""
    every = round(1 / named_share) if named_share > 0 else 0
    hosts = []
    for rank in range(count):
        address = f"127.{20 + rank % 97}.{rank % 251}.{1 + rank // 97}"
        named = every and rank >= 10 and rank % every == 0
        style = 0 if rank == 0 else 1 + rank % 5
        hosts.append(Host(address, f"img.shop-{rank:04d}.test" if named else None, style))
    return tuple(hosts)
