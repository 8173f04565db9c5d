"""Which assets are still good, so that a second run does only what is missing.

An asset, or one part of it, is up to date when it was materialised by the code of today, after everything it is made
from, and its files are still in the lake. The command line decides with this; in the UI Dagster's own staleness does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from laion_assets.lake.lake import Lake

CODE_VERSION_TAG = "dagster/code_version"
DATA_VERSION_TAG = "dagster/data_version"


@dataclass(frozen=True)
class Materialised:
    """The latest materialisation of one asset or of one of its parts."""

    timestamp: float
    code_version: str | None
    data_version: str | None


class Reuse:
    """Answers whether assets are up to date in one instance and one lake."""

    def __init__(self, definitions: dg.Definitions, *, instance: dg.DagsterInstance, lake: Lake) -> None:
        self._graph = definitions.resolve_asset_graph()
        self._instance = instance
        self._lake = lake

    def up_to_date(self, key: dg.AssetKey, part: str | None, *, data_versions: Mapping[str, str] | None = None) -> bool:
        """Whether this asset, at this part where it is partitioned, can be used as it is.

        Args:
            key: the asset.
            part: the partition key; ``None`` for an asset without partitions.
            data_versions: per part, what the source publishes today: the data version of an asset without parents.
        """
        node = self._graph.get(key)
        mine = self._latest(key, part)
        if mine is None or (node.code_version is not None and mine.code_version != node.code_version):
            return False
        wanted = (data_versions or {}).get(part or "") if not node.parent_keys else None
        if wanted and mine.data_version != wanted:
            return False
        if not self._in_lake(key, part):
            return False
        return all(
            self._older(parent, part if node.is_partitioned else None, mine.timestamp) for parent in node.parent_keys
        )

    def _older(self, parent: dg.AssetKey, part: str | None, timestamp: float) -> bool:
        theirs = self._latest(parent, part if self._graph.get(parent).is_partitioned else None)
        return theirs is None or theirs.timestamp <= timestamp

    def _latest(self, key: dg.AssetKey, part: str | None) -> Materialised | None:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[part] if part is not None else None)
        records = self._instance.fetch_materializations(wanted, limit=1).records
        if not records or records[0].asset_materialization is None:
            return None
        tags = records[0].asset_materialization.tags or {}
        return Materialised(records[0].timestamp, tags.get(CODE_VERSION_TAG), tags.get(DATA_VERSION_TAG))

    def _in_lake(self, key: dg.AssetKey, part: str | None) -> bool:
        if part is None:
            return bool(self._lake.list_names(key.path))
        names = self._lake.list_names(key.path)
        return any(name == part or name.startswith(f"{part}.") for name in names) or bool(
            self._lake.list_names([*key.path, part])
        )
