"""One shard in the making: requests out, answers in, judged, perhaps resized, and written in the planned order."""

import asyncio
import hashlib
import io
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from laion_assets.shards.job import Job
from laion_assets.shards.judge import OPTED_OUT_ERROR, Limits, Verdict, judge
from laion_assets.shards.layout import SHARD_DIGITS, key_prefix
from laion_assets.shards.ordered import Finished, InOrder
from laion_assets.shards.progress import ShardProgress
from laion_assets.shards.spec import SUFFIXES
from laion_assets.shards.upstream import CappedCounter, Resizer, compute_key
from laion_assets.shards.writer import ShardWriter
from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, Request

# Images between the network and the resizer's threads, beside those that are in one; more would only wait in memory.
_RESIZE_AHEAD = 7
_FORMATS = {suffix: name for name, suffix in SUFFIXES.items()}


@dataclass(frozen=True)
class Resizing:
    """img2dataset's resizer, and the threads it works in."""

    resizer: Resizer
    pool: Executor
    threads: int


class ShardRun:
    """Answers every row of one shard and keeps its books."""

    def __init__(
        self,
        job: Job,
        shard: int,
        columns: Mapping[str, Sequence[Any]],
        *,
        writer: ShardWriter,
        progress: ShardProgress,
        spill: Path,
        resizing: Resizing | None,
    ) -> None:
        self._job, self._spec, self._shard, self._columns = job, job.spec, shard, columns
        self._writer, self._progress, self._resizing = writer, progress, resizing
        self._limits = Limits.of(job.spec, job.minimum_side_px)
        self._key_prefix = key_prefix(job.part)
        self._key_digits = math.ceil(math.log10(job.spec.rows_per_shard))
        self._expected = columns[job.spec.verify_hash.kind] if job.spec.verify_hash else None
        self._order = InOrder(memory_bytes=job.spec.memory_mb * 1_000_000, spill=spill)
        self._messages = CappedCounter()
        self._statuses: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._formats: Counter[str] = Counter()
        self._image_bytes = self._transferred_bytes = self._overrun_bytes = 0
        self._started = time.time()

    async def run(self, client: GuardedClient) -> None:
        """Ask for every row, and write each as soon as its turn has come."""
        saying = asyncio.create_task(self._progress.keep_saying())
        try:
            with self._order:
                await self._answer_all(client)
        finally:
            saying.cancel()

    async def _answer_all(self, client: GuardedClient) -> None:
        being_resized: set[asyncio.Future[Finished]] = set()
        async for request, answer in client.answers(self._requests()):
            finished = self._finish(int(str(request.key)), answer)
            if self._resizing is None or finished.image is None:
                self._write(finished)
                continue
            loop = asyncio.get_running_loop()
            resizing = self._resizing
            being_resized.add(loop.run_in_executor(resizing.pool, _resize, finished, resizing.resizer))
            if len(being_resized) >= resizing.threads + _RESIZE_AHEAD:
                done, being_resized = await asyncio.wait(being_resized, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    self._write(one.result())
        for late in asyncio.as_completed(being_resized):
            self._write(await late)

    def stats(self, parquet: Path) -> dict[str, Any]:
        """What the stats file says once tar and parquet are closed: img2dataset's fields, then ours."""
        ended = time.time()
        return {
            "count": sum(self._outcomes.values()),
            "successes": self._statuses["success"],
            "failed_to_download": self._statuses["failed_to_download"],
            "failed_to_resize": self._statuses["failed_to_resize"],
            "duration": ended - self._started,
            "start_time": self._started,
            "end_time": ended,
            "status_dict": self._messages.dump(),
            "outcomes": dict(sorted(self._outcomes.items())),
            "formats": dict(sorted(self._formats.items())),
            "image_bytes": self._image_bytes,
            "transferred_bytes": self._transferred_bytes,
            "overrun_bytes": self._overrun_bytes,
            "tar_bytes": self._writer.tar_fd.size,
            "tar_sha256": self._writer.tar_fd.hexdigest(),
            "parquet_sha256": hashlib.sha256(parquet.read_bytes()).hexdigest(),
            "rows_digest": self._job.digests[self._shard],
            "retry_round": self._job.retry_round,
        }

    def _requests(self) -> Iterator[Request]:
        for index, url in enumerate(self._columns["url"]):
            yield Request(url, key=index, max_bytes=self._spec.maximum_bytes)

    def _finish(self, index: int, answer: Answer) -> Finished:
        self._transferred_bytes += answer.bytes_read
        if answer.outcome is Outcome.TOO_LARGE:
            self._overrun_bytes += answer.bytes_read
        verdict = self._judge(index, answer)
        if verdict.outcome is not Outcome.OK:
            return Finished(index, verdict, http_status=answer.http_status)
        kind = self._spec.compute_hash
        return Finished(
            index,
            verdict,
            image=answer.body,
            suffix=SUFFIXES[verdict.format or "jpeg"],
            width=verdict.width,
            height=verdict.height,
            digest=hashlib.new(kind, answer.body, usedforsecurity=False).hexdigest() if kind else None,
            original_bytes=len(answer.body),
            http_status=answer.http_status,
        )

    def _judge(self, index: int, answer: Answer) -> Verdict:
        if answer.opted_out:
            return Verdict(Outcome.OPTED_OUT, OPTED_OUT_ERROR)
        if answer.outcome is not Outcome.OK:
            return Verdict(answer.outcome, answer.error or answer.outcome.meaning)
        try:
            return judge(
                answer.body, self._limits, expected_hash=self._expected[index] if self._expected is not None else None
            )
        except Exception as error:  # noqa: BLE001 (one strange file must not cost a shard)
            return Verdict(Outcome.FAILED_HERE, f"{type(error).__name__}: {error}"[:300])

    def _write(self, finished: Finished) -> None:
        self._progress.row_done(finished.verdict.outcome.value, len(finished.image or b""))
        self._order.put(finished)
        for one in self._order.ready():
            self._write_row(one)

    def _write_row(self, finished: Finished) -> None:
        verdict, spec = finished.verdict, self._spec
        key = f"{self._key_prefix}_{compute_key(finished.index, self._shard, self._key_digits, SHARD_DIGITS)}"
        meta: dict[str, Any] = {name: _plain(values[finished.index]) for name, values in self._columns.items()}
        caption, kept = meta["caption"], finished.image is not None
        meta |= {
            "key": key,
            "status": verdict.status,
            "error_message": verdict.error,
            "width": finished.width,
            "height": finished.height,
            "original_width": verdict.width if kept else None,
            "original_height": verdict.height if kept else None,
        }
        if spec.compute_hash is not None:
            meta[spec.compute_hash] = finished.digest
        meta |= {
            "outcome": verdict.outcome.value,
            "format": verdict.format,
            "file_bytes": finished.original_bytes if kept else None,
            "http_status": finished.http_status,
        }
        size = len(finished.image or b"")
        self._writer.write(finished.image, key, caption, meta, finished.suffix)
        self._messages.increment(verdict.error if verdict.error is not None else verdict.status)
        self._statuses[verdict.status] += 1
        self._outcomes[verdict.outcome.value] += 1
        if kept:
            self._formats[_FORMATS[finished.suffix]] += 1
            self._image_bytes += size


def _resize(finished: Finished, resizer: Resizer) -> Finished:
    """Resize one image, in a thread: cv2 lets the event loop go on meanwhile."""
    image, width, height, _, _, error = resizer(io.BytesIO(finished.image or b""))
    if error is not None or image is None:
        verdict = replace(finished.verdict, outcome=Outcome.UNDECODABLE, error=error or "Image decoding error")
        return Finished(finished.index, verdict, http_status=finished.http_status)
    return replace(finished, image=image, width=width, height=height, suffix=resizer.encode_format)


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever a column holds)
    """JSON knows no not-a-number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
