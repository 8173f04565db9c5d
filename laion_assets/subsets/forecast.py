"""What a download will bring and cost, predicted from the probes that fall into the subset, each with an interval.

Pure arithmetic on counts, probes and limits; where they are read from and how they are shown is the plan's business.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from laion_assets.probes.share import weighted_share
from laion_assets.subsets.spec import PlanSpec
from laion_assets.web.outcome import Fault, Outcome

Floats = NDArray[np.float64]

# A sample in a tar: three headers of 512 bytes, padding of as much again, about 1.2 KB of JSON and the caption.
OVERHEAD_BYTES = 4_096
# Probes read headers only. Of files whose header is fine, up to this share turns out cut off or broken further on.
BROKEN_BEYOND_HEADER_SHARE = 0.02


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; a figure that is known exactly has no width."""

    estimate: float
    low: float
    high: float

    def times(self, factor: float) -> "Interval":
        """The same in another unit."""
        return Interval(self.estimate * factor, self.low * factor, self.high * factor)

    def holds(self, actual: float) -> bool:
        """Whether what came out lies inside."""
        return self.low <= actual <= self.high


@dataclass(frozen=True)
class HostLimits:
    """How fast one host, and one machine, may be asked: from the web client's configuration."""

    requests_per_s: float | None
    at_once: int


@dataclass(frozen=True)
class Forecast:
    """The plan of a subset, before anything is downloaded."""

    rows: int
    probes: int
    """Probes that fall into the planned rows and say something about their links."""
    probes_suffice: bool
    minimum_side_px: int
    reachable_share: Interval
    kept_share: Interval
    """Reachable, not opted out, and at least the minimum side in truth."""
    images: Interval
    bytes_to_transfer: Interval
    bytes_to_store: Interval
    hours: Interval
    hours_by_bandwidth: Interval
    hours_by_machine: float
    hours_by_busiest_host: float
    busiest_host: str
    busiest_host_share: float

    def to_json(self) -> dict[str, Any]:
        """The forecast as it is stored; JSON has no infinity, so a bound nobody knows is null."""
        return {
            name: {bound: number if math.isfinite(number) else None for bound, number in value.items()}
            if isinstance(value, dict)
            else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Forecast":
        """The forecast that was stored."""
        values: dict[str, Any] = dict(stored)
        for name, value in values.items():
            if isinstance(value, dict):
                values[name] = Interval(**{key: math.inf if one is None else one for key, one in value.items()})
        return cls(**values)


def make_forecast(
    probes: pl.DataFrame,
    hosts: Mapping[str, int],
    *,
    minimum_side_px: int,
    assumed: PlanSpec,
    limits: HostLimits,
) -> Forecast:
    """Predict a download.

    Args:
        probes: the probed sample rows that are planned rows too, with the columns of ``PROBE_SCHEMA`` and ``weight``.
        hosts: planned rows per host; their sum is the number of planned rows, exactly.
        minimum_side_px: true sides below are not kept.
        assumed: bandwidth and machine.
        limits: how fast one host is asked.
    """
    rows = sum(hosts.values())
    ours = [outcome.value for outcome in Outcome if outcome.fault is Fault.US]
    told = probes.filter(pl.col("outcome").is_not_null() & ~pl.col("outcome").is_in(ours))
    weights = told["weight"] if told.height else pl.Series("weight", [], dtype=pl.Float64)
    reached = (told["outcome"] == Outcome.OK.value) & ~told["opted_out"].fill_null(value=False)
    short = pl.select(pl.min_horizontal(told["true_width"], told["true_height"])).to_series() if told.height else None
    kept = reached & (short >= minimum_side_px).fill_null(value=False) if short is not None else reached

    reachable = _share(reached, weights, rows)
    kept_share = _share(kept, weights, rows)
    kept_share = Interval(kept_share.estimate, kept_share.low * (1 - BROKEN_BEYOND_HEADER_SHARE), kept_share.high)
    told_sizes = told["file_bytes"].cast(pl.Float64)
    per_image = told_sizes.filter(reached).mean()
    sizes = told_sizes.fill_null(per_image if isinstance(per_image, float) else 0.0).to_numpy()
    spent = told["bytes_read"].fill_null(0).to_numpy().astype(np.float64)
    transfer = _total(
        np.where(reached.to_numpy(), sizes, spent), weights.to_numpy(), rows, unknown=assumed.assumed_image_bytes
    )
    store = _total(
        np.where(kept.to_numpy(), sizes + OVERHEAD_BYTES, 0.0),
        weights.to_numpy(),
        rows,
        unknown=assumed.assumed_image_bytes,
    )

    by_bandwidth = transfer.times(8 / (assumed.bandwidth_mbit_s * 1e6) / 3600)
    by_machine = rows / assumed.images_per_s / 3600
    busiest = max(hosts, key=lambda host: (hosts[host], host), default="")
    answer_s = told["seconds"].mean()
    rate = limits.at_once / max(float(answer_s), 0.001) if isinstance(answer_s, float) else math.inf
    rate = min(rate, limits.requests_per_s or math.inf)
    by_host = hosts.get(busiest, 0) / rate / 3600
    floor = max(by_machine, by_host)
    return Forecast(
        rows=rows,
        probes=told.height,
        probes_suffice=told.height >= assumed.least_probes,
        minimum_side_px=minimum_side_px,
        reachable_share=reachable,
        kept_share=kept_share,
        images=kept_share.times(rows),
        bytes_to_transfer=transfer,
        bytes_to_store=store,
        hours=Interval(*(max(floor, hours) for hours in (by_bandwidth.estimate, by_bandwidth.low, by_bandwidth.high))),
        hours_by_bandwidth=by_bandwidth,
        hours_by_machine=by_machine,
        hours_by_busiest_host=by_host,
        busiest_host=busiest,
        busiest_host_share=hosts.get(busiest, 0) / rows if rows else 0.0,
    )


def _share(hits: pl.Series, weights: pl.Series, population: int) -> Interval:
    found = weighted_share(hits, weights, population or None)
    # Without a probe nothing is known: the middle, and the widest interval there is.
    return Interval(0.5 if math.isnan(found.estimate) else found.estimate, found.low, found.high)


def _total(values: Floats, weights: Floats, population: int, *, unknown: int) -> Interval:
    """A total over the population from a weighted sample: ratio mean, its linearised variance, finite population.

    Without a sample, ``unknown`` per row is the estimate and the upper bound.

    Source: W. G. Cochran, Sampling Techniques, 3rd ed. (1977), sections 2.6 and 6.4.
    """
    if not len(values) or not population:
        return Interval(unknown * population, 0.0, unknown * population)
    shares = weights / weights.sum()
    mean = float((shares * values).sum())
    effective = 1 / float((shares**2).sum())
    spread = float((shares**2 * (values - mean) ** 2).sum()) * effective / max(effective - 1, 1)
    correction = max(0.0, 1 - effective / population)
    half = NormalDist().inv_cdf(0.975) * math.sqrt(spread * correction)
    return Interval(mean * population, max(0.0, mean - half) * population, (mean + half) * population)
