"""The HTTP/1.1 the sandbox speaks: reading requests, describing answers, sending them.

One protocol class serves the web and the hub. An ``Answer`` says everything about what is sent, faults included
(where to cut, how slowly, without end), so that the code deciding what to answer never touches a socket.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from laion_assets.sandbox.rope import Body, Rope

CHUNK_BYTES = 1 << 18
MAX_HEAD_BYTES = 1 << 16
ENDLESS_BYTES_PER_S = 32 << 20
REASONS = {
    200: "OK", 206: "Partial Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
    307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 410: "Gone", 416: "Range Not Satisfiable", 429: "Too Many Requests",
    451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip

_RANGE = re.compile(rb"bytes=(\d*)-(\d*)$")


@dataclass(frozen=True)
class Request:
    """One request: method, target as sent, the raw header lines, and the body of a POST."""

    method: bytes
    target: bytes
    head: bytes
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of that name, written in lower case."""
        lowered = self.head.lower()
        start = lowered.find(b"\r\n" + name + b":")
        if start < 0:
            return None
        start += len(name) + 3
        end = self.head.find(b"\r\n", start)
        return self.head[start : end if end >= 0 else None].strip()

    def byte_range(self, length: int, *, etag: str = "") -> tuple[int, int] | None:
        """What a Range header asks of a body of ``length`` bytes, as [start, stop); ``None`` for all of it.

        A start beyond the end comes back as it is, with start >= length, for a 416. A range made conditional
        (If-Range) on another version is ignored, as RFC 9110 13.1.5 says.
        """
        value = self.header(b"range")
        found = _RANGE.match(value) if value else None
        if not found or (found[1] == b"" and found[2] == b""):
            return None
        condition = self.header(b"if-range")
        if condition is not None and condition.decode("latin-1") != etag:
            return None
        if found[1] == b"":
            return max(0, length - int(found[2])), length
        start = int(found[1])
        stop = min(length, int(found[2]) + 1) if found[2] else length
        return (start, stop) if start < length else (start, start)


@dataclass(frozen=True)
class Answer:
    """What is sent back, and how.

    Attributes:
        head: status line and header lines, with the empty line; b"" sends none.
        body: what follows.
        close: end the connection afterwards.
        cut_after: send only so many bytes of the body, then end the connection.
        reset: end it with RST instead of FIN.
        delay_s: wait before the first byte.
        bytes_per_s: send head and body (``drip_head``) or the body alone no faster than this.
        drip_head: let ``bytes_per_s`` apply to the head too.
        endless: after the body, send this again and again.
        silent: send nothing and keep the connection open.
    """

    head: bytes = b""
    body: Body = Rope((), 0)
    close: bool = False
    cut_after: int | None = None
    reset: bool = False
    delay_s: float = 0.0
    bytes_per_s: float | None = None
    drip_head: bool = False
    endless: bytes = b""
    silent: bool = False


def head(status: int, *lines: str) -> bytes:
    """Status line and header lines, ready to be sent."""
    return "\r\n".join((f"HTTP/1.1 {status} {REASONS[status]}", *lines, "", "")).encode()


class Connection(asyncio.Protocol):
    """One client's connection: requests are answered one after the other, in order."""

    def __init__(self, respond: Callable[[Request], Answer], open_connections: set["Connection"]) -> None:
        """Answer each request with what ``respond`` returns; be a member of ``open_connections`` while open."""
        self._respond = respond
        self._open = open_connections
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._sending: Answer | None = None
        self._offset = 0
        self._stop = 0
        self._timer: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = transport  # type: ignore[assignment]
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget everything."""
        self._open.discard(self)
        self._transport = None
        if self._timer:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """The client does not read as fast as we send."""
        self._paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._sending and not self._timer:
            self._continue()

    def data_received(self, data: bytes) -> None:
        """Collect a request and answer it."""
        self._buffer += data
        if self._sending is None:
            self._next_request()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport:
            self._transport.abort()

    def _next_request(self) -> None:
        while self._sending is None and self._buffer and self._transport:
            if self._buffer[0] == 0x16:
                # A TLS greeting on a plain port: the client gets an alert-less, unreadable answer.
                self._transport.write(head(400, "Connection: close", "Content-Length: 0"))
                self._transport.close()
                return
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    self._transport.close()
                return
            line_end = self._buffer.find(b"\r\n")
            words = self._buffer[:line_end].split(b" ")
            if len(words) != 3:
                self._transport.write(head(400, "Connection: close", "Content-Length: 0"))
                self._transport.close()
                return
            request = Request(words[0], words[1], self._buffer[line_end:end])
            body_bytes = int(request.header(b"content-length") or 0) if words[0] == b"POST" else 0
            if len(self._buffer) < end + 4 + body_bytes:
                return
            body = self._buffer[end + 4 : end + 4 + body_bytes]
            self._buffer = self._buffer[end + 4 + body_bytes :]
            if body:
                request = Request(request.method, request.target, request.head, body)
            self._start(self._respond(request), head_only=words[0] == b"HEAD")

    def _start(self, answer: Answer, *, head_only: bool) -> None:
        if answer.silent:
            self._sending = answer
            return
        stop = 0 if head_only else answer.body.length
        if answer.cut_after is not None:
            stop = min(stop, answer.cut_after)
        plain = not (answer.delay_s or answer.bytes_per_s or answer.endless or answer.reset)
        if plain and stop <= CHUNK_BYTES and not answer.close and answer.cut_after is None and self._transport:
            # The one path that matters for speed: everything at once.
            self._transport.write(answer.head + answer.body.read(0, stop))
            return
        self._sending, self._offset, self._stop = answer, -1, stop
        if answer.delay_s:
            self._later(answer.delay_s)
        else:
            self._continue()

    def _later(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._continue()

    def _continue(self) -> None:
        """Send as much as the client takes, then finish."""
        answer, transport = self._sending, self._transport
        while answer and transport and not self._paused and not transport.is_closing():
            if self._offset < 0:
                if answer.drip_head:
                    answer = self._sending = Answer(
                        body=Rope.of(answer.head), bytes_per_s=answer.bytes_per_s, endless=answer.endless, close=True
                    )
                    self._stop = answer.body.length
                elif answer.head:
                    transport.write(answer.head)
                self._offset = 0
                continue
            if self._offset >= self._stop:
                if not answer.endless:
                    self._finish(answer, transport)
                    return
                transport.write(answer.endless)
                self._later(len(answer.endless) / ENDLESS_BYTES_PER_S)
                return
            if answer.bytes_per_s:
                size = max(1, int(answer.bytes_per_s / 20)) if answer.bytes_per_s > 20 else 1
            else:
                size = CHUNK_BYTES
            stop = min(self._stop, self._offset + size)
            transport.write(answer.body.read(self._offset, stop))
            self._offset = stop
            if answer.bytes_per_s:
                self._later(size / answer.bytes_per_s)
                return

    def _finish(self, answer: Answer, transport: asyncio.Transport) -> None:
        self._sending = None
        if answer.reset:
            self._reset(transport)
        elif answer.close or answer.cut_after is not None:
            transport.close()
        else:
            # Not recursive: what else has arrived is looked at in the next turn of the loop.
            asyncio.get_running_loop().call_soon(self._next_request)

    def _reset(self, transport: asyncio.Transport) -> None:
        """End with RST: a socket closed with a linger time of zero drops what it holds (socket(7))."""
        stream = transport.get_extra_info("socket")
        if stream is not None:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
