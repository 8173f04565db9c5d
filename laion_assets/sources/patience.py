"""How long we keep asking a source that fails for the moment, and how long we pause in between."""

import email.utils
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from laion_assets.sources.published import SourceError

T = TypeVar("T")

_RATE_LIMIT_RESET = re.compile(r"\br=0\b.*\bt=(\d+)")


@dataclass(frozen=True)
class Patience:
    """Bounds of asking again.

    Attributes:
        attempts: Attempts in a row without progress before we give up.
        first_pause_s: Upper end of the first pause; it doubles with each failure. Pauses are drawn evenly from between
            half and all of that ("equal jitter"), so that many workers do not return at the same moment.
        longest_pause_s: Where the doubling ends.
        longest_asked_pause_s: The longest pause a server may ask of us; beyond it we give up and say so.
        silence_s: How long a server may send nothing at all before the attempt counts as failed.
        slow_for_s: How long it may send less than ``slowest_bytes_per_s`` before the attempt counts as failed.
        slowest_bytes_per_s: A server slower than this is as good as gone, and another attempt may meet a better one.
    """

    attempts: int = 6
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    longest_asked_pause_s: float = 120.0
    silence_s: float = 30.0
    slow_for_s: float = 60.0
    slowest_bytes_per_s: float = 1024.0

    def pause(self, failures: int, error: SourceError) -> None:
        """Wait before the next attempt.

        Args:
            failures: Attempts that failed in a row, this one included.
            error: What this one failed with.

        Raises:
            SourceError: ``error`` itself, when asking again is no use or would take longer than we wait.
        """
        asked_s = error.retry_after_s or 0.0
        if not error.retryable or failures >= self.attempts or asked_s > self.longest_asked_pause_s:
            raise error
        time.sleep(max(asked_s, self.own_pause_s(failures)))

    def own_pause_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row, if nobody asks for more."""
        limit_s = min(self.first_pause_s * 2.0 ** (failures - 1), self.longest_pause_s)
        return float(limit_s * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load, hides nothing)

    def insist(self, ask: Callable[[], T]) -> T:
        """Ask until it works or there is no point in going on."""
        failures = 0
        while True:
            try:
                return ask()
            except SourceError as error:  # noqa: PERF203 (a request costs a thousand times more)
                failures += 1
                self.pause(failures, error)


DEFAULT_PATIENCE = Patience()


def asked_pause_s(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks us to stay away: ``Retry-After`` (seconds or a date), or the hub's ``RateLimit``."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isdigit():
        return float(value)
    if value:
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    if match := _RATE_LIMIT_RESET.search(headers.get("RateLimit") or ""):
        return float(match.group(1))
    return None
