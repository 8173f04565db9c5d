"""HTTP messages as the sandbox sees them: what a request says, what an answer is to be. No sockets here.

An ``Answer`` says everything about what is sent, faults included (where to cut, how slowly, without end), so that the
code deciding what to answer never touches a connection.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from laion_assets.sandbox.rope import EMPTY, Body

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

    @cached_property
    def _lowered(self) -> bytes:
        return self.head.lower()

    @property
    def is_last(self) -> bool:
        """The client wants the connection closed after the answer."""
        return b"\r\nconnection: close" in self._lowered

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of that name, written in lower case."""
        start = self._lowered.find(b"\r\n" + name + b":")
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
        if start >= length:
            return start, start
        return (start, stop) if start < stop else None


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
    body: Body = EMPTY
    close: bool = False
    cut_after: int | None = None
    reset: bool = False
    delay_s: float = 0.0
    bytes_per_s: float | None = None
    drip_head: bool = False
    endless: bytes = b""
    silent: bool = False

    @property
    def is_plain(self) -> bool:
        """Nothing stands in the way of sending all of it at once."""
        odd = self.delay_s or self.bytes_per_s or self.endless or self.reset or self.close
        return not odd and self.cut_after is None


def head(status: int, *lines: str) -> bytes:
    """Status line and header lines, ready to be sent."""
    return "\r\n".join((f"HTTP/1.1 {status} {REASONS[status]}", *lines, "", "")).encode()
