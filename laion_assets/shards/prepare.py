"""What is left to do for one part: which of the shards that it is to have are there, and which have to go.

A shard of another plan, and one that lost a file, is removed before a download begins, so that what is there is always
whole and of one plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.shards.job import Job
from laion_assets.shards.layout import damaged_shards, delete_remnants, delete_shard, read_shards
from laion_assets.shards.rounds import forget_retries, rounds_of, store_retry
from laion_assets.shards.spec import ShardsSpec
from laion_assets.web.outcome import Outcome
from laion_assets.web.spec import WebSpec

RETRYABLE = [outcome.value for outcome in Outcome if outcome.retryable]
_NOT_IN_JSON = ("url", "caption", "score")


@dataclass(frozen=True)
class Prepared:
    """The jobs that are left, and what was found on the way."""

    jobs: tuple[Job, ...]
    planned: int
    shards_reused: int
    shards_removed: int
    """Of another plan."""
    shards_damaged: int
    """Removed as well, to be made again, because their tar or parquet was gone or had another size."""


def prepare(
    lake: Lake,
    key: Sequence[str],
    part: str,
    planned: pl.DataFrame,
    *,
    spec: ShardsSpec,
    web: WebSpec,
    minimum_side_px: int,
    scratch: Path,
    retry: bool = False,
) -> Prepared:
    """Compare what is planned with what is there, remove what does not belong, and make the jobs that are left.

    Args:
        lake: where shards are.
        key: of the shards asset.
        part: which part.
        planned: its planned rows in the order of the shards.
        spec: how shards are made.
        web: how the web is asked.
        minimum_side_px: the dataset's promise.
        scratch: local folder for the jobs' files.
        retry: begin another round with the rows that failed in a retryable way, once all others are done.
    """
    found = read_shards(lake, key, part)
    damaged = damaged_shards(lake, key, part, found)
    there = {shard: stats for shard, stats in found.items() if shard not in damaged}
    made = rounds_of(lake, key, part, planned, there, spec=spec, minimum_side_px=minimum_side_px)
    forget_retries(lake, key, part, after=made.rounds[-1].number)
    foreign = made.foreign(there)
    for shard in damaged + foreign:
        delete_shard(lake, key, part, shard)
    done = {shard for shard in there if shard not in foreign}
    delete_remnants(lake, key, part, finished=done)

    if retry and done == set(made.digests):
        failed = _retryable(lake, key, part, made.planned, sorted(done))
        if failed.height:
            store_retry(lake, key, part, made.add(failed))

    jobs = []
    for one in made.rounds:
        if set(one.digests) <= done:
            continue
        folder = scratch / f"round-{one.number}"
        folder.mkdir()
        rows_file = folder / "rows.parquet"
        one.rows.write_parquet(rows_file)
        jobs.append(
            Job(
                lake_uri=lake.base_uri,
                key=tuple(key),
                part=part,
                rows_file=str(rows_file),
                columns=tuple(name for name in one.rows.columns if name not in _NOT_IN_JSON),
                digests=one.digests,
                done=tuple(sorted(done & set(one.digests))),
                rows=one.rows.height,
                first_shard=one.first_shard,
                retry_round=one.number,
                scratch=str(folder),
                spec=spec,
                web=web,
                minimum_side_px=minimum_side_px,
            )
        )
    return Prepared(tuple(jobs), planned.height, len(done), len(foreign), len(damaged))


def _retryable(lake: Lake, key: Sequence[str], part: str, planned: pl.DataFrame, shards: Sequence[int]) -> pl.DataFrame:
    """Planned rows whose last outcome is one that asking again may change, in the planned order."""
    last = last_outcomes(lake, key, part, shards).filter(pl.col("outcome").is_in(RETRYABLE))
    return planned.join(last, on="row", how="semi", maintain_order="left")


def last_outcomes(lake: Lake, key: Sequence[str], part: str, shards: Sequence[int]) -> pl.DataFrame:
    """Row and outcome, once per row: of several tries the last one counts."""
    if not shards:
        return pl.DataFrame(schema={"row": pl.UInt32, "outcome": pl.String})
    uris = [lake.uri([*key, part], f"{shard:05d}.parquet") for shard in shards]
    frame = pl.concat([lake.scan_parquet(uri).select("row", "outcome") for uri in uris]).collect()
    return frame.unique("row", keep="last", maintain_order=True)
