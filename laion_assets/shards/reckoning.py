"""How the plan of a subset compares with what came: figure by figure, inside its interval or not, and how far off.

Only what is there is compared: while parts are missing, the plan is scaled to the rows of the others, with wider
intervals. What is predicted, and how, is the plan's business.
"""

from dataclasses import dataclass

from laion_assets.shards.index import Index
from laion_assets.subsets.forecast import Forecast, Interval


@dataclass(frozen=True)
class Reckoned:
    """One figure of the plan and what became of it."""

    figure: str
    planned: Interval
    actual: float

    @property
    def inside(self) -> bool:
        """Whether the actual figure lies in the planned interval."""
        return self.planned.holds(self.actual)

    @property
    def off_by(self) -> float | None:
        """How far the plan was off: 0.02 means 2 % more than planned; None where nothing was planned."""
        return self.actual / self.planned.estimate - 1 if self.planned.estimate else None


def reckon(forecast: Forecast, index: Index) -> tuple[Reckoned, ...]:
    """Compare a forecast with the shards that are there."""

    def planned(interval: Interval) -> Interval:
        return forecast.for_rows(interval, index.rows)

    return (
        Reckoned("images", planned(forecast.images), float(index.images)),
        Reckoned("bytes to transfer", planned(forecast.bytes_to_transfer), float(index.transferred_bytes)),
        Reckoned("bytes to store", planned(forecast.bytes_to_store), float(index.tar_bytes)),
        Reckoned("hours", planned(forecast.hours), index.hours),
    )


def sentence(one: Reckoned) -> str:
    """One line for a person: ``images: 2,810 of 2,795 planned (2,688 to 2,861), 0.5 % more``."""
    if one.figure.startswith("bytes"):
        unit, factor, digits = f"MB {one.figure.removeprefix('bytes ')}", 1e-6, 1
    else:
        unit, factor, digits = one.figure, 1.0, 3 if one.figure == "hours" else 0
    actual, estimate, low, high = (
        f"{number * factor:,.{digits}f}"
        for number in (one.actual, one.planned.estimate, one.planned.low, one.planned.high)
    )
    off = "" if one.off_by is None else f", {abs(one.off_by):.1%} {'more' if one.off_by >= 0 else 'less'}"
    outside = "" if one.inside else ", outside"
    return f"{unit}: {actual} of {estimate} planned ({low} to {high}){off}{outside}"


def to_json(one: Reckoned) -> dict[str, str | float | bool | None]:
    """A figure as it is stored."""
    return {
        "figure": one.figure,
        "planned": one.planned.estimate,
        "low": one.planned.low,
        "high": one.planned.high,
        "actual": one.actual,
        "off_by": one.off_by,
        "inside": one.inside,
    }
