"""Whether a file has its end: real images of every format, whole, cut anywhere, and damaged."""

import io

import pytest
from PIL import Image

from laion_assets.shards.structure import Broken, CutOff, Whole, check_structure
from laion_assets_tests.shards.conftest import image_bytes

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF", "bmp": "BMP", "tiff": "TIFF"}


def encoded(pillow_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture = Image.effect_noise((320, 240), 70).convert("RGB")
    picture.save(out, pillow_format, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_is_whole(name: str) -> None:
    assert check_structure(image_bytes(200, 100, FORMATS[name]), name) == Whole()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.1])
def test_a_file_that_ends_early_is_not(name: str, share: float) -> None:
    body = image_bytes(200, 100, FORMATS[name])
    assert isinstance(check_structure(body[: int(len(body) * share)], name), CutOff | Broken)


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "avif"])
def test_not_even_the_last_byte_may_be_missing(name: str) -> None:
    assert isinstance(check_structure(image_bytes(200, 100, FORMATS[name])[:-1], name), CutOff)


@pytest.mark.parametrize(
    "body",
    [
        encoded("JPEG", progressive=True),
        encoded("JPEG", restart_marker_blocks=4),
        encoded("JPEG", subsampling=0, quality=100),
        encoded("JPEG", exif=b"Exif\0\0" + b"\xff\xd9" * 50, comment=b"\xff\xd9\xff\xda"),
        encoded("JPEG", icc_profile=b"\xff\xd9" * 40_000),
    ],
    ids=["progressive", "restarts", "q100", "end_markers_in_exif", "end_markers_in_icc"],
)
def test_a_jpegs_end_is_found_behind_whatever_looks_like_one(body: bytes) -> None:
    assert check_structure(body, "jpeg") == Whole()
    assert check_structure(body[:-2], "jpeg") == CutOff("no end marker")


def test_a_progressive_jpeg_with_all_scans_but_the_last_is_cut_off() -> None:
    body = encoded("JPEG", progressive=True)
    assert check_structure(body[: body.rfind(b"\xff\xda")], "jpeg") == CutOff("no end marker")


def test_a_webp_without_its_padding_is_as_little_a_whole_file_as_to_pillow() -> None:
    body = encoded("WEBP", exif=b"Exif\0\0odd")
    assert body[-12:] == b"EXIF" + (3).to_bytes(4, "little") + b"odd\0"
    said = int.from_bytes(body[4:8], "little")
    bare = body[:4] + (said - 1).to_bytes(4, "little") + body[8:-1]
    found = {body[:-1]: CutOff("shorter than its RIFF header says"), bare: Broken("a chunk ends beyond its container")}
    assert check_structure(body, "webp") == Whole()
    for unpadded, finding in found.items():
        assert check_structure(unpadded, "webp") == finding
        with pytest.raises(OSError, match="could not create decoder"):
            Image.open(io.BytesIO(unpadded))


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp"])
def test_bytes_after_the_end_do_no_harm_and_are_counted(name: str) -> None:
    assert check_structure(image_bytes(200, 100, FORMATS[name]) + b"padding", name) == Whole(spare_bytes=7)


def test_one_flipped_bit_in_a_png_is_noticed() -> None:
    body = bytearray(image_bytes(200, 100, "PNG"))
    body[len(body) // 2] ^= 1
    assert check_structure(bytes(body), "png") == Broken("wrong checksum of chunk 'IDAT'")


def test_an_animated_gif_is_followed_through_all_its_frames() -> None:
    frames = [Image.effect_noise((60, 60), 50) for _ in range(5)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert check_structure(out.getvalue(), "gif") == Whole()
    assert check_structure(out.getvalue()[:-400], "gif") == CutOff("the file ends inside a structure")


def test_a_header_without_a_picture_is_no_whole_file() -> None:
    assert check_structure(b"GIF89a" + bytes(7) + b";", "gif") == Broken("no image data")
    png = image_bytes(10, 10, "PNG")
    start = png.index(b"IDAT") - 4
    assert check_structure(png[:start] + png[png.index(b"IEND") - 4 :], "png") == Broken("no image data")


@pytest.mark.parametrize("name", FORMATS)
def test_no_damage_makes_the_check_fail_itself(name: str) -> None:
    body = image_bytes(64, 64, FORMATS[name])
    for position in range(0, len(body), max(1, len(body) // 400)):
        damaged = body[:position] + bytes([body[position] ^ 0xFF]) + body[position + 1 :]
        assert isinstance(check_structure(damaged, name), Whole | CutOff | Broken)
        check_structure(body[:position], name)


def test_a_format_nobody_described_is_not_judged() -> None:
    assert check_structure(b"whatever", "jxl") is None
