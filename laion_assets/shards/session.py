"""The process that downloads: reader, downloader and distributor put together, watched, and reported on.

Started through Dagster Pipes as ``python -m laion_assets.shards.session``, because a download wants signals, processes
and memory of its own. ``run`` does the same without Dagster.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from laion_assets.lake.lake import Lake
from laion_assets.shards import distributors, process
from laion_assets.shards.job import STOP_FILE, DownloadError, Job
from laion_assets.shards.layout import read_shards, shard_name
from laion_assets.shards.progress import read_failures, read_progress, say_failure
from laion_assets.subsets.at_once import SHARDS_IN_ONE_PROCESS, most_processes, most_that_share

# Below, starting worker processes costs more than a second core brings.
SMALL_ROWS = 20_000

INTERRUPTED_EXIT_CODE = 130
STOPPED = "stopped; finished shards stay, the next run continues with the missing ones"

_LOOK_EVERY_S = 1.0
_SAY_EVERY_S = 3.0

Say = Callable[[str], object]


def run(job: Job, say: Say) -> None:
    """Carry out a job: write every shard of it that is missing.

    Raises:
        DownloadError: At least one shard could not be written. The others are there, and stay.
    """
    os.environ["TQDM_DISABLE"] = "1"
    from laion_assets.shards import upstream
    from laion_assets.shards.downloader import GuardedDownloader

    if not job.missing:
        return
    spec, processes = job.spec, processes_for(job)
    distributors.require(spec.distributor)
    if processes < (wanted := _processes_worth_having(job)):
        say(f"{processes} of {wanted} processes: each needs a place at every host, and per_host has no more")
    slices = job.folder / "slices"
    slices.mkdir(exist_ok=True)
    hashes = spec.verify_hash
    with contextlib.redirect_stdout(sys.stderr), _watched(job, say):
        reader = upstream.Reader(
            job.rows_file,
            "parquet",
            "url",
            "caption",
            hashes.column if hashes else None,
            hashes.kind if hashes else None,
            [name for name in job.columns if hashes is None or name != hashes.column],
            spec.rows_per_shard,
            set(job.done),
            str(slices),
            job.first_shard,
        )
        downloader = GuardedDownloader(job, reader.column_list, processes=processes)
        if spec.distributor == "multiprocessing" and processes == 1:
            _in_threads(downloader, reader, job)
        else:
            distribute = getattr(upstream, f"{spec.distributor}_distributor")
            with distributors.held_to(spec.distributor, processes, shards=len(job.missing)), _ending_at_once(say):
                distribute(processes, downloader, reader, 1000, 1)
    there = read_shards(Lake(job.lake_uri), job.key, job.part)
    if absent := [shard for shard in job.missing if shard not in there]:
        raise DownloadError(_sentence(job, len(absent)))


def processes_for(job: Job) -> int:
    """How many processes a job is worth, unless its spec says; never more than can share the manners of one client."""
    return min(_processes_worth_having(job), most_that_share(job.web))


def main() -> None:
    """Run as a Pipes process."""
    process.die_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        try:
            for job in pipes.get_extra("jobs"):
                run(Job.from_json(job), pipes.log.info)
        except DownloadError as error:
            pipes.log.error(str(error))  # noqa: TRY400 (one sentence is enough; the traceback tells nothing more)
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            pipes.log.info(STOPPED)
            raise SystemExit(INTERRUPTED_EXIT_CODE) from None


def _processes_worth_having(job: Job) -> int:
    wanted = job.spec.processes
    if wanted is None:
        wanted = 1 if job.rows_left <= SMALL_ROWS else most_processes()
    return min(wanted, len(job.missing))


def _in_threads(downloader: Callable[[Any], Any], rows: Iterable[Any], job: Job) -> None:
    """img2dataset's part of a distributor for one process: several shards at once on one event loop."""
    from laion_assets.shards.engine import stop_engines

    try:
        with ThreadPoolExecutor(SHARDS_IN_ONE_PROCESS) as pool:
            try:
                under_way = {pool.submit(downloader, row) for row in rows}
                while under_way:
                    # Now and then: a signal that another thread was given does not wake this one.
                    done, under_way = wait(under_way, timeout=_LOOK_EVERY_S)
                    for one in done:
                        one.result()
            except BaseException:
                (job.folder / STOP_FILE).touch()
                stop_engines()
                raise
    finally:
        stop_engines()


@contextlib.contextmanager
def _ending_at_once(say: Say) -> Iterator[None]:
    """End with the first signal: a pool that is asked politely waits for its workers, up to 20 s.

    The workers end with this process, and what they had begun is swept by the next one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        say(STOPPED)
        os._exit(INTERRUPTED_EXIT_CODE)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _watched(job: Job, say: Say) -> Iterator[None]:
    """Say how far it is while the block runs, and end everything when a worker dies without a word.

    img2dataset's pool would wait for ever for a worker that the kernel killed, for want of memory for instance.
    """
    started, over = time.monotonic(), threading.Event()

    def watch() -> None:
        said = started
        while not over.wait(_LOOK_EVERY_S):
            progress = read_progress(job.folder, rows=job.rows_left, started=started)
            # Workers of Ray or Spark may be on another machine, where their numbers mean nothing.
            if progress.dead_workers and job.spec.distributor == "multiprocessing":
                _give_up(job, progress.dead_workers, say)
            if time.monotonic() - said >= _SAY_EVERY_S:
                said = time.monotonic()
                say(progress.line())

    watcher = threading.Thread(target=watch, name="progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    say(read_progress(job.folder, rows=job.rows_left, started=started).line())


def _give_up(job: Job, shards: Sequence[int], say: Say) -> None:
    for shard in shards:
        say_failure(job.folder, shard, "its worker process was killed, for want of memory perhaps")
    say(_sentence(job, len(shards)))
    sys.stderr.flush()
    os._exit(1)  # the other workers end with this process


def _sentence(job: Job, absent: int) -> str:
    failures = {shard: failure.finding for shard, failure in read_failures(job.folder).items()}
    shard, why = next(iter(failures.items()), (job.missing[0], "no reason was left"))
    return (
        f"{job.part}: {absent} of {len(job.missing)} shards could not be written; "
        f"{shard_name(shard)}: {why.rstrip('.')}. Run again: it continues with the missing ones."
    )


if __name__ == "__main__":
    main()
