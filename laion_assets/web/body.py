"""Bodies: how much of one to take from the network, and what it is once decoded.

We ask for the identity encoding; a server that compresses anyway is decoded under the same cap, so that a bomb costs
its cap and no more.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

_CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Which bytes of how many a 206 answer brings."""

    first: int
    last: int
    total: int | None


def read_content_range(value: str | None) -> ContentRange | None:
    """Read ``bytes 0-4095/350000`` or ``bytes 0-4095/*``; None if it is not that."""
    matched = _CONTENT_RANGE.match(value or "")
    if matched is None:
        return None
    first, last = int(matched[1]), int(matched[2])
    total = None if matched[3] == "*" else int(matched[3])
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


def read_content_length(headers: Mapping[str, str]) -> int | None:
    """The announced length of the body, if it is a number."""
    value = headers.get("Content-Length")
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 19 else None


class Inflater:
    """Decodes gzip and deflate bodies piece by piece, never further than asked.

    Servers name encodings they do not apply, so a body that does not begin like one is passed through as it is.
    """

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self._plain = False
        self._start = b""
        self.failed = False
        """The compressed data is broken; what came before is good."""
        self.taken = 0
        """Compressed bytes fed so far."""

    def feed(self, data: bytes, room: int) -> bytes:
        """Decode a piece, to at most ``room`` bytes; what it would be beyond that is dropped."""
        if self._plain:
            return data
        if self._stream is None:
            self._start += data
            if len(self._start) < 2:
                return b""
            data, self._start = self._start, b""
            wbits = _window(data)
            if wbits is None:
                self._plain = True
                return data
            self._stream = zlib.decompressobj(wbits)
        self.taken += len(data)
        try:
            return self._stream.decompress(data, max(room, 1))
        except zlib.error:
            self.failed = True
            return b""

    @property
    def ended(self) -> bool:
        """Whether the compressed data came to its end."""
        return self._stream is not None and self._stream.eof

    @property
    def finished(self) -> bool:
        """Whether nothing is lacking: the compressed data came to its end, or there was none."""
        return self._plain or self.ended


def _window(start: bytes) -> int | None:
    """Zlib's ``wbits`` for what begins like this: gzip, or deflate in its zlib wrapping."""
    if start[:2] == b"\x1f\x8b":
        return 16 + zlib.MAX_WBITS
    if start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0:
        return zlib.MAX_WBITS
    return None
