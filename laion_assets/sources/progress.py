"""Telling people how far a fetch is, now and then."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class ProgressLog:
    """Writes a line now and then, and none for a quick fetch."""

    shown: str
    write: Callable[[str], None]
    every_s: float = 10.0
    _last_s: float = field(default_factory=time.monotonic)
    _last_bytes: int | None = None

    def saw(self, held_bytes: int, total_bytes: int | None) -> None:
        """As `OnProgress` wants it."""
        if self._last_bytes is None:
            self._last_bytes = held_bytes
        elapsed_s = time.monotonic() - self._last_s
        if elapsed_s < self.every_s:
            return
        speed = (held_bytes - self._last_bytes) / 1e6 / elapsed_s
        of_all = f" of {total_bytes / 1e6:,.0f}" if total_bytes else ""
        self.write(f"{self.shown}: {held_bytes / 1e6:,.0f}{of_all} MB, {speed:,.1f} MB/s")
        self._last_s, self._last_bytes = time.monotonic(), held_bytes
