"""What the columns of the rows are called in shards, and from which of them the columns of shards come."""

from collections.abc import Iterable, Mapping

from laion_assets.metadata.column_origins import Origins
from laion_assets.shards.layout import SHARD_COLUMNS
from laion_assets.shards.spec import ShardsSpec


def renamed(columns: Iterable[str], spec: ShardsSpec) -> Mapping[str, str]:
    """Columns under names a shard does not need for its own: ``key`` becomes ``published_key``.

    Args:
        columns: of the rows.
        spec: how shards are made.
    """
    verified = spec.verify_hash.column if spec.verify_hash else None
    ours = {*SHARD_COLUMNS, spec.compute_hash, spec.verify_hash.kind if spec.verify_hash else None}
    return {name: f"published_{name}" for name in columns if name in ours and name != verified}


def shard_origins(columns: Iterable[str], spec: ShardsSpec) -> Origins:
    """Of the table beside each tar: what the rows say, and what became of their URLs. Keys are made of neither.

    Args:
        columns: of the rows, but for those that stay behind.
        spec: how shards are made.
    """
    listed = list(columns)
    names = {name: name for name in listed} | dict(renamed(listed, spec))
    if spec.verify_hash:
        names[spec.verify_hash.column] = spec.verify_hash.kind
    found = [name for name in SHARD_COLUMNS if name != "key"] + ([spec.compute_hash] if spec.compute_hash else [])
    return {**{name: {"url"} for name in found}, **{there: {name} for name, there in names.items()}}
