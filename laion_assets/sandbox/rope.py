"""Bodies that are mostly repetition: any size costs nothing until it is read.

A rope is a list of (bytes, repetitions). Its length is known at once and any slice of it can be read without
composing the rest, which is what a probe of the first 4 KiB asks for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Body(Protocol):
    """Bytes of known length, of which any slice can be read."""

    @property
    def length(self) -> int:
        """How many bytes there are."""

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes in [start, stop)."""


@dataclass(frozen=True)
class Rope:
    """Bytes given as segments, each repeated some times."""

    segments: tuple[tuple[bytes, int], ...]
    length: int

    @classmethod
    def of(cls, *pieces: bytes | tuple[bytes, int]) -> "Rope":
        """A rope of plain pieces and (bytes, repetitions) pairs."""
        segments = tuple((piece, 1) if isinstance(piece, bytes) else piece for piece in pieces)
        return cls(segments, sum(len(piece) * times for piece, times in segments))

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes in [start, stop)."""
        stop = self.length if stop is None else min(stop, self.length)
        found: list[bytes] = []
        offset = 0
        for piece, times in self.segments:
            size = len(piece) * times
            low, high = max(start - offset, 0), min(stop - offset, size)
            if low < high:
                if times == 1:
                    found.append(piece[low:high])
                else:
                    first, skip = divmod(low, len(piece))
                    repeated = piece * (-(-high // len(piece)) - first)
                    found.append(repeated[skip : skip + high - low])
            offset += size
            if offset >= stop:
                break
        return b"".join(found)


EMPTY = Rope((), 0)


@dataclass(frozen=True)
class FileSlice:
    """The bytes [begin, end) of a file, read as they are sent."""

    path: Path
    begin: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return self.end - self.begin

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes in [start, stop) of the slice."""
        stop = self.length if stop is None else min(stop, self.length)
        with self.path.open("rb") as stream:
            stream.seek(self.begin + start)
            return stream.read(max(0, stop - start))
