"""Whether the shards that are there are those of today: of rows as they are selected and planned now, and of no others.

Looks at what stats files say, never into a tar. A part without shards has none that could be outdated.
"""

from collections.abc import Sequence

from laion_assets.lake.lake import Lake
from laion_assets.shards.layout import read_shards
from laion_assets.shards.rounds import rounds_of
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.plan import planned_rows
from laion_assets.subsets.rows import few, refuse_outdated_rows
from laion_assets.subsets.spec import SubsetSpec


class OutdatedShardsError(RuntimeError):
    """Shards hold rows that are not planned any more; the message says which parts to launch."""


def refuse_outdated_shards(
    lake: Lake, dataset: str, subset: SubsetSpec, parts: Sequence[str], *, spec: ShardsSpec, minimum_side_px: int
) -> None:
    """Whether every shard of these parts is one that downloading the part now would keep.

    Args:
        lake: where rows, plan and shards are.
        dataset: the dataset's name.
        subset: whose rows these are.
        parts: keys of the parts to look at.
        spec: how shards are made.
        minimum_side_px: the dataset's promise.

    Raises:
        OutdatedShardsError: Some shards are of other rows, or were made under other limits.
        StalePlanError: The rows of some parts are not those the subset selects today, or the plan is older than rows.
        UrlListError: The subset's list of URLs to leave out cannot be read.
    """
    key = [dataset, subset.name, "shards"]
    there = {part: shards for part in parts if (shards := read_shards(lake, key, part))}
    refuse_outdated_rows(lake, dataset, subset, list(there))
    outdated = {}
    for part, shards in there.items():
        planned = planned_rows(lake, dataset, subset.name, part)
        made = rounds_of(lake, key, part, planned, shards, spec=spec, minimum_side_px=minimum_side_px)
        if foreign := made.foreign(shards):
            outdated[part] = len(foreign)
    if outdated:
        raise OutdatedShardsError(
            f"{dataset}/{subset.name}: {sum(outdated.values())} shards of {few(list(outdated))} are not of today's "
            "plan: rows, exclusions or limits have changed since. Launch shards for these parts, then the index."
        )
