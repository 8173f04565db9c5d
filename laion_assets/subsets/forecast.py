"""What a download will bring and cost, predicted from the probes that fall into the subset, each with an interval.

Pure arithmetic on counts, probes and limits; where they are read from and how they are shown is the plan's business.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from laion_assets.probes.share import weighted_share
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.spec import PlanSpec
from laion_assets.web.outcome import Fault, Outcome

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# A sample in a tar: three headers of 512 bytes, padding of as much again, about 1.2 KB of JSON and the caption. How far
# the mean is from it depends on captions and URLs: at least and at most.
OVERHEAD_BYTES, LEAST_OVERHEAD_BYTES, MOST_OVERHEAD_BYTES = 4_096, 3_072, 8_192
# Images per second of a machine are the user's assumption: right to within this factor.
MACHINE_FACTOR = 2.0
# Probes read headers only. Of files whose header is fine, up to this share turns out cut off or broken further on.
BROKEN_BEYOND_HEADER_SHARE = 0.02
# Of links that answered a probe, up to this share is gone, or fails for a while, when it is downloaded: links die at
# about 1 % a month, and servers have bad moments.
LOST_SINCE_SHARE = 0.03
# A part's download ends with waiting for its slowest servers, one deadline as a rule; a try that is put back and comes
# late has made it three. Starting its process takes less than both.
MOST_DEADLINES = 3


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; a figure that is known exactly has no width."""

    estimate: float
    low: float
    high: float

    def times(self, factor: float) -> "Interval":
        """The same in another unit."""
        return Interval(self.estimate * factor, self.low * factor, self.high * factor)

    def loosened(self, low: float, high: float) -> "Interval":
        """With bounds moved by factors, for what the sample cannot tell."""
        return Interval(self.estimate, self.low * low, self.high * high)

    def holds(self, actual: float) -> bool:
        """Whether what came out lies inside."""
        return self.low <= actual <= self.high


@dataclass(frozen=True)
class HostLimits:
    """How fast one host, and all hosts of one registrable domain, may be asked: from the web client's configuration."""

    requests_per_s: float | None
    at_once: int
    deadline_s: float = 0.0
    """The longest one URL is waited for."""
    domain_requests_per_s: float | None = None
    domain_at_once: int | None = None
    """None where a domain has no limit."""


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
    hours_by_machine: Interval
    hours_by_busiest_host: Interval
    hours_by_busiest_domain: Interval
    hours_of_waiting: Interval
    """At the end of each part, for its slowest servers."""
    busiest_host: str
    busiest_host_share: float
    busiest_domain: str
    """All hosts of one registrable domain, which have a limit of their own together."""
    busiest_domain_share: float

    def for_rows(self, interval: Interval, rows: int) -> Interval:
        """What an interval over all planned rows says about some of them, such as those of the parts that are there.

        Wider than in proportion: which rows those are is chance as well. Variance of the difference of two independent
        simple random samples' means, Cochran (1977), section 2.6.
        """
        if not rows or not self.rows:
            return Interval(0.0, 0.0, 0.0)
        here, all_probes, some = 1 / self.rows, 1 / max(self.probes, 1), 1 / min(rows, self.rows)
        wider = math.sqrt(1 + (some - here) / (all_probes - here)) if all_probes > here else 1.0
        low = max(0.0, interval.estimate - wider * (interval.estimate - interval.low))
        high = interval.estimate + wider * (interval.high - interval.estimate)
        return Interval(interval.estimate, low, high).times(rows / self.rows)

    def to_json(self) -> dict[str, Any]:
        """The forecast as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Forecast":
        """The forecast that was stored."""
        values: dict[str, Any] = dict(stored)
        for name, value in values.items():
            if isinstance(value, dict):
                values[name] = Interval(**value)
        return cls(**values)


def make_forecast(
    probes: pl.DataFrame,
    hosts: Mapping[str, int],
    *,
    keeping: Keeping,
    assumed: PlanSpec,
    limits: HostLimits,
    parts: int = 1,
) -> Forecast:
    """Predict a download.

    Args:
        probes: the probed sample rows that are planned rows too, with the columns of ``PROBE_SCHEMA`` and ``weight``.
        hosts: planned rows per host; their sum is the number of planned rows, exactly.
        keeping: what the download keeps.
        assumed: bandwidth and machine.
        limits: how fast one host and one domain are asked.
        parts: how many parts have planned rows; each is a download of its own.
    """
    rows = sum(hosts.values())
    ours = [outcome.value for outcome in Outcome if outcome.fault is Fault.US]
    told = probes.filter(pl.col("outcome").is_not_null() & ~pl.col("outcome").is_in(ours))
    reached = (pl.col("outcome") == Outcome.OK.value) & ~pl.col("opted_out").fill_null(value=False)
    file_bytes = pl.col("file_bytes").cast(pl.Float64)
    told = told.with_columns(
        reached.alias("reached"),
        (reached & keeping.kept).alias("kept"),
        pl.col("weight").cast(pl.Float64),
        file_bytes.is_not_null().alias("length_told"),
        # A size no server tells is taken for the mean of the others.
        file_bytes.fill_null(file_bytes.filter(reached).mean())
        .fill_null(float(assumed.assumed_image_bytes))
        .alias("file_bytes"),
        pl.col("bytes_read").fill_null(0).cast(pl.Float64),
    )
    reachable = _share(told["reached"], told["weight"], rows)
    kept_share = _share(told["kept"], told["weight"], rows)
    # What failed for a while when it was probed may be there when it is downloaded.
    passing = told["outcome"].is_in([outcome.value for outcome in Outcome if outcome.retryable])
    back = min(
        1.0, _share(passing, told["weight"], rows).estimate / max(reachable.estimate, 0.01) if told.height else 0.0
    )
    unlost = 1 - LOST_SINCE_SHARE
    reachable = reachable.loosened(unlost, 1 + back)
    kept_share = kept_share.loosened(unlost * (1 - BROKEN_BEYOND_HEADER_SHARE), 1 + back)
    reachable, kept_share = (replace(one, high=min(one.high, 1.0)) for one in (reachable, kept_share))

    def total(image: pl.Expr, where: pl.Expr, otherwise: pl.Expr) -> Interval:
        found = told.select(
            "weight",
            value=pl.when(where).then(image).otherwise(otherwise),
            known=(where & pl.col("length_told")).fill_null(value=False),
            guessed=(where & ~pl.col("length_told")).fill_null(value=False),
        )
        value, weight, known, guessed = (found[name].to_numpy() for name in ("value", "weight", "known", "guessed"))
        return _total(value, weight, known, guessed, rows, unknown=assumed.assumed_image_bytes)

    # A body over the cap is given up when its announced length says so: it costs no more than a failure.
    over = pl.lit(value=False) if keeping.maximum_bytes is None else pl.col("file_bytes") > keeping.maximum_bytes
    transfer = total(pl.col("file_bytes"), pl.col("reached") & ~over, pl.col("bytes_read"))
    overheads = (OVERHEAD_BYTES, LEAST_OVERHEAD_BYTES, MOST_OVERHEAD_BYTES)
    stored = [
        total(size + overhead, pl.col("kept"), pl.lit(0.0))
        for size, overhead in zip(keeping.stored_bytes(pl.col("file_bytes")), overheads, strict=True)
    ]
    store = Interval(stored[0].estimate, stored[1].low, stored[2].high)
    transfer = transfer.loosened(unlost, 1 + back)
    store = store.loosened(unlost * (1 - BROKEN_BEYOND_HEADER_SHARE), 1 + back)

    def sizes(of: pl.Expr, where: pl.Expr) -> Floats:
        return told.filter(where).select(of.alias("size"))["size"].to_numpy()

    if told.height < min(assumed.least_probes, rows) or not told["kept"].any():
        whole = sizes(pl.col("file_bytes"), pl.col("reached") & ~over)
        kept = sizes(keeping.stored_bytes(pl.col("file_bytes"))[2] + MOST_OVERHEAD_BYTES, pl.col("kept"))
        # What is assumed is the size of originals: where it is known what resizing makes of them, that counts.
        unresized = 0 if keeping.resized is not None and len(kept) else assumed.assumed_image_bytes
        transfer = _for_few(transfer, reachable.times(rows), whole, assumed.assumed_image_bytes)
        store = _for_few(store, kept_share.times(rows), kept if len(kept) else whole, unresized)

    by_bandwidth = transfer.times(8 / (assumed.bandwidth_mbit_s * 1e6) / 3600)
    by_machine = Interval(1.0, 1 / MACHINE_FACTOR, MACHINE_FACTOR).times(rows / assumed.images_per_s / 3600)
    host, host_rows = _busiest(hosts)
    domain, domain_rows = _busiest(_by_domain(hosts))
    by_host = _hours_asked(host_rows, told["seconds"], limits.requests_per_s, limits.at_once)
    by_domain = _hours_asked(domain_rows, told["seconds"], limits.domain_requests_per_s, limits.domain_at_once)
    waiting = Interval(1.0, 0.0, MOST_DEADLINES).times(parts * limits.deadline_s / 3600 if rows else 0.0)

    def slowest(bound: Callable[[Interval], float]) -> float:
        return max(bound(one) for one in (by_machine, by_bandwidth, by_host, by_domain)) + bound(waiting)

    return Forecast(
        rows=rows,
        probes=told.height,
        probes_suffice=told.height >= assumed.least_probes,
        minimum_side_px=keeping.minimum_side_px,
        reachable_share=reachable,
        kept_share=kept_share,
        images=kept_share.times(rows),
        bytes_to_transfer=transfer,
        bytes_to_store=store,
        hours=Interval(slowest(lambda one: one.estimate), slowest(lambda one: one.low), slowest(lambda one: one.high)),
        hours_by_bandwidth=by_bandwidth,
        hours_by_machine=by_machine,
        hours_by_busiest_host=by_host,
        hours_by_busiest_domain=by_domain,
        hours_of_waiting=waiting,
        busiest_host=host,
        busiest_host_share=host_rows / rows if rows else 0.0,
        busiest_domain=domain,
        busiest_domain_share=domain_rows / rows if rows else 0.0,
    )


def _busiest(rows: Mapping[str, int]) -> tuple[str, int]:
    name = max(rows, key=lambda name: (rows[name], name), default="")
    return name, rows.get(name, 0)


def _by_domain(hosts: Mapping[str, int]) -> Counter[str]:
    from laion_assets.web.schedule import registrable_domain

    domains: Counter[str] = Counter()
    for host, rows in hosts.items():
        domains[registrable_domain(host)] += rows
    return domains


def _hours_asked(rows: int, seconds: pl.Series, requests_per_s: float | None, at_once: int | None) -> Interval:
    """Hours that so many rows take, with so many requests at once and so many per second."""
    seconds = seconds.drop_nulls()
    mean = seconds.mean()
    spread = seconds.std() if seconds.len() > 1 else 0.0
    if not isinstance(mean, float) or not isinstance(spread, float):
        mean = spread = 0.0
    half = NormalDist().inv_cdf(0.975) * spread / math.sqrt(max(seconds.len(), 1))
    least = 1 / requests_per_s if requests_per_s else 0.0

    def hours(answer_s: float) -> float:
        return rows * max(answer_s / at_once if at_once else 0.0, least) / 3600

    return Interval(hours(mean), hours(max(0.0, mean - half)), hours(mean + half))


def _share(hits: pl.Series, weights: pl.Series, population: int) -> Interval:
    found = weighted_share(hits, weights, population or None)
    # Without a probe nothing is known: the middle, and the widest interval there is.
    return Interval(0.5 if math.isnan(found.estimate) else found.estimate, found.low, found.high)


def _for_few(total: Interval, images: Interval, sizes: Floats, assumed_bytes: int) -> Interval:
    """A total of bytes from so few images that their spread says nothing about the others.

    At least the fewest images of the smallest size seen; at most the most images of the largest, or of the assumed one.
    """
    low = images.low * sizes.min() if len(sizes) else 0.0
    high = images.high * sizes.max(initial=assumed_bytes)
    return Interval(total.estimate, min(total.low, float(low)), max(total.high, float(high)))


def _total(values: Floats, weights: Floats, known: Bools, guessed: Bools, population: int, *, unknown: int) -> Interval:
    """A total over the population from a weighted sample: ratio mean, its linearised variance, finite population.

    Without a sample, ``unknown`` per row is the estimate and the upper bound.

    Source: W. G. Cochran, Sampling Techniques, 3rd ed. (1977), sections 2.6 and 6.4; chapter 12 for values of which
    only some were measured.

    Args:
        values: per sampled row.
        weights: of the rows.
        known: rows whose value rests on a length that a server told.
        guessed: rows whose value rests on the mean of those.
        population: rows to be downloaded.
        unknown: see above.
    """
    if not len(values) or not population:
        return Interval(unknown * population, 0.0, unknown * population)
    shares = weights / weights.sum()
    mean = float((shares * values).sum())
    spread = _variance_of_mean(values, shares) * max(0.0, 1 - _effective(shares) / population)
    if known.sum() > 1 and guessed.any():
        told, taken = float(shares[known].sum()), float(shares[guessed].sum())
        # As if all of them were as well known as the mean of the known ones; their own share of it is counted already.
        spread += ((told + taken) ** 2 - told**2) * _variance_of_mean(values[known], shares[known] / told)
    half = NormalDist().inv_cdf(0.975) * math.sqrt(spread)
    return Interval(mean * population, max(0.0, mean - half) * population, (mean + half) * population)


def _effective(shares: Floats) -> float:
    """How many equally weighted rows say as much."""
    return 1 / float((shares**2).sum())


def _variance_of_mean(values: Floats, shares: Floats) -> float:
    effective = _effective(shares)
    return float((shares**2 * (values - (shares * values).sum()) ** 2).sum()) * effective / max(effective - 1, 1)
