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

    week: str
    """The Monday it began, as a date."""
    alive: Share
    """Of the rows that could be asked: those whose link still gives an image. Without any, no estimate (NaN)."""
    asked: int
    not_asked: int
    """Rows of which nothing can be said, because our own resolver or network failed."""


@dataclass(frozen=True)
class PanelVerdict:
    """Whether the links of a panel are as alive as before, and why."""

    passed: bool
    sentence: str


_US = [outcome.value for outcome in Outcome if outcome.fault is Fault.US]


def read_week(probes: pl.DataFrame, *, week: str) -> PanelWeek:
    """What the probes of a panel say.

    Args:
        probes: one row per panel row, with ``outcome``.
        week: the Monday their week began.
    """
    asked = probes.filter(~pl.col("outcome").is_in(_US))
    alive = int((asked["outcome"] == Outcome.OK.value).sum())
    return PanelWeek(week, share(alive, asked.height), asked.height, probes.height - asked.height)


def has_collapsed(now: PanelWeek, before: PanelWeek | None, *, collapse: float) -> bool:
    """Whether more links vanished than ``collapse``, and more than chance explains: the intervals do not touch."""
    if before is None or not now.asked or not before.asked:
        return False
    lost = before.alive.estimate - now.alive.estimate
    return lost > collapse and now.alive.high < before.alive.low


def judge_week(now: PanelWeek, before: PanelWeek | None, *, collapse: float) -> PanelVerdict:
    """Hold a week against an earlier one.

    Args:
        now: the week.
        before: the last week before it in which links could be asked; none when there is none.
        collapse: a greater loss than this is more than links dying.
    """
    if not now.asked:
        return PanelVerdict(
            passed=False,
            sentence=f"Nothing can be said: none of the panel's {now.not_asked:,} links could be asked, because our "
            "own resolver or network failed. Check this machine's network and nameservers, and materialise again.",
        )
    compared = f"{before.alive} in the week of {before.week}" if before else "no earlier week is known"
    return PanelVerdict(
        passed=not has_collapsed(now, before, collapse=collapse), sentence=f"{now.alive} alive; {compared}"
    )
