"""Runs the sandbox's servers in one event loop, from bound sockets and generated files to a clean stop.

What is answered lives in ``answers``, ``hub`` and ``nameserver``; starting all this in a process of its own is
``process``.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from laion_assets.sandbox.answers import Answers
from laion_assets.sandbox.binding import BACKLOG, Sockets, bind
from laion_assets.sandbox.certificates import server_contexts
from laion_assets.sandbox.connection import Connection
from laion_assets.sandbox.encoded import EncodedImages
from laion_assets.sandbox.front_page import front_page
from laion_assets.sandbox.hosts import make_hosts
from laion_assets.sandbox.hub import Hub
from laion_assets.sandbox.images import Images
from laion_assets.sandbox.messages import Answer, Request
from laion_assets.sandbox.nameserver import NameServer
from laion_assets.sandbox.publication import Publication, publish
from laion_assets.sandbox.spec import SandboxSpec


@dataclass(frozen=True)
class Prepared:
    """A sandbox that only has to be served: its addresses are bound and its files written."""

    spec: SandboxSpec
    sockets: Sockets
    publication: Publication
    encoded: EncodedImages


@contextlib.contextmanager
def prepared(
    spec: SandboxSpec, *, cache: Path, images_cache: Path, progress: Callable[[str], None]
) -> Iterator[Prepared]:
    """Bind all addresses and generate what is missing; outside any event loop, so that it can be interrupted.

    Args:
        spec: what is to be served.
        cache: folder of what depends on the spec and the ports.
        images_cache: folder of what is the same for every sandbox.
        progress: called with a line for each step.

    Raises:
        SandboxError: An address cannot be bound.
    """
    sockets = bind(spec, make_hosts(spec.hosts, named_share=spec.named_host_share))
    try:
        encoded = EncodedImages(images_cache)
        publication = publish(spec, sockets.ports, folder=cache, encoded=encoded, progress=progress)
        yield Prepared(spec, sockets, publication, encoded)
    finally:
        sockets.close()


@contextlib.asynccontextmanager
async def serving(sandbox: Prepared) -> AsyncIterator[None]:
    """Serve while the block lasts."""
    spec, sockets, ports = sandbox.spec, sandbox.sockets, sandbox.sockets.ports
    hosts = make_hosts(spec.hosts, named_share=spec.named_host_share)
    images = Images(sandbox.publication.pages(), sandbox.encoded)
    answers = Answers(images, hosts, ports.web)
    hub = Hub(spec, sandbox.publication, hub_port=ports.hub, index=lambda: front_page(spec, ports))
    connections: set[Connection] = set()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(_drop, connections)
        for bound in sockets.web:
            await _listen(stack, bound, answers.respond, connections)
        for bound in sockets.hub:
            await _listen(stack, bound, hub.respond, connections)
        if sockets.tls:
            contexts = server_contexts(hosts, sandbox.publication.folder / "certificates")
            for bound, context in zip(sockets.tls, contexts, strict=True):
                await _listen(stack, bound, answers.respond, connections, context)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: NameServer(hosts), sock=sockets.dns
        )
        stack.callback(transport.close)
        yield


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
