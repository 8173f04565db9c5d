"""By what an operator finds assets in the catalogue of the UI, beyond their groups and kinds.

Computed from what the assets are, so that a dataset, a subset or an asset more needs no line here.
"""

from collections.abc import Iterable
from functools import partial

import dagster as dg

from laion_assets.automation.jobs import DATASET_TAG

LAYER_TAG = "laion_assets/layer"
SUBSET_TAG = "laion_assets/subset"
PARTITIONED_BY_TAG = "laion_assets/partitioned_by"
POOL_TAG = "laion_assets/pool"


def with_tags(assets: Iterable[dg.AssetsDefinition], *, layer: str) -> list[dg.AssetsDefinition]:
    """Assets that say to which dataset, layer and subset they belong, what a partition of theirs is, and their pool.

    Args:
        assets: of one layer, keyed by dataset, by subset where they are of one, and name.
        layer: the room of the code they are made in, which is their place in the chain.
    """
    return [asset.map_asset_specs(partial(_tagged, layer=layer, pools=asset.node_def.pools)) for asset in assets]


def _tagged(spec: dg.AssetSpec, *, layer: str, pools: Iterable[str]) -> dg.AssetSpec:
    *belongs_to, _ = spec.key.path
    tags = {
        **dict(zip((DATASET_TAG, SUBSET_TAG), belongs_to, strict=False)),
        LAYER_TAG: layer,
        PARTITIONED_BY_TAG: _partitioned_by(spec.partitions_def),
        **dict(zip((POOL_TAG,), pools, strict=False)),
    }
    return spec.merge_attributes(tags=tags)


def _partitioned_by(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "nothing"
    return "week" if isinstance(partitions, dg.WeeklyPartitionsDefinition) else "part"
