"""Real images: each decodes to its last byte, in the size that was promised, with two unrelated decoders."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from laion_assets.sandbox import SandboxSpec, jpeg, jpeg_scans, png
from laion_assets.sandbox.encoded import ENCODED_KINDS, ENCODED_SIZES, EncodedImages
from laion_assets.sandbox.faults import FAULT_NUMBER
from laion_assets.sandbox.images import Images
from laion_assets.sandbox.jpeg_segments import Extras
from laion_assets.sandbox.pages import EXTRAS, IMAGE_KINDS, NO_IMAGE, image_format, make_pages
from laion_assets.sandbox.rope import FileSlice, Rope

SIZES = [(1, 1), (17, 8), (1024, 1031), (1600, 2500)]


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedImages:
    """Encoded images of a cache of their own."""
    return EncodedImages(tmp_path_factory.mktemp("images"))


def decode(file: bytes, *, width: int, height: int, image_type: str, opencv: bool = True) -> Image.Image:
    image = Image.open(io.BytesIO(file))
    image.load()
    assert image.size == (width, height)
    assert image.format == image_type.upper()
    if opencv:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        assert pixels is not None
        assert pixels.shape[:2] == (height, width)
    return image


@pytest.mark.parametrize("mode", jpeg.MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("level", [0, 2, 5, jpeg_scans.LEVELS - 1])
def test_a_composed_jpeg_decodes(mode: jpeg.Mode, level: int, capfd: pytest.CaptureFixture[str]) -> None:
    for width, height in SIZES:
        rope = jpeg.compose(width, height, mode=mode, level=level, palette=level)
        file = rope.read()
        assert len(file) == rope.length
        image = decode(file, width=width, height=height, image_type="jpeg")
        assert image.mode == {"grey": "L", "cmyk": "CMYK"}.get(mode.name, "RGB")
        assert ("progressive" in image.info) == mode.progressive
    # libjpeg writes a warning here when entropy-coded data does not end where it should.
    assert "Corrupt" not in capfd.readouterr().err


def test_a_composed_jpeg_is_no_flat_surface() -> None:
    image = Image.open(io.BytesIO(jpeg.compose(640, 480, level=4).read())).convert("L")
    assert np.asarray(image).std() > 3


def test_jpegs_differ_in_colour() -> None:
    means = {
        Image.open(io.BytesIO(jpeg.compose(64, 64, palette=each).read())).resize((1, 1)).getpixel((0, 0))
        for each in range(4)
    }
    assert len(means) == 4


def test_more_detail_costs_more_bytes() -> None:
    costs = jpeg.bytes_per_megapixel_by_level()
    assert costs == sorted(costs)
    assert costs[0] < 25_000
    assert costs[-1] > 300_000


@pytest.mark.parametrize("extras", [extras for _, extras in EXTRAS], ids=str)
def test_metadata_in_front_of_the_size_is_wellformed(extras: Extras) -> None:
    file = jpeg.compose(1500, 1100, extras=extras).read()
    image = decode(file, width=1500, height=1100, image_type="jpeg")
    assert image.getexif().get(0x0112, 0) == extras.orientation
    assert len(image.info.get("icc_profile", b"")) == extras.icc_bytes
    assert image.info.get("comment", b"") == extras.comment.encode()
    if extras.thumbnail:
        directory = image.getexif().get_ifd(ExifTags.IFD.IFD1)
        start = file.index(b"MM\x00\x2a") + directory[0x0201]
        decode(file[start : start + directory[0x0202]], width=160, height=120, image_type="jpeg")


def test_most_sizes_lie_within_4_kib_and_nearly_all_within_68() -> None:
    def size_at(extras: Extras) -> int:
        file = jpeg.compose(1500, 1100, extras=extras).read()
        return file.rindex(b"\xff\xc0\x00\x11\x08")

    settled = {limit: sum(share for share, extras in EXTRAS if size_at(extras) < limit - 9) for limit in (4096, 69_632)}
    assert settled[4096] == pytest.approx(0.93, abs=0.01)
    assert settled[69_632] == pytest.approx(0.999, abs=0.0005)
    assert sum(share for share, _ in EXTRAS) == pytest.approx(1)


@pytest.mark.parametrize("kind", png.KINDS, ids=str)
def test_a_composed_png_decodes(kind: png.PngKind) -> None:
    for width, height in SIZES:
        rope = png.compose(width, height, kind, text="made up")
        file = rope.read()
        assert len(file) == rope.length
        image = decode(file, width=width, height=height, image_type="png")
        assert image.info["Comment"] == "made up"
        # Pillow leaves checksums of pixels to zlib, which reads the last of them; IDAT's own is verified here.
        Image.open(io.BytesIO(file)).verify()


@pytest.mark.parametrize("kind", ENCODED_KINDS)
def test_an_encoded_image_decodes(kind: str, encoded: EncodedImages) -> None:
    for width, height in ENCODED_SIZES:
        name = kind.split("_", maxsplit=1)[0]
        file = encoded.body(kind, width, height)
        decode(file, width=width, height=height, image_type=name, opencv=name in ("webp", "gif"))
    if name == "webp":
        chunk = {"webp_lossy": b"VP8 ", "webp_lossless": b"VP8L", "webp_extended": b"VP8X"}[kind]
        assert file[12:16] == chunk


def test_encoded_images_are_made_once_and_kept(encoded: EncodedImages) -> None:
    encoded.warm((kind, *size) for kind in ENCODED_KINDS for size in ENCODED_SIZES)
    files = sorted(encoded.folder.iterdir())
    assert len(files) == len(ENCODED_KINDS) * len(ENCODED_SIZES)
    files[0].write_bytes(b"kept")
    kind, size = files[0].name.rsplit("-", 1)
    width, height = map(int, size.split("x"))
    assert EncodedImages(encoded.folder.parent).body(kind, width, height) == b"kept"
    files[0].unlink()


def test_every_page_has_the_image_the_catalogue_promises(encoded: EncodedImages) -> None:
    pages = make_pages(SandboxSpec(seed=2, parts=1, rows_per_part=3000))
    images = Images(pages, encoded)
    sizes = images.file_bytes()
    formats = set()
    broken = [FAULT_NUMBER[name] for name in ("truncated_file", "broken_content", "pixel_bomb")]
    for page in range(0, 3000, 17):
        assert images.announced_bytes(page) == sizes[page]
        if pages.kind[page] == NO_IMAGE or pages.fault[page] in broken:
            continue
        name = image_format(int(pages.kind[page])) or ""
        file = images.body(page).read()
        decode(file, width=pages.true_width[page], height=pages.true_height[page], image_type=name, opencv=False)
        formats.add(IMAGE_KINDS[pages.kind[page]])
    assert formats >= {"jpeg_0", "jpeg_1", "png"}
    assert all(images.announced_bytes(page) == sizes[page] for page in range(3000))


def test_web_like_images_are_as_large_as_on_the_web() -> None:
    pages = make_pages(SandboxSpec(parts=1, rows_per_part=20_000, bytes_per_megapixel=180_000, faults=False))
    images = Images(pages, EncodedImages(Path("/nonexistent")))
    jpegs = pages.kind < len(jpeg.MODES)
    only_jpegs = type(pages)(**{name: values[jpegs] for name, values in vars(pages).items()})
    sizes = Images(only_jpegs, images.encoded).file_bytes()
    assert np.median(sizes) == pytest.approx(433_000, rel=0.05)
    assert sizes.mean() == pytest.approx(740_000, rel=0.15)


@pytest.mark.parametrize("fault", ["truncated_file", "broken_content"])
def test_a_broken_file_has_a_good_header_and_cannot_be_decoded(fault: str, encoded: EncodedImages) -> None:
    pages = make_pages(SandboxSpec(seed=2, parts=1, rows_per_part=3000))
    page = int(np.flatnonzero(pages.fault == FAULT_NUMBER[fault])[0])
    file = Images(pages, encoded).body(page).read()
    image = Image.open(io.BytesIO(file))
    assert image.size == (pages.true_width[page], pages.true_height[page])
    with pytest.raises((OSError, SyntaxError)):
        image.load()


def test_the_pixel_bomb_is_small_and_claims_900_megapixels(encoded: EncodedImages) -> None:
    pages = make_pages(SandboxSpec(seed=2, parts=1, rows_per_part=3000))
    page = int(np.flatnonzero(pages.fault == FAULT_NUMBER["pixel_bomb"])[0])
    body = Images(pages, encoded).body(page)
    assert body.length < 1_100_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(body.read()))


def test_any_slice_of_a_rope_is_that_of_the_bytes_it_stands_for(tmp_path: Path) -> None:
    rope = Rope.of(b"head", (b"abc", 1000), (b"", 5), (b"x", 0), b"tail")
    plain = b"head" + b"abc" * 1000 + b"tail"
    (tmp_path / "file").write_bytes(b"??" + plain + b"??")
    for body in (rope, FileSlice(tmp_path / "file", 2, 2 + len(plain))):
        assert body.length == len(plain)
        for start, stop in [(0, None), (0, 0), (3, 5), (4, 7), (5, 2999), (3003, 3010), (3007, 9999), (0, 3008)]:
            assert body.read(start, stop) == plain[start:stop]
