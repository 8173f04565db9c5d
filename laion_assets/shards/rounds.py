"""Which shards the planned rows of a part make: those of first tries, and those of rows that were tried again.

A shard belongs to a plan when its digest says so: the same rows in the same order, under the same limits. What is done
about shards that do not belong is the business of whoever finds them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.shards.column_origins import renamed
from laion_assets.shards.layout import ShardStats
from laion_assets.shards.spec import ShardsSpec

# Raised when the same rows under the same limits make other shards. 2: keys begin with the part.
_FORMAT_VERSION = 2


@dataclass(frozen=True)
class Round:
    """Rows that are downloaded together: at first all planned ones, then those that failed and may be tried again."""

    number: int
    rows: pl.DataFrame
    first_shard: int
    digests: dict[int, str]

    def is_done(self, there: Mapping[int, ShardStats]) -> bool:
        """Whether all its shards are there, and none that it does not have."""
        return self.digests == {
            shard: stats.rows_digest for shard, stats in there.items() if stats.retry_round == self.number
        }


class Rounds:
    """The rounds of one part, of which at least the first is never missing."""

    def __init__(self, planned: pl.DataFrame, *, spec: ShardsSpec, minimum_side_px: int) -> None:
        self.planned = planned.rename(dict(renamed(planned.columns, spec)))
        """Planned rows under the names they have in a shard."""
        self.rounds: list[Round] = []
        self._rows_per_shard = spec.rows_per_shard
        self._content = _content_of(spec, minimum_side_px, self.planned.columns)
        self.add(self.planned)

    def add(self, rows: pl.DataFrame) -> Round:
        """Begin another round, of rows under the names they have in a shard."""
        first = sum(len(one.digests) for one in self.rounds)
        digests = {}
        for shard, start in enumerate(range(0, rows.height, self._rows_per_shard), start=first):
            piece = rows[start : start + self._rows_per_shard]
            digest = hashlib.sha256(self._content)
            digest.update(piece["row"].to_numpy().tobytes())
            digest.update("\n".join(piece["url"].fill_null("")).encode())
            digest.update("\n".join(piece["caption"].fill_null("")).encode())
            digests[shard] = digest.hexdigest()
        self.rounds.append(Round(len(self.rounds), rows, first, digests))
        return self.rounds[-1]

    @property
    def digests(self) -> dict[int, str]:
        """What the shard of each number is to hold."""
        return {shard: digest for one in self.rounds for shard, digest in one.digests.items()}

    def foreign(self, there: Mapping[int, ShardStats]) -> list[int]:
        """Shards that are there and belong to another plan."""
        wanted = self.digests
        return [shard for shard, stats in there.items() if wanted.get(shard) != stats.rows_digest]


def rounds_of(
    lake: Lake,
    key: Sequence[str],
    part: str,
    planned: pl.DataFrame,
    there: Mapping[int, ShardStats],
    *,
    spec: ShardsSpec,
    minimum_side_px: int,
) -> Rounds:
    """The rounds that planned rows and the tries so far make.

    A retry begins when all tries before it are done; once any of these has to be made again, it is worth nothing.

    Args:
        lake: where shards are.
        key: of the shards asset.
        part: which part.
        planned: its planned rows in the order of the shards.
        there: its whole shards.
        spec: how shards are made.
        minimum_side_px: the dataset's promise.
    """
    made = Rounds(planned, spec=spec, minimum_side_px=minimum_side_px)
    for rows in _stored_retries(lake, key, part):
        if not made.rounds[-1].is_done(there):
            break
        made.add(rows)
    return made


def store_retry(lake: Lake, key: Sequence[str], part: str, again: Round) -> None:
    """Keep the rows of a retry, so that later runs know them."""
    lake.write_parquet(lake.uri([*key, part, "retries"], f"{again.number:03d}.parquet"), again.rows)


def forget_retries(lake: Lake, key: Sequence[str], part: str, *, after: int) -> None:
    """Remove the rows of retries with a higher number, the last one first."""
    folder = [*key, part, "retries"]
    for name in reversed(lake.list_names(folder, ".parquet")[after:]):
        lake.delete(lake.uri(folder, name))


def _stored_retries(lake: Lake, key: Sequence[str], part: str) -> Iterator[pl.DataFrame]:
    folder = [*key, part, "retries"]
    for name in lake.list_names(folder, ".parquet"):
        yield lake.scan_parquet(lake.uri(folder, name)).collect()


def _content_of(spec: ShardsSpec, minimum_side_px: int, columns: Sequence[str]) -> bytes:
    """Everything but the rows that decides what a shard holds."""
    return json.dumps([_FORMAT_VERSION, spec.content(), minimum_side_px, list(columns)], sort_keys=True).encode()
