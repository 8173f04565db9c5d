"""Writes what makes a folder of shards a dataset: lists, manifest and card, at the top of the subset's folder."""

from collections.abc import Sequence

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.shards.card import dataset_card
from laion_assets.shards.croissant import croissant
from laion_assets.shards.index import Index, manifest, read_index, shard_list, wids_index
from laion_assets.shards.reckoning import Reckoned, reckon, to_json
from laion_assets.subsets.forecast import Forecast
from laion_assets.subsets.spec import SubsetSpec


def publish_index(
    lake: Lake,
    dataset: str,
    subset: SubsetSpec,
    parts: Sequence[str],
    *,
    minimum_side_px: int,
    maximum_aspect: float | None = None,
    opt_out_words: Sequence[str] = (),
    forecast: Forecast | None = None,
) -> tuple[Index, tuple[Reckoned, ...]]:
    """Index the shards of the given parts, and hold the plan against them.

    ``README.md``, ``croissant.json``, ``shards.txt`` and ``wids.json`` lie beside the folder ``shards``, so that the
    subset's folder can be used, moved and uploaded as a dataset; ``index/manifest.json`` is written last.
    """
    root = [dataset, subset.name]
    index = read_index(lake, [*root, "shards"], parts)
    reckoned = reckon(forecast, index) if forecast is not None else ()
    columns = _columns(lake, root, index)
    card = dataset_card(
        index,
        dataset,
        subset,
        columns,
        minimum_side_px=minimum_side_px,
        maximum_aspect=maximum_aspect,
        opt_out_words=opt_out_words,
        reckoned=reckoned,
    )
    lake.write_bytes(lake.uri(root, "shards.txt"), shard_list(index).encode())
    lake.write_json(lake.uri(root, "wids.json"), wids_index(index, f"{dataset}-{subset.name}"))
    lake.write_bytes(lake.uri(root, "README.md"), card.encode())
    lake.write_json(lake.uri(root, "croissant.json"), croissant(index, dataset, subset, columns))
    lake.write_json(lake.uri([*root, "index"], "plan_against_actual.json"), [to_json(one) for one in reckoned])
    lake.write_json(lake.uri([*root, "index"], "manifest.json"), manifest(index, dataset, subset.name))
    return index, reckoned


def _columns(lake: Lake, root: Sequence[str], index: Index) -> dict[str, pl.DataType]:
    """Columns of the shards' parquet files; they are the same in all of them."""
    if not index.entries:
        return {}
    return dict(lake.scan_parquet(lake.uri(root, index.entries[0].parquet)).collect_schema())
