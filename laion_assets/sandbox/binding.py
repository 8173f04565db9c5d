"""The sockets of a sandbox: every address bound by its own name, never all of them at once.

Binding 0.0.0.0 would be one call instead of hundreds, and would serve the sandbox to the whole network.
"""

import errno
import resource
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from laion_assets.sandbox.hosts import CONTENT_ADDRESS, HUB_ADDRESS, Host
from laion_assets.sandbox.spec import Ports, SandboxError, SandboxSpec

BACKLOG = 1024
ATTEMPTS = 20
WAIT_S = 0.25


@dataclass(frozen=True)
class Sockets:
    """Everything bound: web and TLS sockets in the order of the hosts, the hub's two, the name server's."""

    web: list[socket.socket]
    tls: list[socket.socket]
    hub: list[socket.socket]
    dns: socket.socket

    @property
    def ports(self) -> Ports:
        """The ports taken."""
        return Ports(
            web=_port(self.web[0]),
            hub=_port(self.hub[0]),
            dns=_port(self.dns),
            tls=_port(self.tls[0]) if self.tls else 0,
        )

    def close(self) -> None:
        """Give all of it back."""
        for each in (*self.web, *self.tls, *self.hub, self.dns):
            each.close()


def bind(spec: SandboxSpec, hosts: Sequence[Host]) -> Sockets:
    """Bind every address of a sandbox.

    Raises:
        SandboxError: A port is taken, or this system has only 127.0.0.1.
    """
    _allow_open_files(2 * len(hosts) + 8192)
    addresses = [host.address for host in hosts]
    fixed = spec.port
    taken: list[socket.socket] = []
    try:
        web = _bind_all(addresses, fixed)
        taken += web
        hub = _bind_all([HUB_ADDRESS, CONTENT_ADDRESS], fixed and fixed + 1)
        taken += hub
        dns = _bind_all([HUB_ADDRESS], fixed and fixed + 2, kind=socket.SOCK_DGRAM)[0]
        taken.append(dns)
        tls = _bind_all(addresses, fixed and fixed + 3) if spec.tls else []
    except SandboxError:
        for each in taken:
            each.close()
        raise
    return Sockets(web, tls, hub, dns)


def _bind_all(addresses: list[str], port: int, *, kind: int = socket.SOCK_STREAM) -> list[socket.socket]:
    """One socket per address, all on one port; port 0 tries until one is free on all of them.

    A port that was asked for may still be in the hands of a sandbox whose parent was just killed: it is waited for.
    """
    for attempt in range(ATTEMPTS):
        if port and attempt:
            time.sleep(WAIT_S)
        bound: list[socket.socket] = []
        try:
            for address in addresses:
                bound.append(_bind(address, _port(bound[0]) if bound else port, kind))
        except OSError as error:
            failed_at = (addresses[len(bound)], _port(bound[0]) if bound else port)
            for each in bound:
                each.close()
            if error.errno == errno.EADDRNOTAVAIL:
                raise SandboxError(
                    f"{failed_at[0]} cannot be bound on this system, which knows no loopback address but 127.0.0.1; "
                    "the sandbox needs all of 127.0.0.0/8, as Linux has it: run it there, or in a Linux container."
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise SandboxError(f"{failed_at[0]}:{failed_at[1]} cannot be bound: {error.strerror}.") from error
        else:
            return bound
    raise SandboxError(
        f"Port {failed_at[1]} is taken on {failed_at[0]}, perhaps by another sandbox; stop that, or choose another "
        "base port with --port (0 takes any free ones)."
    )


def _bind(address: str, port: int, kind: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, kind)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == socket.SOCK_STREAM else 0)
        bound.bind((address, port))
        if kind == socket.SOCK_STREAM:
            bound.listen(BACKLOG)
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound


def _port(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def _allow_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
