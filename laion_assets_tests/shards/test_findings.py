"""What the books and the audit find in shards that were tampered with: exactly what is wrong, and nothing else."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest

from laion_assets.shards.audit import audit
from laion_assets.shards.spec import HashSpec, ShardsSpec
from laion_assets.shards.tars import read_members
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, SmallWeb, image_bytes, planned_of
from laion_assets_tests.shards.test_tars import write_tar

FIRST = f"{PART}_000000"
IMAGE = image_bytes(1100, 1040)

Members = dict[str, bytes]
Change = Callable[["Tampered"], None]


class Tampered:
    """Two shards, of three images and of two and a dead link; their files can be changed with or without the stats."""

    def __init__(self, downloads: Downloads) -> None:
        self.downloads = downloads

    def members(self) -> Members:
        return {member.name: bytes(member.content) for member in read_members(self.downloads.path("00000.tar"))}

    def write(self, members: Mapping[str, bytes]) -> None:
        """Another first tar, for which its stats file vouches."""
        self.append(write_tar(self.downloads.path("00000.tar"), dict(members)))

    def append(self, content: bytes) -> None:
        self.downloads.path("00000.tar").write_bytes(content)
        self.stats(tar_bytes=len(content), tar_sha256=hashlib.sha256(content).hexdigest())

    def stats(self, shard: int = 0, **fields: Any) -> None:  # noqa: ANN401 (whatever JSON holds)
        path = self.downloads.path(f"{shard:05d}_stats.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    def rows(self, **columns: pl.Expr) -> None:
        """Other values in the parquet of the first shard."""
        path = self.downloads.path("00000.parquet")
        pl.read_parquet(path).with_columns(**columns).write_parquet(path)

    def copy(self, shard: int, to: int) -> None:
        for kind in (".tar", ".parquet", "_stats.json"):
            shutil.copy(self.downloads.path(f"{shard:05d}{kind}"), self.downloads.path(f"{to:05d}{kind}"))

    def replace(self, name: str, content: bytes) -> None:
        self.write(self.members() | {name: content})

    def told(self, **values: Any) -> None:  # noqa: ANN401
        """Another JSON beside the first image."""
        name = f"{FIRST}.json"
        self.replace(name, json.dumps(json.loads(self.members()[name]) | values).encode())


@pytest.fixture
def tampered(downloads: Downloads, small_web: SmallWeb) -> Tampered:
    downloads.spec = ShardsSpec(rows_per_shard=3)
    urls = [small_web.put(f"{index}", IMAGE) for index in range(5)]
    downloads.run(planned_of([*urls, small_web.url("gone")]))
    assert downloads.accounts().balanced
    return Tampered(downloads)


def without(name: str) -> Change:
    return lambda shards: shards.write({key: value for key, value in shards.members().items() if name not in key})


def renamed(old: str, new: str) -> Change:
    return lambda shards: shards.write({key.replace(old, new): value for key, value in shards.members().items()})


def tried_again(shard: int) -> Change:
    def change(shards: Tampered) -> None:
        shards.copy(shard, 7)
        shards.stats(7, retry_round=1)

    return change


def damaged_header(shards: Tampered) -> None:
    content = bytearray(shards.downloads.path("00000.tar").read_bytes())
    content[3] ^= 1
    shards.append(bytes(content))


BOOKS: dict[str, tuple[Change, list[str]]] = {
    "a row fewer in the stats": (
        lambda shards: shards.stats(1, count=2, failed_to_download=0),
        ["00001: stats say 2 rows and 2 images, the parquet has 3 and 2"],
    ),
    "an image more in the stats": (
        lambda shards: shards.stats(1, successes=3, failed_to_download=0),
        ["00001: stats say 3 rows and 3 images, the parquet has 3 and 2"],
    ),
    "other outcomes in the stats": (
        lambda shards: shards.stats(outcomes={"ok": 2, "timed_out": 1}),
        ["00000: stats say {'ok': 2, 'timed_out': 1}, the parquet has {'ok': 3}"],
    ),
    "img2dataset's counts": (
        lambda shards: shards.stats(1, failed_to_resize=1),
        ["00001: img2dataset's counts do not add up to the rows"],
    ),
    "a tar of another size": (
        lambda shards: shards.stats(tar_bytes=512),
        ["00000: the tar has {size} bytes, stats say 512"],
    ),
    "a damaged tar": (
        damaged_header,
        [
            "00000: 00000.tar: a header with a wrong checksum at byte 0",
            "00000: 3 samples are in the tar or in the parquet only",
        ],
    ),
    "a sample that is not in the tar": (without(FIRST), ["00000: 1 samples are in the tar or in the parquet only"]),
    "a sample that is not in the parquet": (
        renamed(FIRST, f"{PART}_000009"),
        ["00000: 2 samples are in the tar or in the parquet only"],
    ),
    "an image without its text": (
        without(f"{FIRST}.txt"),
        [f"00000: 1 samples are not one image, one text and one JSON, such as {FIRST}"],
    ),
    "a text without its image": (
        without(f"{FIRST}.jpg"),
        [f"00000: 1 samples are not one image, one text and one JSON, such as {FIRST}"],
    ),
    "a shard twice": (lambda shards: shards.copy(0, 7), ["3 rows have more than one outcome"]),
    "a row tried again that had succeeded": (
        tried_again(0),
        ["3 rows were tried again in round 1 without having failed for a while"],
    ),
    "a row tried again that is gone for good": (
        tried_again(1),
        ["3 rows were tried again in round 1 without having failed for a while"],
    ),
}


@pytest.mark.parametrize("name", BOOKS)
def test_books_that_do_not_add_up_say_where(tampered: Tampered, name: str) -> None:
    change, findings = BOOKS[name]
    change(tampered)
    books = tampered.downloads.accounts()
    assert not books.balanced
    size = tampered.downloads.path("00000.tar").stat().st_size
    assert list(books.findings) == [finding.replace("{size}", str(size)) for finding in findings]


def test_rows_without_an_outcome_and_outcomes_without_a_row_are_found(tampered: Tampered) -> None:
    planned = tampered.downloads.planned
    tampered.downloads.planned = planned.head(4)
    assert tampered.downloads.accounts().findings == ("2 outcomes are of rows nobody planned",)
    tampered.downloads.planned = pl.concat([planned, planned.head(2).with_columns(row=pl.col("row") + 1000)])
    assert tampered.downloads.accounts().findings == ("2 planned rows have no outcome",)


AUDITED: dict[str, tuple[Change, list[str]]] = {
    "nothing": (lambda _: None, []),
    "another tar": (
        lambda shards: shards.stats(tar_sha256="0" * 64),
        ["the tar is not the one that was written: another sha256"],
    ),
    "no tar": (lambda shards: shards.downloads.path("00000.tar").unlink(), ["00000.tar is gone"]),
    "no parquet": (lambda shards: shards.downloads.path("00000.parquet").unlink(), ["00000.parquet is gone"]),
    "a damaged tar": (
        damaged_header,
        ["00000.tar: a header with a wrong checksum at byte 0", "3 images of the parquet are not in the tar"],
    ),
    "a missing sample": (without(FIRST), ["1 images of the parquet are not in the tar"]),
    "an unknown sample": (
        renamed(FIRST, f"{PART}_000009"),
        [f"{PART}_000009: not in the parquet, or there twice in the tar", "1 images of the parquet are not in the tar"],
    ),
    "an image without its text": (
        without(f"{FIRST}.txt"),
        [f"{FIRST}: has jpg, json and not one image, one txt and one json"],
    ),
    "a text without its image": (
        without(f"{FIRST}.jpg"),
        [f"{FIRST}: has json, txt and not one image, one txt and one json"],
    ),
    "two images": (
        lambda shards: shards.write({f"{FIRST}.png": b"x", **shards.members()}),
        [f"{FIRST}: has jpg, json, png, txt and not one image, one txt and one json"],
    ),
    "another text": (
        lambda shards: shards.replace(f"{FIRST}.txt", b"another"),
        [f"{FIRST}: the text is not the caption"],
    ),
    "a JSON of another image": (
        lambda shards: shards.told(width=9, row=7),
        [f"{FIRST}: JSON and parquet disagree on width, row"],
    ),
    "no JSON": (
        lambda shards: shards.replace(f"{FIRST}.json", b"[]"),
        [f"{FIRST}: JSON and parquet disagree on key, width, height, row, outcome"],
    ),
    "a small image": (
        lambda shards: shards.rows(original_height=pl.when(pl.col("row") > 0).then("original_height").otherwise(1023)),
        [f"{FIRST}: 1100 x 1023 is below 1024 px"],
    ),
    "an image of another size": (
        lambda shards: shards.replace(f"{FIRST}.jpg", image_bytes(1200, 1050)),
        [f"{FIRST}: is 1200 x 1050, recorded as 1100 x 1040"],
    ),
    "an image of another format": (
        lambda shards: shards.replace(f"{FIRST}.jpg", image_bytes(1100, 1040, "PNG")),
        [f"{FIRST}: is png but named .jpg"],
    ),
    "another suffix": (renamed(f"{FIRST}.jpg", f"{FIRST}.png"), [f"{FIRST}: is jpeg but named .png"]),
    "another hash": (
        lambda shards: shards.rows(sha256=pl.when(pl.col("row") > 0).then("sha256").otherwise(pl.lit("0" * 64))),
        [f"{FIRST}: another sha256 than recorded"],
    ),
}


@pytest.mark.parametrize("name", AUDITED)
def test_the_audit_says_what_is_wrong_with_which_sample(tampered: Tampered, name: str) -> None:
    change, findings = AUDITED[name]
    change(tampered)
    seen = audit(tampered.downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=1.0)
    assert seen.findings == [f"00000: {finding}" for finding in findings]
    assert (seen.passed, seen.wrong) == (not findings, len(findings))


def test_an_image_that_cannot_be_decoded_is_found_by_decoding_it(tampered: Tampered) -> None:
    """The header is whole, what follows is not; without decoding, nobody notices."""
    tampered.replace(f"{FIRST}.jpg", IMAGE[:2000] + bytes(1000))
    (finding,) = audit(tampered.downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=1.0).findings
    assert finding.startswith(f"00000: {FIRST}: cannot be decoded (")
    assert audit(tampered.downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=0.0).passed


def test_a_member_twice_is_found(tampered: Tampered) -> None:
    content = tampered.downloads.path("00000.tar").read_bytes()
    text = content.index(f"{FIRST}.txt".encode())
    tampered.append(content[:text] + content[text : text + 1024] + content[text:])
    assert audit(tampered.downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=1.0).findings == [
        f"00000: {FIRST}: two members .txt"
    ]


def test_published_digests_in_upper_case_are_those_of_the_same_bytes(downloads: Downloads, small_web: SmallWeb) -> None:
    downloads.spec = ShardsSpec(verify_hash=HashSpec(column="digest", kind="md5"))
    digests = [hashlib.md5(IMAGE, usedforsecurity=False).hexdigest().upper(), "F" * 32]
    urls = [small_web.put(f"{index}", IMAGE) for index in range(2)]
    downloads.run(planned_of(urls).with_columns(digest=pl.Series(digests)))
    assert downloads.rows()["outcome"].to_list() == ["ok", "hash_mismatch"]
    seen = audit(downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=1.0)
    assert (seen.decoded, seen.findings) == (1, [])
