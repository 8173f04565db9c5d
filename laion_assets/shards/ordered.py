"""Finished rows come in any order and leave in the planned one, with a bound on what waits in memory.

The order makes shards reproducible: the same answers give the same tar, byte for byte. A row that is still waited for
(a slow server may take its 20 s) holds back those behind it; beyond the bound their bytes wait on disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from typing_extensions import Self

from laion_assets.shards.judge import Verdict


@dataclass(frozen=True)
class Finished:
    """A row whose end is known."""

    index: int
    """Position in the shard."""
    verdict: Verdict
    image: bytes | None = None
    """What goes into the tar; None for a row that failed."""
    suffix: str = "jpg"
    width: int | None = None
    height: int | None = None
    """Size of ``image`` in px; the verdict has the original's."""
    digest: str | None = None
    """Hash of the original bytes."""
    original_bytes: int = 0
    http_status: int | None = None


class InOrder:
    """Takes finished rows in any order, gives them back by index, without gaps."""

    def __init__(self, *, memory_bytes: int, spill: Path) -> None:
        self._memory_bytes = memory_bytes
        self._spill_path = spill
        self._spill: BinaryIO | None = None
        self._spill_end = 0
        self._waiting: dict[int, Finished] = {}
        self._on_disk: dict[int, tuple[int, int]] = {}
        self._next = 0
        self.held_bytes = 0
        """Bytes in memory that wait for their turn."""
        self.spilled_bytes = 0
        """Bytes that ever went to disk."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spill is not None:
            self._spill.close()
            self._spill_path.unlink(missing_ok=True)

    def put(self, finished: Finished) -> None:
        """Hand in a row; ``ready`` may have more to give afterwards."""
        size = len(finished.image or b"")
        if finished.index != self._next and size and self.held_bytes + size > self._memory_bytes:
            self._on_disk[finished.index] = (self._to_disk(finished.image or b""), size)
            finished = replace(finished, image=b"")
        else:
            self.held_bytes += size
        self._waiting[finished.index] = finished

    def ready(self) -> Iterator[Finished]:
        """Rows whose turn it is."""
        while (finished := self._waiting.pop(self._next, None)) is not None:
            place = self._on_disk.pop(self._next, None)
            if place is not None and self._spill is not None:
                self._spill.seek(place[0])
                finished = replace(finished, image=self._spill.read(place[1]))
            else:
                self.held_bytes -= len(finished.image or b"")
            self._next += 1
            yield finished
        if not self._on_disk and self._spill is not None and self._spill_end:
            self._spill.seek(0)
            self._spill.truncate()
            self._spill_end = 0

    def _to_disk(self, image: bytes) -> int:
        if self._spill is None:
            self._spill = self._spill_path.open("w+b")
        start = self._spill_end
        self._spill.seek(start)
        self._spill.write(image)
        self._spill_end += len(image)
        self.spilled_bytes += len(image)
        return start
