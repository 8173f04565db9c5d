"""How far a run of probes is, as a value and as one line for people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    done: int
    """URLs asked in this run and answered, one way or another."""
    total: int
    """URLs this run has to ask."""
    reused: int
    """URLs whose results were there already."""
    seconds: float
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Of the URLs asked in this run."""

    @property
    def per_second(self) -> float:
        """URLs answered per second so far."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before there is one."""
        return (self.total - self.done) / self.per_second if self.done else None

    def __str__(self) -> str:
        if not self.total:
            return f"nothing to probe, {self.reused:,} known already"
        common = sorted(self.outcomes.items(), key=lambda item: (-item[1], item[0]))
        ends = ", ".join(f"{word} {count:,}" for word, count in common[:4]) or "none yet"
        if others := max(0, len(common) - 4):
            ends += f", {others} other outcome{'s' if others > 1 else ''}"
        left = "" if self.seconds_left is None or self.done == self.total else f", {_duration(self.seconds_left)} left"
        kept = f", {self.reused:,} known already" if self.reused else ""
        return f"{self.done:,} of {self.total:,} probed ({self.per_second:,.0f}/s{left}{kept}): {ends}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


OnProgress = Callable[[Progress], None]
