"""Whether shards are what they say: tars read to their end, members paired, images decoded, sizes as recorded.

Looks at what is on disk and believes nothing written about it. Whether the numbers add up is asked in ``accounting``.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.shards.judge import SUCCESS
from laion_assets.shards.layout import ShardStats, read_shards, shard_files, shard_name
from laion_assets.shards.spec import SUFFIXES
from laion_assets.shards.tars import TarError, read_members

_MOST_FINDINGS = 20
_READ_BYTES = 1 << 22


@dataclass
class Audit:
    """What an audit of one part has seen."""

    shards: int = 0
    samples: int = 0
    decoded: int = 0
    decoded_pixels: int = 0
    findings: list[str] = field(default_factory=list)
    """What is wrong, the first few; empty when nothing is."""
    wrong: int = 0

    @property
    def passed(self) -> bool:
        """Whether everything is what it is said to be."""
        return self.wrong == 0

    def found(self, shard: int, finding: str) -> None:
        """Note something wrong."""
        self.wrong += 1
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(f"{shard_name(shard)}: {finding}")


def audit(
    lake: Lake, key: Sequence[str], part: str, *, minimum_side_px: int, decode_share: float, seed: int = 0
) -> Audit:
    """Read every shard of a part.

    Args:
        lake: where the shards are.
        key: of the shards asset.
        part: which part.
        minimum_side_px: true short side every original must have.
        decode_share: share of the images that is decoded to the last pixel, in [0, 1].
        seed: another seed chooses other images.
    """
    seen = Audit()
    there = set(lake.list_names([*key, part]))
    for shard, stats in read_shards(lake, key, part).items():
        seen.shards += 1
        names = shard_files(shard)
        if gone := [name for name in names if name not in there]:
            for name in gone:
                seen.found(shard, f"{name} is gone")
            continue
        tar, parquet, _ = (lake.uri([*key, part], name) for name in names)
        rows = lake.scan_parquet(parquet).filter(pl.col("status") == SUCCESS).collect()
        with lake.local_file(tar) as path:
            _audit_tar(seen, path, shard, stats, rows, minimum_side_px, decode_share, f"{seed}:{part}")
    return seen


def _audit_tar(
    seen: Audit,
    path: Path,
    shard: int,
    stats: ShardStats,
    rows: pl.DataFrame,
    minimum_side_px: int,
    decode_share: float,
    seed: str,
) -> None:
    if _sha256(path) != stats.tar_sha256:
        seen.found(shard, "the tar is not the one that was written: another sha256")
    recorded = {row["key"]: row for row in rows.iter_rows(named=True)}
    sample: dict[str, bytes] = {}
    name = ""
    try:
        for member in read_members(path):
            if member.key != name:
                _audit_sample(seen, shard, name, sample, recorded, minimum_side_px, decode_share, seed)
                name, sample = member.key, {}
            if member.suffix in sample:
                seen.found(shard, f"{name}: two members .{member.suffix}")
            sample[member.suffix] = bytes(member.content)
    except (TarError, UnicodeDecodeError) as error:
        seen.found(shard, str(error))
    _audit_sample(seen, shard, name, sample, recorded, minimum_side_px, decode_share, seed)
    if recorded:
        seen.found(shard, f"{len(recorded)} images of the parquet are not in the tar")


def _audit_sample(
    seen: Audit,
    shard: int,
    name: str,
    sample: dict[str, bytes],
    recorded: dict[str, dict[str, Any]],
    minimum_side_px: int,
    decode_share: float,
    seed: str,
) -> None:
    if not sample:
        return
    seen.samples += 1
    row = recorded.pop(name, None)
    images = [suffix for suffix in sample if suffix not in ("txt", "json")]
    if row is None:
        seen.found(shard, f"{name}: not in the parquet, or there twice in the tar")
        return
    if len(images) != 1 or not {"txt", "json"} <= set(sample):
        seen.found(shard, f"{name}: has {', '.join(sorted(sample))} and not one image, one txt and one json")
        return
    told = _json_of(sample["json"])
    wrong = [column for column in ("key", "width", "height", "row", "outcome") if told.get(column) != row[column]]
    if wrong:
        seen.found(shard, f"{name}: JSON and parquet disagree on {', '.join(wrong)}")
    if sample["txt"].decode("utf-8", "replace") != (row["caption"] or ""):
        seen.found(shard, f"{name}: the text is not the caption")
    if min(row["original_width"], row["original_height"]) < minimum_side_px:
        seen.found(shard, f"{name}: {row['original_width']} x {row['original_height']} is below {minimum_side_px} px")
    if _is_chosen(f"{seed}:{shard}:{name}", decode_share):
        seen.decoded += 1
        for finding in _decode(sample[images[0]], images[0], row):
            seen.found(shard, f"{name}: {finding}")
        seen.decoded_pixels += row["width"] * row["height"]


def _decode(image: bytes, suffix: str, row: dict[str, Any]) -> list[str]:
    """Decode one image to its last pixel."""
    from PIL import Image

    findings = []
    resized = (row["width"], row["height"]) != (row["original_width"], row["original_height"])
    for kind in ("sha256", "md5", "sha512"):
        original = not resized and len(image) == row["file_bytes"]
        # A digest to verify by is kept as it was published, in either case.
        recorded = str(row.get(kind) or "").lower()
        if original and recorded and hashlib.new(kind, image, usedforsecurity=False).hexdigest() != recorded:
            findings.append(f"another {kind} than recorded")
    try:
        with Image.open(io.BytesIO(image)) as picture:
            size, found = picture.size, (picture.format or "").lower()
            picture.load()
    except Exception as error:  # noqa: BLE001 (decoders fail in every way there is)
        return [*findings, f"cannot be decoded ({type(error).__name__}: {error})"[:200]]
    if size != (row["width"], row["height"]):
        findings.append(f"is {size[0]} x {size[1]}, recorded as {row['width']} x {row['height']}")
    if SUFFIXES.get({"jpeg2000": "jp2", "mpo": "jpeg"}.get(found, found)) != suffix:
        findings.append(f"is {found} but named .{suffix}")
    return findings


def _is_chosen(name: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") < share * 2**64


def _json_of(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
