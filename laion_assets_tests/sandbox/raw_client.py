"""A client that hides nothing: one request on one socket, and every byte that comes back."""

import socket
import time
import urllib.parse
from dataclasses import dataclass

LARGEST = 1 << 22


@dataclass(frozen=True)
class RawAnswer:
    """What came over the wire. ``ended`` is ``closed``, ``reset``, ``silent`` or ``enough`` (we stopped reading)."""

    head: str
    body: bytes
    ended: str
    first_byte_s: float

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(" ")[1])

    def headers(self, name: str) -> list[str]:
        """All values of a header."""
        lines = [line.partition(":") for line in self.head.split("\r\n")[1:]]
        return [value.strip() for key, _, value in lines if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The only value of a header."""
        (value,) = self.headers(name)
        return value


def ask(
    url: str,
    *headers: str,
    method: str = "GET",
    address: str | None = None,
    patience_s: float = 1.0,
    keep_alive: bool = False,
) -> RawAnswer:
    """Send one request and read until the connection ends, nothing comes for ``patience_s``, or 4 MB have come."""
    parts = urllib.parse.urlsplit(url)
    target = urllib.parse.quote(parts.path or "/", safe="/%~._-") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *headers]
    if not keep_alive:
        lines.append("Connection: close")
    with socket.create_connection((address or parts.hostname or "", parts.port or 80), timeout=5) as stream:
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return _read(stream, patience_s)


def _read(stream: socket.socket, patience_s: float) -> RawAnswer:
    started = time.monotonic()
    first_byte_s = 0.0
    received = b""
    stream.settimeout(patience_s)
    ended = "enough"
    while len(received) < LARGEST:
        try:
            piece = stream.recv(1 << 16)
        except TimeoutError:
            ended = "silent"
            break
        except ConnectionResetError:
            ended = "reset"
            break
        if not piece:
            ended = "closed"
            break
        first_byte_s = first_byte_s or time.monotonic() - started
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return RawAnswer(head.decode("latin-1"), body, ended, first_byte_s)
