"""img2dataset's downloader with our guarded client as its fetcher: one shard at a time, on an event loop.

What is inherited is how it is called: by a distributor, with a slice of rows from the reader, in whatever process. What
becomes of a file is decided in ``judge``; how shards look on disk, in ``writer``.
"""

import asyncio
import hashlib
import io
import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import uvloop

from laion_assets.lake.errors import is_no_room
from laion_assets.lake.lake import Lake
from laion_assets.shards import process
from laion_assets.shards.job import STOP_FILE, Job
from laion_assets.shards.judge import OPTED_OUT_ERROR, Limits, Verdict, judge
from laion_assets.shards.layout import SHARD_DIGITS, shard_files
from laion_assets.shards.ordered import Finished, InOrder
from laion_assets.shards.progress import ShardProgress, forget_failure, say_failure
from laion_assets.shards.spec import SUFFIXES
from laion_assets.shards.upstream import CappedCounter, Downloader, Resizer, compute_key
from laion_assets.shards.writer import ShardWriter
from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, Request

# Images between the network and the resizer's one thread; more would only wait in memory.
_RESIZE_AHEAD = 8


class StoppedError(RuntimeError):
    """Another worker found a reason for which no shard can be made."""


@dataclass(frozen=True)
class _Slice:
    """The planned rows of one shard."""

    table: pa.Table
    columns: dict[str, list[Any]]

    @property
    def rows(self) -> int:
        return int(self.table.num_rows)


class GuardedDownloader(Downloader):  # type: ignore[misc]
    """Downloads the rows of a shard and publishes it; called by img2dataset's distributors."""

    def __init__(self, job: Job, column_list: list[str], *, processes: int) -> None:
        spec = job.spec
        resize = spec.resize
        super().__init__(
            sample_writer_class=ShardWriter,
            resizer=None
            if resize is None
            else Resizer(
                image_size=resize.image_size,
                resize_mode=resize.mode,
                resize_only_if_bigger=resize.only_if_bigger,
                encode_quality=resize.encode_quality,
                encode_format=resize.encode_format,
                skip_reencode=resize.skip_reencode,
            ),
            thread_count=job.web.concurrency,
            save_caption=True,
            extract_exif=False,
            output_folder=job.lake_uri,
            column_list=column_list,
            timeout=job.web.deadline_s,
            number_sample_per_shard=spec.rows_per_shard,
            oom_shard_count=SHARD_DIGITS,
            compute_hash=spec.compute_hash,
            verify_hash_type=spec.verify_hash.kind if spec.verify_hash else None,
            encode_format=resize.encode_format if resize else "jpg",
            retries=0,
            user_agent_token=None,
            disallowed_header_directives=None,
        )
        self.job = job
        self.processes = processes
        self.limits = Limits.of(spec, job.minimum_side_px)

    def __call__(self, row: tuple[int, str]) -> tuple[bool, tuple[int, str]]:
        """Make one shard; what goes wrong is left as a file for the process that started this one."""
        shard, folder = row[0], self.job.folder
        if self.processes > 1:
            process.die_with_parent()
        try:
            forget_failure(folder, shard)
            self.download_shard(row)
        except Exception as error:  # noqa: BLE001 (a distributor expects an answer, not an exception)
            say_failure(folder, shard, f"{type(error).__name__}: {error}")
            if is_no_room(error):
                (folder / STOP_FILE).touch()
            return False, row
        return True, row

    def download_shard(self, row: tuple[int, str]) -> None:
        """Download the rows in a slice the reader wrote, and publish tar, parquet and stats as one."""
        shard, slice_file = row
        if (self.job.folder / STOP_FILE).exists():
            raise StoppedError("not begun, because another shard could not be written")
        started = time.time()
        with pa.OSFile(slice_file, "rb") as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
        rows = _Slice(table, {name: table[name].to_pylist() for name in self.column_list})
        lake = Lake(self.job.lake_uri)
        progress = ShardProgress(self.job.folder, shard, rows.rows)
        progress.say()
        uris = [lake.uri([*self.job.key, self.job.part], name) for name in shard_files(shard)]
        with lake.publish_many(uris) as (tar, parquet, stats):
            writer = ShardWriter(tar=tar, parquet=parquet, schema=self._schema(table.schema))
            shard_run = _ShardRun(self, shard, rows, writer, progress, tar.with_suffix(".spill"))
            uvloop.run(shard_run.run())
            writer.close()
            content = shard_run.stats(started, writer, parquet)
            stats.write_text(json.dumps(content, indent=4))
        progress.say(finished=True)
        Path(slice_file).unlink()

    def _schema(self, schema: pa.Schema) -> pa.Schema:
        """img2dataset's columns, then ours."""
        for name in ("key", "status", "error_message"):
            schema = schema.append(pa.field(name, pa.string()))
        for name in ("width", "height", "original_width", "original_height"):
            schema = schema.append(pa.field(name, pa.int32()))
        if self.compute_hash is not None and self.compute_hash not in schema.names:
            schema = schema.append(pa.field(self.compute_hash, pa.string()))
        return (
            schema.append(pa.field("outcome", pa.string()))
            .append(pa.field("format", pa.string()))
            .append(pa.field("file_bytes", pa.int64()))
            .append(pa.field("http_status", pa.int16()))
        )


class _ShardRun:
    """One shard in the making: requests out, answers in, rows in order into the writer."""

    def __init__(
        self,
        downloader: GuardedDownloader,
        shard: int,
        rows: _Slice,
        writer: ShardWriter,
        progress: ShardProgress,
        spill: Path,
    ) -> None:
        self.downloader = downloader
        self.job = downloader.job
        self.shard = shard
        self.rows = rows
        self.writer = writer
        self.progress = progress
        self.order = InOrder(memory_bytes=self.job.spec.memory_mb * 1_000_000, spill=spill)
        self.status = CappedCounter()
        self.statuses: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.image_bytes = 0
        self.transferred_bytes = 0
        hashes = self.job.spec.verify_hash
        self.expected = rows.columns[hashes.kind] if hashes else None

    async def run(self) -> None:
        """Answer every row of the slice."""
        resizer = self.downloader.resizer
        with self.order, ThreadPoolExecutor(1) as pool:
            resizing: set[asyncio.Future[Finished]] = set()
            async with GuardedClient(process.share_of(self.job.web, self.downloader.processes)) as client:
                async for request, answer in client.answers(self._requests()):
                    finished = self._finish(int(str(request.key)), answer)
                    if resizer is None or finished.image is None:
                        self._write(finished)
                        continue
                    loop = asyncio.get_running_loop()
                    resizing.add(loop.run_in_executor(pool, _resize, finished, resizer))
                    if len(resizing) >= _RESIZE_AHEAD:
                        done, resizing = await asyncio.wait(resizing, return_when=asyncio.FIRST_COMPLETED)
                        for one in done:
                            self._write(one.result())
                for one in asyncio.as_completed(resizing):
                    self._write(await one)

    def stats(self, started: float, writer: ShardWriter, parquet: Path) -> dict[str, Any]:
        """What the stats file says: img2dataset's fields, then ours."""
        ended = time.time()
        return {
            "count": self.rows.rows,
            "successes": self.statuses["success"],
            "failed_to_download": self.statuses["failed_to_download"],
            "failed_to_resize": self.statuses["failed_to_resize"],
            "duration": ended - started,
            "start_time": started,
            "end_time": ended,
            "status_dict": self.status.dump(),
            "outcomes": dict(sorted(self.outcomes.items())),
            "formats": dict(sorted(self.formats.items())),
            "image_bytes": self.image_bytes,
            "transferred_bytes": self.transferred_bytes,
            "tar_bytes": writer.tar_fd.size,
            "tar_sha256": writer.tar_fd.hexdigest(),
            "parquet_sha256": hashlib.sha256(parquet.read_bytes()).hexdigest(),
            "rows_digest": self.job.digests[self.shard],
            "retry_round": self.job.retry_round,
        }

    def _requests(self) -> Iterator[Request]:
        for index, url in enumerate(self.rows.columns["url"]):
            yield Request(url, key=index, max_bytes=self.job.spec.maximum_bytes)

    def _finish(self, index: int, answer: Answer) -> Finished:
        self.transferred_bytes += answer.bytes_read
        if answer.opted_out:
            verdict = Verdict(Outcome.OPTED_OUT, OPTED_OUT_ERROR)
        elif answer.outcome is not Outcome.OK:
            verdict = Verdict(answer.outcome, answer.error or answer.outcome.meaning)
        else:
            expected = self.expected[index] if self.expected else None
            try:
                verdict = judge(answer.body, self.downloader.limits, expected_hash=expected)
            except Exception as error:  # noqa: BLE001 (one strange file must not cost a shard)
                verdict = Verdict(Outcome.FAILED_HERE, f"{type(error).__name__}: {error}"[:300])
        if verdict.outcome is not Outcome.OK:
            return Finished(index, verdict, http_status=answer.http_status)
        kind = self.job.spec.compute_hash
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

    def _write(self, finished: Finished) -> None:
        self.order.put(finished)
        for one in self.order.ready():
            self._write_row(one)

    def _write_row(self, finished: Finished) -> None:
        verdict, kind = finished.verdict, self.job.spec.compute_hash
        digits = math.ceil(math.log10(self.job.spec.rows_per_shard))
        key = compute_key(finished.index, self.shard, digits, SHARD_DIGITS)
        meta: dict[str, Any] = {name: _plain(values[finished.index]) for name, values in self.rows.columns.items()}
        caption = meta["caption"]
        kept = finished.image is not None
        meta |= {
            "key": key,
            "status": verdict.status,
            "error_message": verdict.error,
            "width": finished.width,
            "height": finished.height,
            "original_width": verdict.width if kept else None,
            "original_height": verdict.height if kept else None,
        }
        if kind is not None:
            meta[kind] = finished.digest
        meta |= {
            "outcome": verdict.outcome.value,
            "format": verdict.format,
            "file_bytes": finished.original_bytes if kept else None,
            "http_status": finished.http_status,
        }
        self.writer.write(finished.image, key, caption, meta, finished.suffix)
        self.status.increment(verdict.error if verdict.error is not None else verdict.status)
        self.statuses[verdict.status] += 1
        self.outcomes[verdict.outcome.value] += 1
        if kept:
            self.formats[verdict.format or ""] += 1
            self.image_bytes += len(finished.image or b"")
        self.progress.row_done(verdict.outcome.value, len(finished.image or b""))


def _resize(finished: Finished, resizer: Resizer) -> Finished:
    """Run img2dataset's resizer on one image, in a thread: cv2 lets the event loop go on meanwhile."""
    image, width, height, _, _, error = resizer(io.BytesIO(finished.image or b""))
    if error is not None or image is None:
        verdict = replace(finished.verdict, outcome=Outcome.UNDECODABLE, error=error or "Image decoding error")
        return Finished(finished.index, verdict, http_status=finished.http_status)
    return replace(finished, image=image, width=width, height=height, suffix=resizer.encode_format)


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever a column holds)
    """JSON knows no not-a-number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
