"""Names and numbers of the files a shard consists of, and what its stats file says.

img2dataset's layout: ``00000.tar``, ``00000.parquet``, ``00000_stats.json``. The stats file appears last, so a shard
with one is complete, and a shard without one does not exist. Only keys differ: img2dataset's begin anew in each folder,
ours begin with the part, so that shards of several parts can be read, merged or unpacked together.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from laion_assets.lake.lake import Lake

SHARD_DIGITS = 5
"""img2dataset's ``oom_shard_count``: shard numbers are written with so many digits."""

SHARD_COLUMNS = (
    *("key", "status", "error_message", "width", "height", "original_width", "original_height"),
    *("outcome", "format", "file_bytes", "http_status"),
)
"""Columns of a shard's parquet that say what became of a row: img2dataset's first, then ours."""

_STATS = "_stats.json"
# A tar's name field has 100 bytes; digits and suffix take up to 20 of them.
_LONGEST_PREFIX = 64
_TAR_OR_PARQUET = re.compile(rf"([0-9]{{{SHARD_DIGITS},}})\.(?:tar|parquet)")
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]")


def shard_name(shard: int) -> str:
    """``00007``."""
    return f"{shard:0{SHARD_DIGITS}d}"


def shard_files(shard: int) -> tuple[str, str, str]:
    """Tar, parquet and stats file of a shard, in the order in which they become visible."""
    name = shard_name(shard)
    return f"{name}.tar", f"{name}.parquet", f"{name}{_STATS}"


def key_prefix(part: str) -> str:
    """What the keys of a part's samples begin with: its own key, where that is fit for a file name without dots.

    Where it is not, what is not fit is replaced and a digest keeps parts apart: webdataset ends a key at the first dot.
    """
    fit = _NOT_IN_KEYS.sub("_", part)
    if fit == part and len(part) <= _LONGEST_PREFIX:
        return part
    return f"{fit[: _LONGEST_PREFIX - 9]}_{hashlib.sha256(part.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class ShardStats:
    """What the stats file of one shard says. The first eight fields are img2dataset's."""

    count: int
    """Planned rows."""
    successes: int
    """Images in the tar."""
    failed_to_download: int
    failed_to_resize: int
    duration: float
    start_time: float
    end_time: float
    status_dict: Mapping[str, int]

    outcomes: Mapping[str, int]
    """Rows per outcome word; the sum is ``count``."""
    formats: Mapping[str, int]
    """Images in the tar by the format they are stored in."""
    image_bytes: int
    transferred_bytes: int
    """Taken from the network, what was not kept included."""
    overrun_bytes: int
    """Of these, bodies given up at the cap, endless ones among them: what no plan can foresee."""
    tar_bytes: int
    tar_sha256: str
    parquet_sha256: str
    rows_digest: str
    """Of the planned rows and of everything that decides what becomes of them: another digest, another shard."""
    retry_round: int
    """0 for first tries; n where the rows are those that had failed in a retryable way before."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "ShardStats":
        """The stats as they were stored."""
        return cls(**{name: stored[name] for name in cls.__dataclass_fields__})


def read_shards(lake: Lake, key: Sequence[str], part: str) -> dict[int, ShardStats]:
    """All complete shards of one part, by number."""
    folder = [*key, part]
    found = {}
    for name in lake.list_names(folder, _STATS):
        number = name.removesuffix(_STATS)
        if number.isdecimal():
            found[int(number)] = ShardStats.from_json(lake.read_json(lake.uri(folder, name)))
    return dict(sorted(found.items()))


def damaged_shards(lake: Lake, key: Sequence[str], part: str, shards: Mapping[int, ShardStats]) -> list[int]:
    """Shards whose stats file vouches for a parquet that is gone, or for a tar that is gone or has another size.

    Cheap enough for every run; whether the bytes are still the right ones is the audit's question.
    """
    folder = [*key, part]
    names = set(lake.list_names(folder))
    return [
        shard
        for shard, stats in shards.items()
        if not set(shard_files(shard)[:2]) <= names
        or lake.size_bytes(lake.uri(folder, shard_files(shard)[0])) != stats.tar_bytes
    ]


def delete_remnants(lake: Lake, key: Sequence[str], part: str, *, finished: Collection[int]) -> None:
    """Remove tars and parquet files of shards that are not finished: writers killed between two of their files."""
    folder = [*key, part]
    for name in lake.list_names(folder):
        if (found := _TAR_OR_PARQUET.fullmatch(name)) and int(found[1]) not in finished:
            lake.delete(lake.uri(folder, name))


def delete_shard(lake: Lake, key: Sequence[str], part: str, shard: int) -> None:
    """Remove a shard; the stats file first, so that nothing that looks complete ever lacks its tar."""
    for name in reversed(shard_files(shard)):
        lake.delete(lake.uri([*key, part], name))
