"""A run of probes: which URLs of a sample have to be asked, asking them, and the sample with what is known in the end.

How one image is asked is ``reading``'s business, how many are ``asking``'s and ``workers``'; what is kept between runs
is ``store``'s.
"""

import os
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone

import polars as pl

from laion_assets.metadata.draw_order import score
from laion_assets.probes.progress import OnProgress, Progress
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.outcome import Fault, Outcome
from laion_assets.web.spec import WebSpec

PROGRESS_INTERVAL_S = 2.0
# A process takes a second to start, in which another probes 2,000 images of a quick server.
URLS_WORTH_A_PROCESS = 8_000


@dataclass(frozen=True)
class ProbeRun:
    """What a run of probes found."""

    frame: pl.DataFrame
    """The rows that were given, with the columns of ``PROBE_SCHEMA`` added."""
    asked: int
    """Distinct URLs asked in this run."""
    afresh: pl.Series
    """Those of them that are not asked again because they failed."""
    reused: int
    """Distinct URLs whose results were there already."""
    seconds: float
    bytes_read: int
    """Over all URLs asked in this run."""
    requests: int


def probe_sample(
    sample: pl.DataFrame,
    *,
    web: WebSpec,
    spec: ProbeSpec,
    store: ProbeStore,
    on_progress: OnProgress | None = None,
    now: datetime | None = None,
) -> ProbeRun:
    """Learn the true size behind every URL of a sample, asking only for what is not known or too old.

    Results reach the store every few seconds, so a run that is killed and started again goes on where it was.

    Args:
        sample: Has ``url``; may repeat URLs, which are asked once.
        web: How the client behaves.
        spec: How an image is asked, and how long an answer is believed.
        store: Where results are kept by URL.
        on_progress: Called every few seconds, and once at the end.
        now: What ages are counted from; the time it is, unless a test says otherwise.
    """
    urls = sample["url"].unique()
    known = store.newest().join(urls.to_frame("url"), on="url", how="semi")
    reused = known.filter(_is_fresh(spec, now or datetime.now(timezone.utc)))
    asked = urls.filter(~urls.is_in(reused["url"].implode()))
    failed = known.filter(_may_pass())
    afresh = asked.filter(~asked.is_in(failed["url"].implode()))
    return _run(sample, asked, reused, afresh=afresh, web=web, spec=spec, store=store, on_progress=on_progress)


def probe_panel(
    sample: pl.DataFrame,
    *,
    rows: int,
    seed: int,
    web: WebSpec,
    spec: ProbeSpec,
    store: ProbeStore,
    on_progress: OnProgress | None = None,
) -> ProbeRun:
    """Probe a fixed panel again, whatever is known about it: the first rows of the nested sample.

    Since samples of one seed are nested, the panel stays the same however large the sample grows, as long as the parts
    do; comparing two runs compares the web, not two samples.

    Args:
        sample: A sample drawn with ``seed``.
        rows: Size of the panel.
        seed: The sample's seed.
        web: How the client behaves.
        spec: How an image is asked.
        store: Where results are kept by URL; what the panel learns counts for others too.
        on_progress: Called every few seconds, and once at the end.
    """
    panel = first_rows(sample, rows=rows, seed=seed)
    urls = panel["url"].unique()
    return _run(panel, urls, store.empty(), afresh=urls, web=web, spec=spec, store=store, on_progress=on_progress)


def first_rows(sample: pl.DataFrame, *, rows: int, seed: int) -> pl.DataFrame:
    """The rows of a sample that a sample of ``rows`` would hold, in the order they have."""
    scored = [
        group.with_columns(_score=pl.Series(score(seed, str(part), group["row"].to_numpy())))
        for (part,), group in sample.group_by("part", maintain_order=True)
    ]
    if not scored:
        return sample
    chosen = pl.concat(scored).sort("_score").head(rows).drop("_score")
    return chosen.sort("part", "row")


def _is_fresh(spec: ProbeSpec, now: datetime) -> pl.Expr:
    """Whether a kept result still counts: for how long depends on what could have changed since."""
    ours = [outcome.value for outcome in Outcome if outcome.fault is Fault.US]
    days = (pl.lit(now) - pl.col("probed_at")).dt.total_seconds(fractional=True) / 86_400
    limit = pl.when(_may_pass()).then(spec.retry_age_days).otherwise(spec.max_age_days)
    return (days < limit) & ~pl.col("outcome").is_in(ours)


def _may_pass() -> pl.Expr:
    """Whether a kept result may be another the next time."""
    return pl.col("outcome").is_in([outcome.value for outcome in Outcome if outcome.retryable])


class _Clock:
    """Tells how far a run is, every few seconds, counted from its first sign of life."""

    def __init__(self, *, total: int, reused: int, on_progress: OnProgress | None) -> None:
        self._total = total
        self._reused = reused
        self._on_progress = on_progress
        self._began: float | None = None
        self._told = 0.0
        self._outcomes: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    def start(self) -> None:
        self._began = self._told = time.monotonic()

    def tick(self, outcomes: Counter[str]) -> None:
        if self._began is None:
            self.start()
        self._outcomes = outcomes
        if time.monotonic() - self._told >= PROGRESS_INTERVAL_S:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        if self._on_progress is not None:
            done = sum(self._outcomes.values())
            self._on_progress(Progress(done, self._total, self._reused, self.seconds, dict(self._outcomes)))


def _run(
    rows: pl.DataFrame,
    urls: pl.Series,
    reused: pl.DataFrame,
    *,
    afresh: pl.Series,
    web: WebSpec,
    spec: ProbeSpec,
    store: ProbeStore,
    on_progress: OnProgress | None,
) -> ProbeRun:
    # Rows of one shop often follow each other; a fixed shuffle spreads every host over the whole run.
    urls = urls.drop_nulls().sort().sample(fraction=1.0, shuffle=True, seed=0)
    clock = _Clock(total=len(urls), reused=reused.height, on_progress=on_progress)
    learned = store.empty()
    if len(urls):
        _ask(urls, web=web, spec=spec, store=store, clock=clock)
        store.compact()
        learned = store.newest().join(urls.to_frame("url"), on="url", how="semi")
    seconds = clock.seconds
    clock.tell()
    results = pl.concat([reused, learned])
    return ProbeRun(
        frame=rows.join(results, on="url", how="left", maintain_order="left", validate="m:1"),
        asked=len(urls),
        afresh=afresh,
        reused=reused.height,
        seconds=seconds,
        bytes_read=int(learned["bytes_read"].sum()),
        requests=int(learned["requests"].sum()),
    )


def _ask(urls: pl.Series, *, web: WebSpec, spec: ProbeSpec, store: ProbeStore, clock: _Clock) -> None:
    processes = spec.processes or max(1, min(os.cpu_count() or 1, len(urls) // URLS_WORTH_A_PROCESS))
    if processes > 1:
        from laion_assets.probes.workers import ask_side_by_side

        ask_side_by_side(urls, processes=processes, web=web, spec=spec, store=store, on_tick=clock.tick)
    else:
        from laion_assets.probes.asking import ask

        clock.start()
        ask(urls, web=web, spec=spec, store=store, on_tick=clock.tick)
