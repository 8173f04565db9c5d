"""A panel: the same rows probed again and again, to see how fast links die.

What a panel is and what its weeks say, one against the other. Probing it is ``probe``'s business.
"""

import datetime as dt
from dataclasses import dataclass

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from laion_assets.probes.share import Share, share
from laion_assets.web.outcome import Fault, Outcome


class PanelSpec(BaseModel):
    """Which rows are probed every week."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(default=1000, ge=1, description="The first rows of the nested sample; the same ones every week.")
    since: dt.date = Field(default=dt.date(2026, 1, 5), description="The first week, named by its Monday.")
    collapse: float = Field(
        default=0.05, gt=0, lt=1, description="A loss of this share within a week is more than links dying."
    )


@dataclass(frozen=True)
class PanelWeek:
    """How a panel answered in one week."""

    alive: Share
    """Of the rows that could be asked: those whose link still gives an image."""
    asked: int
    not_asked: int
    """Rows of which nothing can be said, because our own resolver or network failed."""


_US = [outcome.value for outcome in Outcome if outcome.fault is Fault.US]


def read_week(probes: pl.DataFrame) -> PanelWeek:
    """What the probes of a panel say.

    Args:
        probes: one row per panel row, with ``outcome``.
    """
    asked = probes.filter(~pl.col("outcome").is_in(_US))
    alive = int((asked["outcome"] == Outcome.OK.value).sum())
    return PanelWeek(share(alive, asked.height), asked.height, probes.height - asked.height)


def has_collapsed(now: PanelWeek, before: PanelWeek | None, *, collapse: float) -> bool:
    """Whether more links vanished than ``collapse``, and more than chance explains: the intervals do not touch."""
    if before is None:
        return False
    lost = before.alive.estimate - now.alive.estimate
    return lost > collapse and now.alive.high < before.alive.low
