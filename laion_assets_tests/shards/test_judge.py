"""What becomes of a downloaded file."""

import hashlib
import struct
import zlib

import pytest

from laion_assets.shards.judge import Limits, Verdict, judge
from laion_assets.shards.spec import HashSpec, ShardsSpec
from laion_assets.web.outcome import Outcome
from laion_assets_tests.shards.conftest import image_bytes

LIMITS = Limits.of(ShardsSpec(), 1024)


def png_header(width: int, height: int) -> bytes:
    """A tiny file that claims to be enormous."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    )


def test_a_good_image_is_kept_with_its_true_size_and_format() -> None:
    assert judge(image_bytes(1100, 1030, "WEBP"), LIMITS) == Verdict(Outcome.OK, None, 1100, 1030, "webp")


def test_the_required_side_is_the_short_one_and_includes_its_bound() -> None:
    assert judge(image_bytes(1024, 1024), LIMITS).outcome is Outcome.OK
    small = judge(image_bytes(3000, 1023), LIMITS)
    assert (small.outcome, small.error, small.status) == (Outcome.TOO_SMALL, "image too small", "failed_to_resize")


def test_a_spec_may_ask_for_another_side_than_the_dataset_promises() -> None:
    assert Limits.of(ShardsSpec(minimum_side_px=512), 1024).keeping.minimum_side_px == 512
    assert Limits.of(ShardsSpec(minimum_side_px=0), 1024).keeping.minimum_side_px == 0


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    bomb = png_header(10_000, 10_000)
    assert len(bomb) < 200
    assert judge(bomb, LIMITS) == Verdict(Outcome.TOO_LARGE, "image area too large", 10_000, 10_000, "png")


def test_an_extreme_aspect_is_refused_when_asked() -> None:
    limits = Limits.of(ShardsSpec(maximum_aspect=2.5), 100)
    assert judge(image_bytes(500, 200), limits).outcome is Outcome.OK
    assert judge(image_bytes(200, 501), limits).outcome is Outcome.ASPECT_REJECTED


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (b"<!doctype html><html><script>alert(1)</script></html>", "html"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "svg"),
        (b"", "empty"),
    ],
)
def test_what_is_no_image_is_called_so(body: bytes, finding: str) -> None:
    verdict = judge(body, LIMITS)
    assert (verdict.outcome, verdict.error) == (Outcome.NOT_AN_IMAGE, f"not an image: {finding}")
    assert verdict.status == "failed_to_download"


def test_a_format_that_is_not_taken_is_named() -> None:
    verdict = judge(image_bytes(1100, 1100, "GIF"), Limits.of(ShardsSpec(formats=("jpeg", "png")), 1024))
    assert (verdict.outcome, verdict.error) == (Outcome.NOT_AN_IMAGE, "gif files are not taken")


def test_a_cut_off_image_is_truncated_and_a_damaged_one_undecodable() -> None:
    body = image_bytes(1100, 1100, "PNG")
    assert judge(body[:-500], LIMITS).outcome is Outcome.TRUNCATED
    middle = len(body) // 2
    assert judge(body[:middle] + b"????" + body[middle + 4 :], LIMITS).outcome is Outcome.UNDECODABLE


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha512"])
def test_bytes_other_than_those_published_are_refused(kind: str) -> None:
    body = image_bytes(1100, 1100)
    limits = Limits.of(ShardsSpec(verify_hash=HashSpec.model_validate({"column": "digest", "kind": kind})), 1024)
    right = hashlib.new(kind, body).hexdigest().upper()
    assert judge(body, limits, expected_hash=right).outcome is Outcome.OK
    wrong = judge(image_bytes(1100, 1100, colour=9), limits, expected_hash=right)
    assert (wrong.outcome, wrong.error, wrong.status) == (Outcome.HASH_MISMATCH, "hash mismatch", "failed_to_download")
