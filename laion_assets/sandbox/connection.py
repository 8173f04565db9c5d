"""The HTTP/1.1 connections of the sandbox's web and hub: requests read, answers sent, faults acted out on the wire."""

import asyncio
import dataclasses
import socket
import struct
from collections.abc import Callable

from laion_assets.sandbox.messages import Answer, Request, head
from laion_assets.sandbox.rope import Rope

CHUNK_BYTES = 1 << 18
MAX_HEAD_BYTES = 1 << 16
ENDLESS_BYTES_PER_S = 32 << 20
TLS_HANDSHAKE = 0x16
"""First byte of a TLS greeting, which some clients send to a plain port."""


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
            end = self._buffer.find(b"\r\n\r\n")
            if self._buffer[0] == TLS_HANDSHAKE:
                self._refuse(self._transport)
                return
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    self._refuse(self._transport)
                return
            line_end = self._buffer.find(b"\r\n")
            words = self._buffer[:line_end].split(b" ")
            request = Request(words[0], words[1] if len(words) == 3 else b"", self._buffer[line_end:end])
            announced = request.header(b"content-length") or b"0"
            if len(words) != 3 or not announced.isdigit():
                self._refuse(self._transport)
                return
            body_end = end + 4 + int(announced)
            if len(self._buffer) < body_end:
                return
            if body_end > end + 4:
                request = dataclasses.replace(request, body=self._buffer[end + 4 : body_end])
            self._buffer = self._buffer[body_end:]
            self._start(request, self._respond(request))

    def _refuse(self, transport: asyncio.Transport) -> None:
        """What is said to something that is not an HTTP request."""
        transport.write(head(400, "Connection: close", "Content-Length: 0"))
        transport.close()

    def _start(self, request: Request, answer: Answer) -> None:
        if answer.silent:
            self._sending = answer
            return
        stop = answer.body.length if answer.cut_after is None else min(answer.body.length, answer.cut_after)
        if request.method == b"HEAD":
            stop, answer = 0, dataclasses.replace(answer, endless=b"")
        if request.is_last:
            answer = dataclasses.replace(answer, close=True)
        if answer.is_plain and stop <= CHUNK_BYTES and self._transport:
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
        while self._sending and self._transport and not self._paused and not self._transport.is_closing():
            if not self._send_some(self._sending, self._transport):
                return

    def _send_some(self, answer: Answer, transport: asyncio.Transport) -> bool:
        """Send the next piece of an answer; False where the next one has to wait, or there is none."""
        if self._offset < 0:
            self._offset = 0
            if answer.drip_head:
                self._sending = Answer(body=Rope.of(answer.head), bytes_per_s=answer.bytes_per_s, close=True)
                self._stop = len(answer.head)
            elif answer.head:
                transport.write(answer.head)
            return True
        if self._offset >= self._stop:
            if answer.endless:
                transport.write(answer.endless)
                self._later(len(answer.endless) / ENDLESS_BYTES_PER_S)
            else:
                self._finish(answer, transport)
            return False
        # Slow answers go out twenty times a second, or byte by byte where that is faster than asked for.
        size = max(1, int(answer.bytes_per_s / 20)) if answer.bytes_per_s else CHUNK_BYTES
        stop = min(self._stop, self._offset + size)
        transport.write(answer.body.read(self._offset, stop))
        self._offset = stop
        if answer.bytes_per_s:
            self._later(size / answer.bytes_per_s)
            return False
        return True

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
