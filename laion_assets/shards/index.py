"""All shards of a subset in one place: lists for loaders, and a manifest with the checksums of every tar and parquet.

Reads stats files only, never a tar; paths are relative to the subset's folder, which can be moved or uploaded as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from laion_assets.lake.lake import Lake
from laion_assets.shards.layout import ShardStats, read_shards, shard_files

MANIFEST_VERSION = 1


@dataclass(frozen=True)
class ShardEntry:
    """One shard of a subset."""

    part: str
    shard: int
    stats: ShardStats

    @property
    def tar(self) -> str:
        """Path of the tar, relative to the subset's folder."""
        return f"shards/{self.part}/{shard_files(self.shard)[0]}"

    @property
    def parquet(self) -> str:
        """Path of the parquet, relative to the subset's folder."""
        return f"shards/{self.part}/{shard_files(self.shard)[1]}"


@dataclass(frozen=True)
class Index:
    """Every complete shard, by part and number."""

    entries: tuple[ShardEntry, ...]

    @property
    def rows(self) -> int:
        """Planned rows, each counted once however often it was tried."""
        return sum(entry.stats.count for entry in self.entries if entry.stats.retry_round == 0)

    @property
    def images(self) -> int:
        """Images in all tars."""
        return sum(entry.stats.successes for entry in self.entries)

    @property
    def image_bytes(self) -> int:
        """Bytes of these images."""
        return sum(entry.stats.image_bytes for entry in self.entries)

    @property
    def tar_bytes(self) -> int:
        """Bytes of all tars."""
        return sum(entry.stats.tar_bytes for entry in self.entries)

    @property
    def transferred_bytes(self) -> int:
        """Bytes taken from the network, what was not kept included; without bodies given up at the cap."""
        return sum(entry.stats.transferred_bytes - entry.stats.overrun_bytes for entry in self.entries)

    @property
    def hours(self) -> float:
        """Hours during which at least one of these shards was in the making."""
        busy, until = 0.0, 0.0
        for start, end in sorted((entry.stats.start_time, entry.stats.end_time) for entry in self.entries):
            busy += max(0.0, end - max(start, until))
            until = max(until, end)
        return busy / 3600

    @property
    def parts(self) -> list[str]:
        """Parts with at least one shard."""
        return sorted({entry.part for entry in self.entries})

    def outcomes(self) -> dict[str, int]:
        """Tries by outcome, most frequent first; a row that was tried again counts once per try."""
        return dict(sum((Counter(entry.stats.outcomes) for entry in self.entries), start=Counter()).most_common())

    def formats(self) -> dict[str, int]:
        """Images by the format they are stored in, most frequent first."""
        return dict(sum((Counter(entry.stats.formats) for entry in self.entries), start=Counter()).most_common())


def read_index(lake: Lake, key: Sequence[str], parts: Sequence[str]) -> Index:
    """Find the shards of all parts.

    Args:
        lake: where they are.
        key: of the shards asset.
        parts: keys of the parts to look at.
    """
    return Index(
        tuple(
            ShardEntry(part, shard, stats)
            for part in sorted(parts)
            for shard, stats in read_shards(lake, key, part).items()
        )
    )


def shard_list(index: Index) -> str:
    """Paths of the tars with at least one image, one per line: for ``webdataset.WebDataset``."""
    return "".join(f"{entry.tar}\n" for entry in index.entries if entry.stats.successes)


def wids_index(index: Index, name: str) -> dict[str, Any]:
    """The index that ``wids.ShardListDataset`` reads: random access needs the number of samples per shard."""
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": name,
        "shardlist": [
            {"url": entry.tar, "nsamples": entry.stats.successes, "filesize": entry.stats.tar_bytes}
            for entry in index.entries
            if entry.stats.successes
        ],
    }


def manifest(index: Index, dataset: str, subset: str) -> dict[str, Any]:
    """Every shard with its sizes and checksums. Holds no time: the same shards give the same manifest."""
    return {
        "manifest_version": MANIFEST_VERSION,
        "dataset": dataset,
        "subset": subset,
        "rows": index.rows,
        "images": index.images,
        "image_bytes": index.image_bytes,
        "tar_bytes": index.tar_bytes,
        "outcomes": index.outcomes(),
        "formats": index.formats(),
        "shards": [
            {
                "part": entry.part,
                "shard": entry.shard,
                "retry_round": entry.stats.retry_round,
                "tar": entry.tar,
                "tar_bytes": entry.stats.tar_bytes,
                "tar_sha256": entry.stats.tar_sha256,
                "parquet": entry.parquet,
                "parquet_sha256": entry.stats.parquet_sha256,
                "rows": entry.stats.count,
                "images": entry.stats.successes,
                "image_bytes": entry.stats.image_bytes,
                "outcomes": dict(sorted(entry.stats.outcomes.items())),
            }
            for entry in index.entries
        ],
    }
