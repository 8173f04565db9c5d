"""Asking the web for the true size of images: how many bytes to ask for, what the answer is called, and a run of many.

How requests are guarded, bounded and scheduled is ``web``'s business; how bytes become a size is ``header``'s; what is
kept between runs is ``store``'s.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import polars as pl

from laion_assets.probes.header import Header, NeedMore, NotAnImage, Unknown, read_header
from laion_assets.probes.sample import score
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, MoreBytes, Request
from laion_assets.web.spec import WebSpec

if TYPE_CHECKING:
    from laion_assets.web.client import GuardedClient

# A killed run loses at most what it learned since the last flush.
FLUSH_INTERVAL_S = 2.0
FLUSH_ROWS = 20_000
PROGRESS_INTERVAL_S = 2.0

# Read beyond what a header proves to be needed: behind an EXIF block often lie another (XMP, a colour profile) and then
# the size, and one more request costs more than these bytes.
_SLACK_BYTES = 16_384


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
        if others := len(common) - 4 if len(common) > 4 else 0:
            ends += f", {others} other outcome{'s' if others > 1 else ''}"
        left = "" if self.seconds_left is None or self.done == self.total else f", {_duration(self.seconds_left)} left"
        kept = f", {self.reused:,} known already" if self.reused else ""
        return f"{self.done:,} of {self.total:,} probed ({self.per_second:,.0f}/s{left}{kept}): {ends}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class ProbeRun:
    """What a run of probes found."""

    frame: pl.DataFrame
    """The rows that were given, with the columns of ``PROBE_SCHEMA`` added."""
    asked: int
    """Distinct URLs asked in this run."""
    reused: int
    """Distinct URLs whose results were there already."""
    seconds: float
    bytes_read: int
    """Over all URLs asked in this run."""
    requests: int


def more_bytes(spec: ProbeSpec) -> MoreBytes:
    """When to read on: as far as the header needs, in steps that spare requests, never beyond the cap."""

    def more(prefix: bytes, complete: bool) -> int | None:  # noqa: FBT001 - the client's signature
        answer = read_header(prefix, complete=complete)
        if not isinstance(answer, NeedMore) or answer.at_least_bytes > spec.max_prefix_bytes:
            return None
        wanted = answer.at_least_bytes + _SLACK_BYTES
        if answer.at_least_bytes <= spec.second_prefix_bytes < wanted:
            wanted = spec.second_prefix_bytes
        if len(prefix) >= spec.second_prefix_bytes:
            wanted = max(wanted, 2 * len(prefix))
        return min(spec.max_prefix_bytes, wanted)

    return more


def result_of(answer: Answer, *, probed_at: datetime) -> dict[str, Any]:
    """What one answer of the client says about the image: the columns of ``PROBE_SCHEMA``."""
    outcome, error = answer.outcome, answer.error
    header: Header | None = None
    format_: str | None = None
    if outcome is Outcome.OK:
        found = read_header(answer.body, complete=answer.complete)
        match found:
            case Header():
                header, format_ = found, found.format
            case NotAnImage(finding=finding):
                outcome, error = Outcome.NOT_AN_IMAGE, f"{finding} (as {answer.content_type})"
            case Unknown(format=format_, reason=reason, truncated=truncated):
                outcome, error = (Outcome.TRUNCATED if truncated else Outcome.UNKNOWN_SIZE), f"{format_}: {reason}"
            case NeedMore(at_least_bytes=needed, format=format_):
                outcome = Outcome.UNKNOWN_SIZE
                error = f"{format_}: the size lies beyond the first {len(answer.body)} bytes, at {needed} or later"
    return {
        "outcome": outcome.value,
        "error": error[:300] if error else None,
        "http_status": answer.http_status,
        "true_width": header.width if header else None,
        "true_height": header.height if header else None,
        "format": format_,
        "exif_orientation": header.exif_orientation if header else None,
        "file_bytes": answer.file_bytes,
        "bytes_read": answer.bytes_read,
        "requests": answer.requests,
        "seconds": answer.seconds,
        "final_host": answer.final_host,
        "opted_out": answer.opted_out,
        "probed_at": probed_at,
    }


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
    known = store.newest().filter(_is_fresh(spec, now or datetime.now(timezone.utc)))
    urls = sample["url"].unique()
    reused = known.join(urls.to_frame("url"), on="url", how="semi")
    asked = urls.filter(~urls.is_in(reused["url"].implode()))
    return _run(sample, asked, reused, web=web, spec=spec, store=store, on_progress=on_progress)


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
    nothing = store.empty()
    return _run(panel, panel["url"].unique(), nothing, web=web, spec=spec, store=store, on_progress=on_progress)


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
    retryable = [outcome.value for outcome in Outcome if outcome.retryable]
    ours = [outcome.value for outcome in Outcome if outcome.fault.value == "us"]
    days = (pl.lit(now) - pl.col("probed_at")).dt.total_seconds(fractional=True) / 86_400
    passing = pl.col("outcome").is_in(retryable)
    limit = pl.when(passing).then(spec.retry_age_days).otherwise(spec.max_age_days)
    return (days < limit) & ~pl.col("outcome").is_in(ours)


def _run(
    rows: pl.DataFrame,
    urls: pl.Series,
    reused: pl.DataFrame,
    *,
    web: WebSpec,
    spec: ProbeSpec,
    store: ProbeStore,
    on_progress: OnProgress | None,
) -> ProbeRun:
    # Rows of one shop often follow each other; a fixed shuffle spreads every host over the whole run.
    urls = urls.sort().sample(fraction=1.0, shuffle=True, seed=0)
    journal = _Journal(store, total=len(urls), reused=reused.height, on_progress=on_progress)
    if len(urls):
        _run_loop(_ask_all(urls, web=web, spec=spec, journal=journal))
        store.compact()
    journal.tell()
    results = pl.concat([reused.select(journal.learned.columns), journal.learned])
    frame = rows.join(results, on="url", how="left", maintain_order="left", validate="m:1")
    return ProbeRun(
        frame=frame,
        asked=len(urls),
        reused=reused.height,
        seconds=journal.seconds,
        bytes_read=int(journal.learned["bytes_read"].sum()),
        requests=int(journal.learned["requests"].sum()),
    )


async def _ask_all(urls: Iterable[str], *, web: WebSpec, spec: ProbeSpec, journal: "_Journal") -> None:
    from laion_assets.web.client import GuardedClient

    async with GuardedClient(web) as client:
        writer = asyncio.create_task(journal.keep())
        asking = asyncio.create_task(_ask(client, urls, spec, journal))
        try:
            # The writer only ends by failing (a full disk, say): asking on would be in vain.
            await asyncio.wait({writer, asking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asking, writer):
                task.cancel()
            ended = await asyncio.gather(asking, writer, return_exceptions=True)
            journal.flush()
        for error in ended:
            if isinstance(error, Exception):
                raise error


async def _ask(client: "GuardedClient", urls: Iterable[str], spec: ProbeSpec, journal: "_Journal") -> None:
    more = more_bytes(spec)
    requests = (
        Request(url=url, key=url, max_bytes=spec.max_prefix_bytes, more=more, first_bytes=spec.first_prefix_bytes)
        for url in urls
    )
    async for request, answer in client.answers(requests):
        journal.note(request.url, result_of(answer, probed_at=datetime.now(timezone.utc)))


class _Journal:
    """Collects results, hands them to the store every few seconds, and tells how far it is."""

    def __init__(self, store: ProbeStore, *, total: int, reused: int, on_progress: OnProgress | None) -> None:
        self._store = store
        self._total = total
        self._reused = reused
        self._on_progress = on_progress
        self._started = time.monotonic()
        self._pending: list[dict[str, Any]] = []
        self._flushed: list[pl.DataFrame] = [store.empty()]
        self._outcomes: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def learned(self) -> pl.DataFrame:
        return pl.concat(self._flushed)

    def note(self, url: str, result: dict[str, Any]) -> None:
        self._outcomes[result["outcome"]] += 1
        self._pending.append({"url": url, **result})

    async def keep(self) -> None:
        """Flush and tell, every few seconds, until cancelled. Writing happens beside the event loop."""
        told = flushed = time.monotonic()
        while True:
            await asyncio.sleep(0.2)
            now = time.monotonic()
            if self._pending and (now - flushed >= FLUSH_INTERVAL_S or len(self._pending) >= FLUSH_ROWS):
                flushed = now
                await asyncio.shield(asyncio.to_thread(self._write, self._take()))
            if now - told >= PROGRESS_INTERVAL_S:
                told = now
                self.tell()

    def flush(self) -> None:
        if self._pending:
            self._write(self._take())

    def tell(self) -> None:
        if self._on_progress is not None:
            done = sum(self._outcomes.values())
            self._on_progress(Progress(done, self._total, self._reused, self.seconds, dict(self._outcomes)))

    def _take(self) -> pl.DataFrame:
        pending, self._pending = self._pending, []
        frame = pl.DataFrame(pending, schema={"url": pl.String(), **PROBE_SCHEMA}, orient="row")
        self._flushed.append(frame)
        return frame

    def _write(self, frame: pl.DataFrame) -> None:
        self._store.append(frame)


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)
