"""A body on its way in: taken piece by piece, counted, decoded, and left where it stops being wanted."""

import asyncio

import aiohttp

from laion_assets.web.body import ContentRange, Inflater, read_content_length, read_content_range
from laion_assets.web.connection import WIDE_WINDOW_BYTES, set_window
from laion_assets.web.deadline import timeout
from laion_assets.web.failure import Failure, one_line
from laion_assets.web.journey import Journey
from laion_assets.web.outcome import Outcome
from laion_assets.web.reply import Reply

# What is left of a body nobody wants is read if it is no more than this, so that its connection can be used again.
WORTH_READING_BYTES = 16_384
WORTH_WAITING_S = 0.2
# Data that cannot be compressed is hardly longer once packed. Twice what is wanted and a header with a long name are
# more than any honest answer needs; a name or empty blocks without end would keep us reading until the deadline.
WORTH_DECODING_BYTES = 65_536
_COMPRESSED = frozenset(("gzip", "x-gzip", "deflate"))


class Incoming:
    """The body of one answer, or of one range of a file."""

    __slots__ = (
        "_chunks",
        "_content",
        "_counted",
        "_inflater",
        "_journey",
        "eof",
        "length",
        "range",
        "reply",
        "size",
    )

    def __init__(self, journey: Journey, reply: Reply) -> None:
        self._journey = journey
        self.reply = reply
        self._content = reply.content
        self._chunks: list[bytes] = []
        self._counted = 0
        headers = reply.headers
        self.length = read_content_length(headers)
        """Announced length of the body on the wire."""
        encoding = headers.get("Content-Encoding")
        self._inflater = Inflater() if encoding is not None and encoding.strip().lower() in _COMPRESSED else None
        self.range: ContentRange | None = (
            read_content_range(headers.get("Content-Range")) if reply.status == 206 else None
        )
        self.size = 0
        """Bytes taken so far, after decoding."""
        self.eof = False
        """The answer came to its end."""

    @property
    def content_type(self) -> str | None:
        """As the server says it, on one printable line of a sane length."""
        return one_line(self.reply.headers.get("Content-Type", ""))[:200] or None

    @property
    def encoded(self) -> bool:
        """Whether ranges and lengths count other bytes than the file's."""
        return self._inflater is not None

    @property
    def file_bytes(self) -> int | None:
        """The size of the whole file as the server tells it."""
        if self._inflater is not None:
            return None
        if self.reply.status == 206:
            return self.range.total if self.range is not None else None
        return self.length

    async def up_to(self, want: int, *, cap: int) -> None:
        """Take pieces until there are ``want`` bytes, never decoding more than ``cap``, or the answer ends.

        Raises:
            Failure: ``too_large``, for compressed data that is long and brings little.
        """
        content, inflater = self._content, self._inflater
        while self.size < want and not self.eof:
            data = await content.readany()
            if inflater is not None and data:
                data = inflater.feed(data, cap - self.size)
                # What follows the end of the compressed data is not of the file, and may have no end.
                if inflater.failed or inflater.ended:
                    self.eof = True
            if data:
                self._chunks.append(data)
                self.size += len(data)
            if inflater is not None and self.size < want and inflater.taken > 2 * want + WORTH_DECODING_BYTES:
                raise Failure(Outcome.TOO_LARGE, f"{inflater.taken} bytes of compressed data brought only {self.size}")
            if content.at_eof():
                self.eof = True

    def take(self) -> bytes:
        """All bytes taken so far."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    def ends_file(self, position: int, asked_to: int) -> bool:
        """Whether ``position`` bytes from the file's start, of ``asked_to`` asked for, are the whole file."""
        if self._inflater is not None:
            last = self.range is None or (self.range.total is not None and self.range.last + 1 == self.range.total)
            return self.eof and last and self._inflater.finished
        if self.range is None:
            return self.eof
        if self.range.total is not None:
            return position >= self.range.total
        return self.eof and position < asked_to

    async def settle(self) -> None:
        """Done with it: read the little that may be left, so that the connection can be used again."""
        content = self._content
        if content.is_eof() or self.length is None or self.length - content.total_bytes > WORTH_READING_BYTES:
            return
        try:
            async with timeout(WORTH_WAITING_S):
                await content.wait_eof()
        except (TimeoutError, asyncio.TimeoutError, aiohttp.ClientError, OSError):
            return

    def widen(self) -> None:
        """More of it is wanted than was thought."""
        if self.reply.connection is not None:
            set_window(self.reply.connection, WIDE_WINDOW_BYTES)

    def do_not_reuse(self) -> None:
        """Nothing else is wanted from this host soon: close the connection when the body is over."""
        connection = self.reply.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.force_close()

    def close(self) -> None:
        """Count what came and let go; cuts the connection if the body is not over."""
        received = self._content.total_bytes
        self._journey.bytes_read += received - self._counted
        self._counted = received
        self.reply.close()
