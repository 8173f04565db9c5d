"""Whether a download has room: in the lake for what stays, and on this machine for shards in the making.

Both are asked of one disk each: shards grow beside the place where they stay, and in the temporary folder when that is
a bucket.
"""

from dataclasses import dataclass
from pathlib import Path

from laion_assets.lake import scratch
from laion_assets.lake.lake import Lake
from laion_assets.lake.stores import free_bytes
from laion_assets.subsets.at_once import most_shards
from laion_assets.subsets.forecast import Forecast, Interval
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.rows import selected_parts
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.spec import WebSpec

# While a shard's first row is waited for, all others may lie beside the tar until they can be copied into it.
_MOST_COPIES = 2


@dataclass(frozen=True)
class Room:
    """What a download needs on one disk, and what there is."""

    what: str
    """``shards``, or ``shards in the making``."""
    place: str
    needed: Interval
    """Bytes."""
    there_bytes: int
    """Of these, already there."""
    free_bytes: int
    usable_share: float
    way_out: str
    """What to do where it does not fit."""

    @property
    def fits(self) -> bool:
        """Whether what is expected fits: if not, the download is sure enough to end with a full disk."""
        return self.needed.estimate - self.there_bytes <= self.free_bytes * self.usable_share

    @property
    def fits_at_most(self) -> bool:
        """Whether the high end fits too."""
        return self.needed.high - self.there_bytes <= self.free_bytes * self.usable_share

    @property
    def sentence(self) -> str:
        """What was compared."""
        there = f", {self.there_bytes / 1e9:,.2f} GB of it there already" if self.there_bytes else ""
        needed = (
            f"{self.needed.estimate / 1e9:,.2f} GB of {self.what} expected, {self.needed.high / 1e9:,.2f} GB at most"
        )
        free = f"{self.free_bytes / 1e9:,.2f} GB free in {self.place}, of which {self.usable_share:.0%} may be used"
        return f"{needed}{there}; {free}."


def room_for(
    lake: Lake, dataset: str, subset: SubsetSpec, forecast: Forecast, keeping: Keeping, *, web: WebSpec
) -> Room:
    """Hold what a download needs against what is free now."""
    if lake.base_uri.startswith("s3://"):
        # Other rows_per_shard make other shards: those that are there would be fetched again.
        way_out = "Free some space, set TMPDIR to a larger disk, or have fewer processes."
        rows_at_once = keeping.rows_per_shard * most_shards(keeping.processes, web)
        share = min(1.0, rows_at_once / forecast.rows) if forecast.rows else 0.0
        folder, there, what = scratch.temporary_folder(), 0, "shards in the making"
        needed = forecast.bytes_to_store.times(share).loosened(1.0, _MOST_COPIES)
    else:
        way_out = "Free some space or cap the subset, then plan again."
        folder, there, what = Path(lake.base_uri), 0, "shards"
        for part in selected_parts(lake, dataset, subset.name):
            key = [dataset, subset.name, "shards", part]
            there += sum(lake.size_bytes(lake.uri(key, name)) for name in lake.list_names(key, ".tar"))
        needed = forecast.bytes_to_store
        while not folder.exists():
            folder = folder.parent
    return Room(what, str(folder), needed, there, free_bytes(folder), subset.plan.free_share, way_out)
