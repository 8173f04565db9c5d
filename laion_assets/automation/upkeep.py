"""What the automation of a dataset adds to its assets: when each runs by itself, and who waits for it until when.

The rooms say what an asset is made of; this says when, for all of them in one place.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from laion_assets.automation.conditions import Condition, follows_its_part, once_requested_parts_are_in

# Fetched when discovery requests it; downloaded when somebody decides so; probed when a week is over.
_NEVER_BY_ITSELF = ("raw_metadata", "shards", "link_health")

# The panel is probed early on Monday. Somebody looks at it on Tuesday morning.
LINK_HEALTH_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=dt.timedelta(days=8, hours=8), warn_window=dt.timedelta(days=7, hours=12)
)
# Links die at about 1 % a month: after a quarter a report's shares are off by more than its intervals are wide.
STATISTICS_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=dt.timedelta(days=92), warn_window=dt.timedelta(days=62)
)
_FRESHNESS = {"link_health": LINK_HEALTH_FRESHNESS, "resolution_statistics": STATISTICS_FRESHNESS}


def with_upkeep(assets: Sequence[dg.AssetsDefinition], *, parts: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of a dataset, each with its automation condition and, where someone waits for it, its freshness.

    Args:
        assets: all assets of one dataset.
        parts: the dataset's partitions, one per published file.
    """
    per_part = {spec.key for asset in assets for spec in asset.specs if spec.partitions_def == parts}

    def keep_up(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(
            automation_condition=_condition(spec, per_part),
            freshness_policy=_FRESHNESS.get(spec.key.path[-1]),
        )

    return [asset.map_asset_specs(keep_up) for asset in assets]


def _condition(spec: dg.AssetSpec, per_part: set[dg.AssetKey]) -> Condition | None:
    if spec.key.path[-1] in _NEVER_BY_ITSELF:
        return None
    if spec.key in per_part:
        return follows_its_part()
    parts = [dep.asset_key for dep in spec.deps if dep.asset_key in per_part]
    return once_requested_parts_are_in(parts, parts_alone=spec.key.path[-1] == "index")
