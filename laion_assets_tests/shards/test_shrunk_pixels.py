"""What pixels come of making images smaller, held against img2dataset's own and an ideal filter."""

import io
import itertools

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from laion_assets.shards import planes
from laion_assets_tests.shards.needs import with_libturbojpeg
from laion_assets_tests.shards.shrunk import (
    PLANES,
    both,
    decibels,
    decoded,
    encoded,
    photograph,
    picture,
    pictured,
    pixels,
)

SIZES = [
    *((1200, 1100), (1600, 1174), (1900, 1500), (1407, 2111), (2048, 1536)),
    *((2361, 1771), (2600, 1735), (3001, 1999)),
]


@pytest.mark.parametrize("mode", ["keep_ratio_largest", "keep_ratio", "center_crop"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_sizes_are_the_same_and_pixels_nearly_so(mode: str, width: int, height: int) -> None:
    theirs, ours = both(pictured(width, height), mode, 1024)
    assert ours[1:] == theirs[1:]
    assert decibels(pixels(theirs), pixels(ours)) > 38.5  # of lines this sharp, encoding keeps 28 to 34 dB


@pytest.mark.parametrize("size", [256, 500])
@pytest.mark.parametrize(("width", "height"), [(743, 1001), (1337, 1003), (2001, 1501), (2601, 1951), (3281, 2461)])
def test_much_smaller_ones_are_nearly_the_same_as_well(width: int, height: int, size: int) -> None:
    theirs, ours = both(pictured(width, height), "keep_ratio", size)
    assert ours[1:] == theirs[1:]
    assert decibels(pixels(theirs), pixels(ours)) > 38.5


def hold_against_an_ideal_filter(body: bytes, size: int) -> None:
    theirs, ours = both(body, "keep_ratio_largest", size)
    whole = Image.open(io.BytesIO(body)).convert("RGB")
    resized = whole.resize((ours[1] or 0, ours[2] or 0), Image.Resampling.LANCZOS)
    ideal = np.asarray(resized, dtype=np.float64)[:, :, ::-1]
    assert decibels(pixels(ours), ideal) > decibels(pixels(theirs), ideal) - 1.2
    averaged = cv2.resize(np.asarray(whole)[:, :, ::-1], resized.size, interpolation=cv2.INTER_AREA)
    by_encoding = decibels(pixels(theirs), averaged.astype(np.float64))
    by_both = decibels(pixels(ours), averaged.astype(np.float64))
    assert by_both > by_encoding - 3.2  # two equal and independent errors make 3 dB


@pytest.fixture
def without_libturbojpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "libturbojpeg", lambda: None)


PHOTOGRAPHS = [
    *((*sides, 1024, "4:2:0") for sides in [*SIZES, (3601, 2701), (4000, 1500), (4200, 1500), (5201, 1901)]),
    *(
        (*sides, 256, "4:2:0")
        for sides in [(1337, 1001), (1637, 1001), (2001, 1501), (2801, 1101), (3281, 2461), (3701, 701)]
    ),
    *((*sides, 1024, "4:4:4") for sides in [(2361, 1771), (3001, 1999)]),
    *((*sides, 256, "4:4:4") for sides in [(1337, 1001), (1637, 1001)]),
    *((*sides, 1024, "4:2:2") for sides in [(2100, 1571), (2551, 1901), (3001, 1999)]),
]


@pytest.mark.usefixtures("without_libturbojpeg")
@pytest.mark.parametrize(("width", "height", "size", "subsampling"), PHOTOGRAPHS)
def test_photographs_are_as_close_to_an_ideal_filter_as_img2datasets(
    width: int, height: int, size: int, subsampling: str
) -> None:
    hold_against_an_ideal_filter(encoded(photograph(width, height), subsampling=subsampling), size)


WIDTHS = [1063, 1333, 1450, 1500, 1600, 1667, 1900, 2101, 2287, 2361, 2601, 3001, 3601, 4200, 5101]
TURNED = 1407, 2111


@with_libturbojpeg
@pytest.mark.parametrize(("width", "height"), [*((width, round(width * 0.7366)) for width in WIDTHS), TURNED])
def test_in_planes_they_are_as_close(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    body = encoded(photograph(width, height))
    assert decoded(body, 1024, monkeypatch) == [PLANES]
    hold_against_an_ideal_filter(body, 1024)


def red_at_its_edges(width: int, height: int) -> bytes:
    """Grey but for its last column and row."""
    values = np.full((height, width, 3), 128, np.uint8)
    values[-1], values[:, -1] = (200, 60, 60), (200, 60, 60)
    return encoded(Image.fromarray(values), quality=95)


ABOUT_HALF = list(itertools.product((400, 401), (398, 399), (256, 257)))
ABOUT_A_THIRD = [(width, height, 256) for width in range(800, 804) for height in range(width - 1, width + 2)]


@with_libturbojpeg
@pytest.mark.parametrize(("width", "height", "size"), [*ABOUT_HALF, *ABOUT_A_THIRD])
def test_edges_keep_their_colours(width: int, height: int, size: int) -> None:
    body = red_at_its_edges(width, height)
    theirs, ours = (
        cv2.cvtColor(pixels(each).astype(np.uint8), cv2.COLOR_BGR2YCrCb).astype(np.int16)
        for each in both(body, "keep_ratio_largest", size)
    )
    for edge in (np.s_[5:-5, -1, 1:], np.s_[-1, 5:-5, 1:]):
        assert np.abs((theirs[edge] - ours[edge]).mean(axis=0)).max() < 12  # of 60 that red has more than grey


@with_libturbojpeg
@pytest.mark.parametrize(("ground", "ink"), [("red", "blue"), ("lime", "magenta"), ("white", "red")])
def test_in_planes_garish_graphics_are_as_close_to_an_ideal_filter(
    ground: str, ink: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.new("RGB", (1600, 1174), ground)
    draw = ImageDraw.Draw(image)
    for top in range(0, 1174, 40):
        draw.text((0, top), "Images are what their pixels say, and no more than that. " * 8, fill=ink, font_size=30)
    body = encoded(image)
    assert decoded(body, 1024, monkeypatch) == [PLANES]
    theirs, ours = both(body, "keep_ratio_largest", 1024)
    whole = Image.open(io.BytesIO(body)).convert("RGB")
    ideal = np.asarray(whole.resize((1024, 751), Image.Resampling.LANCZOS), dtype=np.float64)[:, :, ::-1]
    assert decibels(pixels(ours), ideal) > decibels(pixels(theirs), ideal) - 0.1


@with_libturbojpeg
@pytest.mark.parametrize(("width", "height", "in_planes"), [(2559, 2, True), (2561, 2, False)])
def test_planes_shrink_by_little(
    width: int,
    height: int,
    in_planes: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = pictured(width, height)  # so low that no fraction would leave rows enough
    assert decoded(body, 1024, monkeypatch) == [PLANES if in_planes else (width, height)]
    theirs, ours = both(body, "keep_ratio_largest", 1024)
    assert ours[1:] == theirs[1:]
    assert decibels(pixels(theirs), pixels(ours)) > 38.5


@pytest.mark.parametrize("how", ["L", "CMYK", "PNG", "WEBP"])
def test_other_colours_and_formats_shrink_as_well(how: str) -> None:
    image = picture(1600, 1200)
    body = encoded(image, how) if how in ("PNG", "WEBP") else encoded(image.convert(how))
    theirs, ours = both(body, "keep_ratio_largest", 1024)
    assert ours[1:] == theirs[1:]
    assert pixels(ours).shape == pixels(theirs).shape
    assert float(np.abs(pixels(theirs) - pixels(ours)).mean()) < 2


def test_borders_are_img2datasets() -> None:
    theirs, ours = both(pictured(1600, 1200), "border", 512)
    assert ours == theirs


@pytest.mark.parametrize(("width", "height"), [(1600, 1200), (3200, 2400)])
def test_the_stored_size_counts_whatever_exif_says_about_turning(width: int, height: int) -> None:
    image = picture(width, height)
    exif = image.getexif()
    exif[0x0112] = 6
    theirs, ours = both(encoded(image, exif=exif.tobytes()), "keep_ratio_largest", 1024)
    assert ours[1:] == theirs[1:] == (1024, 768, width, height, None)
