"""One part from planned rows to shards: what is left is prepared, carried out by someone else, and accounted for."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from laion_assets.lake import scratch
from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets.shards.accounting import Accounting, account
from laion_assets.shards.job import DownloadError
from laion_assets.shards.layout import read_shards
from laion_assets.shards.prepare import Prepared, prepare
from laion_assets.shards.progress import read_failures
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.plan import planned_rows, read_forecast
from laion_assets.subsets.room import room_for
from laion_assets.subsets.rows import refuse_outdated_rows
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.spec import WebSpec


@dataclass(frozen=True)
class PartDownload:
    """How the download of one part went."""

    books: Accounting
    prepared: Prepared
    shards_made: int
    images_made: int
    seconds: float
    """For what was made in this run."""
    digest: str
    """Of all files of the part: the same content, the same digest."""

    @property
    def images_per_s(self) -> float:
        """Images made in this run per second of it."""
        return self.images_made / self.seconds if self.shards_made else 0.0


def download_part(
    lake: Lake,
    dataset: str,
    subset: SubsetSpec,
    part: str,
    *,
    spec: ShardsSpec,
    web: WebSpec,
    minimum_side_px: int,
    carry_out: Callable[[Sequence[str]], None],
    say: Callable[[str], None],
    retry: bool = False,
) -> PartDownload:
    """Bring the shards of a part to what is planned.

    Args:
        lake: where rows, plan and shards are.
        dataset: the dataset's name.
        subset: whose rows these are.
        part: which part.
        spec: how shards are made.
        web: how the web is asked.
        minimum_side_px: the dataset's promise.
        carry_out: runs jobs, each as JSON, in a process of their own; raises when that process fails.
        say: told what is going to happen.
        retry: also try again what failed in a way that may pass.

    Raises:
        DownloadError: There is no room for it, or shards could not be written; the others stay.
        LakeError: Shards could not be written because the lake was away for a while; the others stay.
        StalePlanError: The plan does not fit the rows, or these are not what the subset selects today.
        UrlListError: The subset's list of URLs to leave out cannot be read.
    """
    refuse_outdated_rows(lake, dataset, subset, [part])
    planned = planned_rows(lake, dataset, subset.name, part)
    forecast = read_forecast(lake, dataset, subset.name)
    room = room_for(lake, dataset, subset, forecast, spec.keeping(minimum_side_px), web=web)
    if not room.fits:
        raise DownloadError(f"{part}: {room.sentence} {room.way_out}")
    if not room.fits_at_most:
        say(f"{part}: {room.sentence} It may become full: then this stops, and continues when there is room.")
    key = [dataset, subset.name, "shards"]
    folder = scratch.temporary_folder()
    scratch.sweep(folder)
    began = time.monotonic()
    with scratch.private(folder) as own:
        prepared = prepare(
            lake, key, part, planned, spec=spec, web=web, minimum_side_px=minimum_side_px, scratch=own, retry=retry
        )
        counted = {
            "there": prepared.shards_reused,
            "of another plan removed": prepared.shards_removed,
            "damaged and removed": prepared.shards_damaged,
            "to write": sum(len(job.missing) for job in prepared.jobs),
        }
        shards = ", ".join(f"{number} {what}" for what, number in counted.items() if number) or "none"
        say(f"{planned.height:,} planned rows; shards: {shards}")
        if prepared.jobs:
            try:
                carry_out([job.to_json() for job in prepared.jobs])
            except Exception as error:
                failures = [why for job in prepared.jobs for why in read_failures(job.folder).values()]
                if not failures:
                    raise
                sentence = f"{part}: {failures[0].finding.rstrip('.')}. Run again: finished shards stay."
                if all(failure.retryable for failure in failures):
                    raise LakeError(sentence, retryable=True) from error
                raise DownloadError(sentence) from error
    seconds = time.monotonic() - began
    there = read_shards(lake, key, part)
    made = [there[shard] for job in prepared.jobs for shard in job.missing if shard in there]
    digests = [stats.tar_sha256 + stats.parquet_sha256 for stats in there.values()]
    return PartDownload(
        books=account(lake, key, part, planned),
        prepared=prepared,
        shards_made=len(made),
        images_made=sum(stats.successes for stats in made),
        seconds=seconds,
        digest=hashlib.sha256("".join(digests).encode()).hexdigest(),
    )
