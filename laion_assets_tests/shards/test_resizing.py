"""The short way to smaller images, held against img2dataset's own."""

import contextlib
import functools
import io
import itertools
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageDraw, ImageOps

from laion_assets.probes.formats import jpeg
from laion_assets.shards import planes, process
from laion_assets.shards.engine import engine_for, stop_engines
from laion_assets.shards.resizing import ExactResizer, QuickResizer, Resized
from laion_assets.shards.upstream import Resizer
from laion_assets.web.spec import WebSpec
from laion_assets_tests.shards.needs import with_libturbojpeg


def picture(width: int, height: int) -> Image.Image:
    """Smooth and sharp parts, as photographs have."""
    across, down = np.meshgrid(np.linspace(0, 9, width), np.linspace(0, 7, height))
    waves = np.stack([np.sin(across + down), np.cos(across * 1.7), np.sin(down * 2.3)], axis=-1)
    image = Image.fromarray((waves * 90 + 128).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for step in range(0, width, 37):
        draw.line((step, 0, width - step, height), fill=(step % 255, 80, 160), width=5)
    return image


def encoded(image: Image.Image, kind: str = "JPEG", **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 90} | how if kind == "JPEG" else how))
    return out.getvalue()


def both(body: bytes, mode: str, size: int) -> tuple[Resized, Resized]:
    resizers = [kind(size, mode, True, skip_reencode=True) for kind in (Resizer, QuickResizer)]  # noqa: FBT003
    theirs, ours = (resizer(io.BytesIO(body)) for resizer in resizers)
    return theirs, ours


Pixels = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def pixels(resized: Resized) -> Pixels:
    assert resized[0] is not None
    decoded = cv2.imdecode(np.frombuffer(resized[0], np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(decoded, dtype=np.float64)


def photograph(width: int, height: int) -> Image.Image:
    """A real one, mirrored over and over at its own resolution, so that it is as sharp as photographs are."""
    single = Image.open(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    wide, high = single.size
    mosaic = Image.new("RGB", (width, height))
    for left in range(0, width, wide):
        for top in range(0, height, high):
            tile = ImageOps.mirror(single) if left // wide % 2 else single
            mosaic.paste(ImageOps.flip(tile) if top // high % 2 else tile, (left, top))
    return mosaic


def decibels(one: Pixels, other: Pixels) -> float:
    return float(10 * np.log10(255**2 / max(((one - other) ** 2).mean(), 1e-9)))


SIZES = [
    *((1200, 1100), (1600, 1174), (1900, 1500), (1407, 2111), (2048, 1536)),
    *((2361, 1771), (2600, 1735), (3001, 1999)),
]


@functools.cache
def pictured(width: int, height: int) -> bytes:
    return encoded(picture(width, height))


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


OPENCV, PLANES = "OpenCV", "planes"


def decoded(
    body: bytes, size: int, monkeypatch: pytest.MonkeyPatch, mode: str = "keep_ratio_largest", **how: object
) -> list[str | tuple[int, int]]:
    """How an image was decoded, again and again until it was: to which width and height, in planes or by OpenCV."""
    asked, decode_jpeg, imdecode = list[str | tuple[int, int]](), simplejpeg.decode_jpeg, cv2.imdecode
    decode_planes = planes.decode

    def directly(data: bytes, colorspace: str, *, min_width: int, min_height: int) -> Pixels:
        asked.append((min_width, min_height))
        pixels: Pixels = decode_jpeg(data, colorspace, min_width=min_width, min_height=min_height)
        return pixels

    def in_planes(data: bytes, frame: jpeg.Frame, fraction: int) -> planes.Planes | None:
        stored = decode_planes(data, frame, fraction)
        asked.extend([PLANES] if stored is not None else [])
        return stored

    def by_opencv(data: np.ndarray[tuple[int], np.dtype[np.uint8]], flags: int) -> object:
        asked.append(OPENCV)
        return imdecode(data, flags)

    with monkeypatch.context() as patched:
        patched.setattr(planes, "decode", in_planes)
        patched.setattr("simplejpeg.decode_jpeg", directly)
        patched.setattr("cv2.imdecode", by_opencv)
        QuickResizer(size, mode, True, **how)(io.BytesIO(body))  # noqa: FBT003
    return asked


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


@pytest.mark.parametrize(
    ("width", "height", "size", "fraction"),
    [
        (2048, 1536, 1024, 2),
        (2048, 1365, 1024, 1),  # half of its height is no whole number
        (2349, 1751, 1024, 1),
        (2361, 1751, 1024, 2),
        (2001, 1501, 512, 2),
        (2667, 2001, 512, 4),
        (2001, 1501, 256, 4),
        (2001, 1501, 128, 8),
        (2317, 9, 100, 1),  # an eighth would leave too few rows, a quarter too many columns
        (5001, 151, 128, 1),
    ],
)
def test_no_more_is_decoded_than_is_needed(
    width: int, height: int, size: int, fraction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, at_fraction = pictured(width, height), (-(-width // fraction), -(-height // fraction))
    even = size % 2 == round(height * size / width) % 2 == 0
    well = fraction == 1 or (fraction == 2 and even)
    in_planes = well and width / fraction < 2.5 * size and planes.libturbojpeg() is not None
    assert decoded(body, size, monkeypatch) == [PLANES if in_planes else at_fraction]
    monkeypatch.setattr(planes, "libturbojpeg", lambda: None)
    assert decoded(body, size, monkeypatch) == [at_fraction]


@with_libturbojpeg
@pytest.mark.parametrize(
    ("mode", "encode_format", "in_planes"),
    [("keep_ratio", "jpg", True), ("center_crop", "jpg", False), ("keep_ratio", "png", False)],
)
def test_planes_are_for_what_is_stored_in_planes_again(
    mode: str,
    encode_format: str,
    in_planes: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = pictured(1600, 1174)
    how = decoded(body, 1024, monkeypatch, mode, encode_format=encode_format, encode_quality=9)
    assert how == [PLANES if in_planes else (1600, 1174)]


@with_libturbojpeg
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2"])
def test_other_samplings_are_made_pixels(subsampling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(encoded(picture(1600, 1174), subsampling=subsampling), 1024, monkeypatch) == [(1600, 1174)]


def test_what_is_not_made_smaller_is_decoded_by_img2dataset_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(pictured(600, 400), 1024, monkeypatch) == [OPENCV]


def without_height(body: bytes) -> bytes:
    """The frame's height is left to a segment that never comes."""
    at = body.index(b"\xff\xc0")
    return body[: at + 5] + b"\0\0" + body[at + 7 :]


def test_what_would_lose_by_it_is_decoded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(encoded(picture(2048, 1536), subsampling="4:2:2"), 256, monkeypatch) == [(2048, 1536)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda: encoded(picture(2048, 1536).convert("L")), id="grey"),
        pytest.param(lambda: encoded(picture(2048, 1536).convert("CMYK")), id="CMYK"),
        pytest.param(lambda: encoded(picture(2048, 1536), "PNG"), id="PNG"),
        pytest.param(lambda: pictured(2048, 1536)[:100], id="cut off in its header"),
        pytest.param(lambda: without_height(pictured(2048, 1536)), id="without height"),
    ],
)
def test_what_has_not_three_colours_or_is_in_doubt_is_decoded_by_opencv(
    body: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decoded(body(), 256, monkeypatch)[0] == OPENCV


def lossless(width: int, height: int) -> bytes:
    """All grey: every difference to the pixel before is none, one bit of 0."""
    tables = b"\xff\xc4" + (20).to_bytes(2, "big") + b"\x00" + bytes([1, *[0] * 15]) + b"\x00"
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    frame = b"\xff\xc3" + (17).to_bytes(2, "big") + b"\x08" + sides + b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    scan = b"\xff\xda" + (12).to_bytes(2, "big") + b"\x03\x01\x00\x02\x00\x03\x00\x01\x00\x00"
    return b"\xff\xd8" + tables + frame + scan + bytes(-(-3 * width * height // 8)) + b"\xff\xd9"


def test_a_lossless_jpeg_is_never_decoded_at_a_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    body = lossless(2048, 1536)
    assert jpeg.read_size(body).sampling == (0x11, 0x11, 0x11)
    assert set(decoded(body, 256, monkeypatch)) == {OPENCV}
    theirs, ours = both(body, "keep_ratio_largest", 256)
    assert ours[1:] == theirs[1:] == (256, 192, 2048, 1536, None)
    assert decibels(pixels(theirs), pixels(ours)) > 38.5


def test_a_frame_that_only_the_decoder_would_find_is_not_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    body = pictured(2048, 1536)
    hidden = body[:2] + b"\xff\xfe\x00\x04\xff\xc3" + body[2:]
    assert decoded(body, 256, monkeypatch) != decoded(hidden, 256, monkeypatch) == [OPENCV]


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, cv2.error])
def test_where_the_quick_way_fails_img2datasets_is_left(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error("no more")

    monkeypatch.setattr(planes, "decode", failing)
    monkeypatch.setattr("simplejpeg.decode_jpeg", failing)
    theirs, ours = both(pictured(1600, 1174), "keep_ratio_largest", 1024)
    assert ours == theirs
    assert ours[0] is not None


@pytest.mark.parametrize("inexactly", [True, False])
def test_only_the_quick_way_is_a_level_off(inexactly: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    asked, resize = list[bool](), cv2.resize

    def noted(image: Pixels, size: tuple[int, int] | None, *, fx: float, fy: float, interpolation: int) -> object:
        asked.append(cv2.ipp.useIPP_NotExact())
        return resize(image, size, fx=fx, fy=fy, interpolation=interpolation)

    monkeypatch.setattr("cv2.resize", noted)
    cv2.ipp.setUseIPP_NotExact(inexactly)
    try:
        QuickResizer(1024, "keep_ratio_largest", True)(io.BytesIO(pictured(1600, 1174)))  # noqa: FBT003
        assert set(asked) == {True}
        assert cv2.ipp.useIPP_NotExact() is inexactly
    finally:
        cv2.ipp.setUseIPP_NotExact(False)


@pytest.mark.parametrize("how", ["progressive", "keep_rgb"])
def test_unusual_jpegs_are_shrunk_directly_too(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = encoded(picture(2361, 1771), "JPEG", **{how: True})
    in_planes = how == "progressive" and planes.libturbojpeg() is not None
    assert decoded(body, 1024, monkeypatch) == [PLANES if in_planes else (1181, 886)]
    theirs, ours = both(body, "keep_ratio_largest", 1024)
    assert ours[1:] == theirs[1:]
    assert decibels(pixels(theirs), pixels(ours)) > 38.5


def test_what_only_opencv_makes_something_of_is_shrunk_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    body = pictured(2048, 1536)[:-2] + b"too many bytes\xff\xd9"
    assert decoded(body, 1024, monkeypatch) == [(1024, 768), OPENCV]
    theirs, ours = both(body, "keep_ratio_largest", 1024)
    assert ours[1:] == theirs[1:] == (1024, 768, 2048, 1536, None)
    assert decibels(pixels(theirs), pixels(ours)) > 38.5


def test_a_size_that_the_decoder_does_not_see_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "laion_assets.probes.formats.jpeg.read_size", lambda _: jpeg.Frame(4000, 3000, sampling=(17, 17, 17))
    )
    theirs, ours = both(pictured(2048, 1536), "keep_ratio_largest", 1024)
    assert ours[1:] == theirs[1:] == (1024, 768, 2048, 1536, None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_more_pixels_than_img2dataset_takes_are_refused_as_it_does(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = encoded(picture(64, 48), kind)
    if kind == "JPEG":
        at = body.index(b"\xff\xc0") + 5
        body = body[:at] + (65_500).to_bytes(2, "big") * 2 + body[at + 4 :]
    else:
        chunk = b"IHDR" + (65_500).to_bytes(4, "big") * 2 + body[24:29]
        body = body[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + body[33:]
    theirs, ours = both(body, "keep_ratio_largest", 1024)
    assert ours == theirs
    assert ours[0] is None
    assert set(decoded(body, 1024, monkeypatch)) == {OPENCV}


UNUSUAL: dict[str, Callable[[], bytes]] = {
    "alpha": lambda: encoded(picture(1600, 1200).convert("RGBA"), "PNG"),
    "16 bits": lambda: encoded(picture(1600, 1200).convert("I;16"), "PNG"),
    "small": lambda: pictured(600, 400),
    "cut off": lambda: pictured(1600, 1200)[:2000],
    "no image": lambda: b"no image",
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_everything_else_goes_its_usual_way(name: str) -> None:
    theirs, ours = both(UNUSUAL[name](), "keep_ratio_largest", 1024)
    assert ours == theirs


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


@pytest.mark.parametrize(("cores", "processes", "threads"), [(2, 1, 1), (2, 4, 1), (8, 4, 1), (32, 4, 7), (32, 1, 31)])
def test_cores_that_no_event_loop_needs_resize(
    cores: int, processes: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert process.resizing_threads(processes) == threads


def test_an_engine_resizes_in_as_many_threads_as_it_was_told() -> None:
    engine = engine_for(WebSpec(), resizing_threads=3)
    met = threading.Barrier(3)
    try:
        assert sorted(engine.resizing.map(lambda _: met.wait(10), range(3))) == [0, 1, 2]
    finally:
        stop_engines()


@pytest.mark.parametrize("kind", [ExactResizer, QuickResizer])
def test_one_thread_at_a_time_redirects_the_output_of_the_process(
    kind: type[Resizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = 0, 0

    @contextlib.contextmanager
    def redirected() -> Iterator[None]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.02)
        yield
        inside -= 1

    monkeypatch.setattr("img2dataset.resizer.SuppressStdoutStderr", redirected)
    resizer = kind(64, "no", True)  # noqa: FBT003
    body = encoded(picture(80, 70))
    with ThreadPoolExecutor(3) as pool:
        resized = list(pool.map(lambda _: resizer(io.BytesIO(body)), range(3)))
    assert [one[1:] for one in resized] == [(80, 70, 80, 70, None)] * 3
    assert most == 1
