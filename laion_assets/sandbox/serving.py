"""Runs the sandbox's servers in one event loop: binds every address, serves, stops cleanly.

What is answered lives in ``answers``, ``hub`` and ``nameserver``; starting all this in a process of its own is
``process``.
"""

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from laion_assets.sandbox.answers import Answers
from laion_assets.sandbox.certificates import server_context
from laion_assets.sandbox.connection import Connection
from laion_assets.sandbox.encoded import EncodedImages
from laion_assets.sandbox.front_page import front_page
from laion_assets.sandbox.hosts import Host, make_hosts
from laion_assets.sandbox.hub import CONTENT_ADDRESS, Hub
from laion_assets.sandbox.images import Images
from laion_assets.sandbox.messages import Answer, Request
from laion_assets.sandbox.nameserver import NameServer
from laion_assets.sandbox.publication import Publication, publish
from laion_assets.sandbox.spec import Ports, SandboxError, SandboxSpec

BACKLOG = 1024
ATTEMPTS = 20


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
        hub = _bind_all(["127.0.0.1", CONTENT_ADDRESS], fixed and fixed + 1)
        taken += hub
        dns = _bind_all(["127.0.0.1"], fixed and fixed + 2, kind=socket.SOCK_DGRAM)[0]
        taken.append(dns)
        tls = _bind_all(addresses, fixed and fixed + 3) if spec.tls else []
    except SandboxError:
        for each in taken:
            each.close()
        raise
    return Sockets(web, tls, hub, dns)


def _bind_all(addresses: list[str], port: int, *, kind: int = socket.SOCK_STREAM) -> list[socket.socket]:
    """One socket per address, all on one port; port 0 tries until one is free on all of them."""
    for _ in range(1 if port else ATTEMPTS):
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


@dataclass(frozen=True)
class Served:
    """A sandbox that answers."""

    ports: Ports
    publication: Publication


@contextlib.asynccontextmanager
async def serving(
    spec: SandboxSpec, *, cache: Path, images_cache: Path, progress: Callable[[str], None] = lambda _line: None
) -> AsyncIterator[Served]:
    """Bind, generate what is missing, serve until the block ends.

    ``cache`` holds what depends on the ports too, ``images_cache`` what is the same for every sandbox.
    """
    hosts = make_hosts(spec.hosts, named_share=spec.named_host_share)
    sockets = bind(spec, hosts)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sockets.close)
        encoded = EncodedImages(images_cache)
        encoded.warm()
        ports = sockets.ports
        publication = publish(spec, ports, folder=cache, encoded=encoded, progress=progress)
        images = Images(publication.pages(), encoded)
        answers = Answers(images, hosts, ports.web)
        hub = Hub(spec, publication, hub_port=ports.hub, index=lambda: front_page(spec, ports))
        connections: set[Connection] = set()
        stack.callback(_drop, connections)
        for bound in sockets.web:
            await _listen(stack, bound, answers.respond, connections)
        for bound in sockets.hub:
            await _listen(stack, bound, hub.respond, connections)
        if sockets.tls:
            context = server_context(hosts, publication.folder / "certificates")
            for bound in sockets.tls:
                await _listen(stack, bound, answers.respond, connections, context)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: NameServer(hosts), sock=sockets.dns
        )
        stack.callback(transport.close)
        yield Served(ports, publication)


async def _listen(
    stack: contextlib.AsyncExitStack,
    bound: socket.socket,
    respond: Callable[[Request], Answer],
    connections: set[Connection],
    context: ssl.SSLContext | None = None,
) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(respond, connections), sock=bound, ssl=context, backlog=BACKLOG
    )
    stack.callback(server.close)


def _drop(connections: set[Connection]) -> None:
    for connection in list(connections):
        connection.abort()
