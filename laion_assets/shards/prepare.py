"""What is left to do for one part: which shards its planned rows make, which are there, and which have to go.

A shard that is there belongs to the plan when its digest says so: the same rows in the same order, under the same
limits. Anything else, and a shard that lost a file, is removed before a download begins, so that what is there is
always whole and of one plan.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.shards.job import Job
from laion_assets.shards.layout import (
    SHARD_COLUMNS,
    ShardStats,
    damaged_shards,
    delete_remnants,
    delete_shard,
    read_shards,
)
from laion_assets.shards.spec import ShardsSpec
from laion_assets.web.outcome import Outcome
from laion_assets.web.spec import WebSpec

RETRYABLE = [outcome.value for outcome in Outcome if outcome.retryable]
_NOT_IN_JSON = ("url", "caption", "score")
# Raised when the same rows under the same limits make other shards. 2: keys begin with the part.
_FORMAT_VERSION = 2


@dataclass(frozen=True)
class Round:
    """Rows that are downloaded together: at first all planned ones, then those that failed and may be tried again."""

    number: int
    rows: pl.DataFrame
    first_shard: int
    digests: dict[int, str]


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
    planned = _renamed(planned, spec)
    content = _content_of(spec, minimum_side_px, planned.columns)
    rounds = [_round(0, planned, 0, spec.rows_per_shard, content)]
    # A retry begins when all tries before it are done; once any of these has to be made again, it is worth nothing.
    for rows in _stored_rounds(lake, key, part):
        if not _is_done(rounds[-1], there):
            break
        rounds.append(_round(len(rounds), rows, _end(rounds), spec.rows_per_shard, content))
    _forget_rounds(lake, key, part, after=rounds[-1].number)

    wanted = {shard: digest for one in rounds for shard, digest in one.digests.items()}
    foreign = [shard for shard, stats in there.items() if wanted.get(shard) != stats.rows_digest]
    for shard in damaged + foreign:
        delete_shard(lake, key, part, shard)
    done = {shard for shard in there if shard not in foreign}
    delete_remnants(lake, key, part, finished=done)

    if retry and done == set(wanted):
        failed = _retryable(lake, key, part, planned, sorted(done))
        if failed.height:
            again = _round(len(rounds), failed, _end(rounds), spec.rows_per_shard, content)
            lake.write_parquet(lake.uri([*key, part, "retries"], f"{again.number:03d}.parquet"), failed)
            rounds.append(again)

    jobs = []
    for one in rounds:
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


def _is_done(one: Round, there: Mapping[int, ShardStats]) -> bool:
    return one.digests == {
        shard: stats.rows_digest for shard, stats in there.items() if stats.retry_round == one.number
    }


def _round(number: int, rows: pl.DataFrame, first: int, rows_per_shard: int, content: bytes) -> Round:
    digests = {}
    for shard, start in enumerate(range(0, rows.height, rows_per_shard), start=first):
        piece = rows[start : start + rows_per_shard]
        digest = hashlib.sha256(content)
        digest.update(piece["row"].to_numpy().tobytes())
        digest.update("\n".join(piece["url"].fill_null("")).encode())
        digest.update("\n".join(piece["caption"].fill_null("")).encode())
        digests[shard] = digest.hexdigest()
    return Round(number, rows, first, digests)


def _end(rounds: Sequence[Round]) -> int:
    return sum(len(one.digests) for one in rounds)


def _content_of(spec: ShardsSpec, minimum_side_px: int, columns: Sequence[str]) -> bytes:
    """Everything but the rows that decides what a shard holds."""
    return json.dumps([_FORMAT_VERSION, spec.content(), minimum_side_px, list(columns)], sort_keys=True).encode()


def _renamed(rows: pl.DataFrame, spec: ShardsSpec) -> pl.DataFrame:
    """Published columns under names a shard does not need for its own: ``key`` becomes ``published_key``."""
    verified = spec.verify_hash.column if spec.verify_hash else None
    taken = [name for name in rows.columns if name in SHARD_COLUMNS and name != verified]
    return rows.rename({name: f"published_{name}" for name in taken})


def _stored_rounds(lake: Lake, key: Sequence[str], part: str) -> Iterator[pl.DataFrame]:
    folder = [*key, part, "retries"]
    for name in lake.list_names(folder, ".parquet"):
        yield lake.scan_parquet(lake.uri(folder, name)).collect()


def _forget_rounds(lake: Lake, key: Sequence[str], part: str, *, after: int) -> None:
    folder = [*key, part, "retries"]
    for name in reversed(lake.list_names(folder, ".parquet")[after:]):
        lake.delete(lake.uri(folder, name))


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
