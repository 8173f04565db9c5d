"""What columns are called in shards, and what they are made of."""

from laion_assets.shards.column_origins import renamed, shard_origins
from laion_assets.shards.spec import HashSpec, ShardsSpec


def test_a_column_that_shards_have_themselves_is_the_published_one_under_another_name() -> None:
    found = shard_origins(["url", "width"], ShardsSpec(compute_hash="md5"))
    assert (found["url"], found["published_width"]) == ({"url"}, {"width"})
    assert found["width"] == found["md5"] == {"url"}
    assert "key" not in found


def test_a_published_hash_is_found_under_its_kind() -> None:
    spec = ShardsSpec(verify_hash=HashSpec(column="checksum", kind="sha256"))
    found = shard_origins(["url", "checksum"], spec)
    assert found["sha256"] == {"checksum"}
    assert "checksum" not in found


def test_a_published_hash_that_is_not_verified_makes_room_for_the_computed_one() -> None:
    assert renamed(["md5", "sha256"], ShardsSpec()) == {"sha256": "published_sha256"}
    assert renamed(["md5", "sha256"], ShardsSpec(compute_hash=None)) == {}
    spec = ShardsSpec(compute_hash=None, verify_hash=HashSpec(column="checksum", kind="md5"))
    assert renamed(["md5", "checksum"], spec) == {"md5": "published_md5"}
    assert renamed(["sha256"], ShardsSpec(verify_hash=HashSpec(column="sha256"))) == {}
