"""Whether the numbers of one part add up: planned rows, outcomes, members of the tars, and the stats files.

Compares; decodes nothing. Whether images are what they are said to be is the audit's question.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.shards.judge import SUCCESS
from laion_assets.shards.layout import ShardStats, read_shards, shard_files, shard_name
from laion_assets.shards.prepare import RETRYABLE
from laion_assets.shards.tars import TarError, read_members

_MOST_FINDINGS = 20


@dataclass(frozen=True)
class Accounting:
    """The books of one part."""

    planned: int
    outcomes: dict[str, int]
    """Planned rows by their last outcome; the sum is ``planned`` when nothing is missing."""
    images: int
    formats: dict[str, int]
    shards: int
    retried: int
    image_bytes: int
    tar_bytes: int
    transferred_bytes: int
    findings: tuple[str, ...]
    """What does not add up; empty when everything does."""

    @property
    def balanced(self) -> bool:
        """Whether every planned row has exactly one outcome everywhere."""
        return not self.findings


def account(lake: Lake, key: Sequence[str], part: str, planned: pl.DataFrame) -> Accounting:
    """Compare the planned rows of a part with its shards, file by file."""
    shards = read_shards(lake, key, part)
    findings: list[str] = []
    frames = []
    for shard, stats in shards.items():
        frame = _read(lake, key, part, shard)
        findings += [f"{shard_name(shard)}: {finding}" for finding in _compare(lake, key, part, shard, stats, frame)]
        frames.append(frame.with_columns(pl.lit(stats.retry_round).alias("round")))
    rows = pl.concat(frames) if frames else pl.DataFrame(schema={**_READ, "round": pl.Int32})
    findings += _match(planned, rows)
    last = rows.sort("round", maintain_order=True).unique("row", keep="last")
    counts = Counter(dict(last.group_by("outcome").len().iter_rows()))
    stats_of_all = shards.values()
    return Accounting(
        planned=planned.height,
        outcomes=dict(counts.most_common()),
        images=sum(stats.successes for stats in stats_of_all),
        formats=dict(sum((Counter(stats.formats) for stats in stats_of_all), start=Counter()).most_common()),
        shards=len(shards),
        retried=int((rows["round"] > 0).sum()),
        image_bytes=sum(stats.image_bytes for stats in stats_of_all),
        tar_bytes=sum(stats.tar_bytes for stats in stats_of_all),
        transferred_bytes=sum(stats.transferred_bytes for stats in stats_of_all),
        findings=tuple(findings[:_MOST_FINDINGS]),
    )


_READ: dict[str, pl.DataType] = {
    "part": pl.String(),
    "row": pl.UInt32(),
    "key": pl.String(),
    "status": pl.String(),
    "outcome": pl.String(),
    "format": pl.String(),
}


def _read(lake: Lake, key: Sequence[str], part: str, shard: int) -> pl.DataFrame:
    uri = lake.uri([*key, part], shard_files(shard)[1])
    return lake.scan_parquet(uri).select(_READ.keys()).collect()


def _compare(
    lake: Lake, key: Sequence[str], part: str, shard: int, stats: ShardStats, frame: pl.DataFrame
) -> list[str]:
    """Stats, parquet and tar of one shard against each other."""
    findings = []
    outcomes = dict(frame.group_by("outcome").len().iter_rows())
    successes = frame.filter(pl.col("status") == SUCCESS)
    if stats.count != frame.height or stats.successes != successes.height:
        findings.append(
            f"stats say {stats.count} rows and {stats.successes} images, "
            f"the parquet has {frame.height} and {successes.height}"
        )
    if dict(stats.outcomes) != outcomes:
        findings.append(f"stats say {dict(stats.outcomes)}, the parquet has {outcomes}")
    if stats.successes + stats.failed_to_download + stats.failed_to_resize != stats.count:
        findings.append("img2dataset's counts do not add up to the rows")
    samples: dict[str, list[str]] = {}
    uri = lake.uri([*key, part], shard_files(shard)[0])
    with lake.local_file(uri) as path:
        if path.stat().st_size != stats.tar_bytes:
            findings.append(f"the tar has {path.stat().st_size} bytes, stats say {stats.tar_bytes}")
        try:
            for member in read_members(path):
                samples.setdefault(member.key, []).append(member.suffix)
        except TarError as error:
            findings.append(str(error))
    expected = set(successes["key"])
    if set(samples) != expected:
        findings.append(f"{len(set(samples) ^ expected)} samples are in the tar or in the parquet only")
    odd = [name for name, suffixes in samples.items() if len(suffixes) != 3 or not {"txt", "json"} < set(suffixes)]
    if odd:
        findings.append(f"{len(odd)} samples are not one image, one text and one JSON, such as {odd[0]}")
    return findings


def _match(planned: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Planned rows against outcomes over all shards of a part."""
    findings = []
    first = rows.filter(pl.col("round") == 0)
    if repeated := first.height - first["row"].n_unique():
        findings.append(f"{repeated} rows have more than one outcome")
    if missing := planned.join(first, on=["part", "row"], how="anti").height:
        findings.append(f"{missing} planned rows have no outcome")
    if strange := first.join(planned, on=["part", "row"], how="anti").height:
        findings.append(f"{strange} outcomes are of rows nobody planned")
    for number in sorted(set(rows["round"].to_list()) - {0}):
        before = rows.filter(pl.col("round") < number).unique("row", keep="last", maintain_order=True)
        again = rows.filter(pl.col("round") == number)
        allowed = before.filter(pl.col("outcome").is_in(RETRYABLE))
        if wrong := again.join(allowed, on="row", how="anti").height:
            findings.append(f"{wrong} rows were tried again in round {number} without having failed for a while")
    return findings
