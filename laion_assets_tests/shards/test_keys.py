"""Keys of samples: unique over all parts, fit for file names, and never what somebody else wrote."""

import hashlib
import itertools
import tarfile
from pathlib import Path

import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.shards.layout import key_prefix
from laion_assets.shards.prepare import prepare
from laion_assets.shards.session import run
from laion_assets.shards.spec import ShardsSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, SmallWeb, image_bytes, planned_of

HOSTILE_PARTS = [
    "../../etc",
    "a/b",
    "a.b",
    "a.b.jpg",
    "part 1",
    "téléphone",
    "\x00",
    "",
    "x" * 300,
    "x" * 301,
    "a_b_jpg",
]


def test_a_parts_key_begins_the_keys_of_its_samples() -> None:
    assert key_prefix("part-00007") == "part-00007"


@pytest.mark.parametrize("part", HOSTILE_PARTS)
def test_whatever_a_part_is_called_its_keys_are_plain_file_names_without_dots(part: str) -> None:
    prefix = key_prefix(part)
    assert len(prefix) <= 64
    assert prefix.isascii()
    assert all(letter.isalnum() or letter in "-_" for letter in prefix)


def test_parts_that_look_alike_have_keys_of_their_own() -> None:
    for one, other in itertools.combinations(HOSTILE_PARTS, 2):
        assert key_prefix(one) != key_prefix(other)


def test_shards_of_several_parts_share_no_key(tmp_path: Path, small_web: SmallWeb, local_web: WebSpec) -> None:
    lake, keys = Lake(str(tmp_path / "lake")), []
    urls = [small_web.put(f"{index}", image_bytes(1100, 1040)) for index in range(4)]
    for part in ("part-00000", "part-00001"):
        scratch = tmp_path / part
        scratch.mkdir()
        spec = ShardsSpec(rows_per_shard=2)
        planned = planned_of(urls, part=part)
        for job in prepare(
            lake, KEY, part, planned, spec=spec, web=local_web, minimum_side_px=1024, scratch=scratch
        ).jobs:
            run(job, print)
    for tar in sorted((tmp_path / "lake").rglob("*.tar")):
        with tarfile.open(tar) as opened:
            keys += [name.removesuffix(".jpg") for name in opened.getnames() if name.endswith(".jpg")]
    assert keys == [
        f"{part}_0000{shard}{row}" for part in ("part-00000", "part-00001") for shard in (0, 1) for row in (0, 1)
    ]


def test_published_columns_do_not_take_the_place_of_ours(downloads: Downloads, small_web: SmallWeb) -> None:
    """A dataset may publish a column ``key``, with whatever in it."""
    body = image_bytes(1100, 1040)
    planned = planned_of([small_web.put("a", body)]).with_columns(
        pl.lit("../../../etc/passwd").alias("key"),
        pl.lit("fine").alias("status"),
        pl.lit(7).alias("width"),
        pl.lit(8).alias("sha256"),
    )
    downloads.run(planned)
    row = downloads.rows().row(0, named=True)
    assert (row["sha256"], row["published_sha256"]) == (hashlib.sha256(body).hexdigest(), 8)
    assert (row["key"], row["status"], row["width"]) == (f"{PART}_000000000", "success", 1100)
    assert (row["published_key"], row["published_status"], row["published_width"]) == ("../../../etc/passwd", "fine", 7)
    with tarfile.open(downloads.path("00000.tar")) as tar:
        assert set(tar.getnames()) == {f"{PART}_000000000.{suffix}" for suffix in ("jpg", "txt", "json")}
    assert downloads.accounts().balanced
