"""What the system's libturbojpeg gives of JPEGs, and what is encoded of it."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from laion_assets.probes.formats import jpeg
from laion_assets.probes.formats.prefix import Doubt, Short
from laion_assets.shards import planes
from laion_assets.shards.planes import Plane, Planes
from laion_assets_tests.shards.needs import with_libturbojpeg

SIZES = [(64, 48), (65, 48), (64, 49), (65, 49), (1, 1), (1, 7), (7, 1), (2, 3), (641, 363)]


def smooth(width: int, height: int) -> Image.Image:
    """Colours that change slowly, so that halving them loses little."""
    across, down = np.meshgrid(np.arange(width) / 300, np.arange(height) / 300)
    waves = np.stack([np.sin(across + down), np.cos(across), np.sin(down)], axis=-1)
    return Image.fromarray((waves * 90 + 128).astype(np.uint8))


def as_jpeg(image: Image.Image, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 95, "subsampling": "4:2:0"} | how)
    return out.getvalue()


def planes_of(body: bytes, fraction: int = 1) -> Planes:
    stored = planes.decode(body, jpeg.read_size(body), fraction)
    assert stored is not None
    return stored


@with_libturbojpeg
@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_planes_are_those_of_the_file(width: int, height: int, how: dict[str, object]) -> None:
    body = as_jpeg(smooth(width, height), **how)
    stored = planes_of(body)
    halves = (-(-height // 2), -(-width // 2))
    assert [plane.shape for plane in (stored.luma, stored.cb, stored.cr)] == [(height, width), halves, halves]
    drafted = Image.open(io.BytesIO(body))
    drafted.draft("YCbCr", drafted.size)
    luma, cb, cr = (np.asarray(channel, np.int16) for channel in drafted.split())
    assert np.abs(stored.luma - luma).max() <= 1
    for ours, interpolated in [(stored.cb, cb), (stored.cr, cr)]:
        each = np.repeat(np.repeat(ours, 2, axis=0), 2, axis=1)[:height, :width]
        assert np.abs(each - interpolated).max() <= 4


@with_libturbojpeg
@pytest.mark.parametrize("fraction", [2, 4, 8])
@pytest.mark.parametrize(("width", "height"), [*SIZES, (1280, 725), (1283, 723)])
def test_at_a_fraction_they_are_averages(width: int, height: int, fraction: int) -> None:
    body = as_jpeg(smooth(width, height))
    whole, stored = planes_of(body), planes_of(body, fraction)
    wide, high = -(-width // fraction), -(-height // fraction)
    halves = (-(-high // 2), -(-wide // 2))
    assert [plane.shape for plane in (stored.luma, stored.cb, stored.cr)] == [(high, wide), halves, halves]
    for small, plane in [(stored.luma, whole.luma), (stored.cb, whole.cb), (stored.cr, whole.cr)]:
        inner = [side // fraction for side in plane.shape]
        squares = plane[: inner[0] * fraction, : inner[1] * fraction]
        averages = squares.reshape(inner[0], fraction, inner[1], fraction).mean(axis=(1, 3))
        assert np.abs(small[: inner[0], : inner[1]] - averages).max(initial=0) < 3


@with_libturbojpeg
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_encoded_again_they_are_the_same_image(width: int, height: int) -> None:
    body = as_jpeg(smooth(width, height))
    again = planes.encode(planes_of(body), 95)
    one, other = (np.asarray(Image.open(io.BytesIO(each)), np.int16) for each in (body, again))
    assert one.shape == other.shape == (height, width, 3)
    assert np.abs(one - other).max() <= 6
    assert Image.open(io.BytesIO(body)).quantization == Image.open(io.BytesIO(again)).quantization  # type: ignore[attr-defined]


@pytest.mark.parametrize("quality", [0, 1, 50, 95, 100])
def test_quality_is_opencvs(quality: int) -> None:
    grey = np.full((16, 16), 128, np.uint8)
    ours = planes.encode(Planes(grey, grey[::2, ::2].copy(), grey[::2, ::2].copy()), quality)
    theirs = cv2.imencode(".jpg", np.dstack([grey] * 3), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    one, other = (Image.open(io.BytesIO(each)) for each in (ours, theirs))
    assert one.quantization == other.quantization  # type: ignore[attr-defined]
    assert jpeg.read_size(ours).sampling == jpeg.read_size(theirs).sampling == planes.SAMPLING


def inside(plane: Plane, beyond: int) -> Plane:
    """The same plane with other values after each row and after the last one."""
    height, width = plane.shape
    wider = np.full((height + 2, width + 2), beyond, np.uint8)
    wider[:height, :width] = plane
    return wider[:height, :width]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_beyond_a_plane_is_encoded(width: int, height: int) -> None:
    luma, chroma = np.full((height, width), 90, np.uint8), np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    bodies = {planes.encode(Planes(inside(luma, beyond), chroma, chroma), 95) for beyond in (0, 255)}
    assert len(bodies) == 1
    assert set(np.unique(np.asarray(Image.open(io.BytesIO(bodies.pop()))))) == {90}


def with_adobes_rgb(body: bytes) -> bytes:
    """Its values declared to be red, green and blue."""
    return body[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00" + body[20:]


@with_libturbojpeg
def test_red_green_and_blue_are_no_planes() -> None:
    body = with_adobes_rgb(as_jpeg(smooth(64, 48)))
    assert simplejpeg.decode_jpeg_header(body)[2:] == ("RGB", "420")
    assert planes.decode(body, jpeg.read_size(body)) is None


@with_libturbojpeg
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2"])
def test_other_samplings_are_none(subsampling: str) -> None:
    body = as_jpeg(smooth(64, 48), subsampling=subsampling)
    assert planes.decode(body, jpeg.read_size(body)) is None


@with_libturbojpeg
def test_a_header_that_the_library_reads_otherwise_is_not_believed() -> None:
    body = as_jpeg(smooth(64, 48))
    assert planes.decode(body, jpeg.Frame(64, 50, sampling=planes.SAMPLING)) is None
    assert planes.decode(body, jpeg.Frame(62, 48, sampling=planes.SAMPLING)) is None


def damages(body: bytes) -> Iterator[bytes]:
    """Cut off, with bytes changed, left out or put in, in all parts of the file."""
    chance = np.random.default_rng(7)
    for _ in range(400):
        at, many, what = (int(chance.integers(*bounds)) for bounds in ((2, len(body)), (1, 9), (0, 4)))
        junk, after = chance.bytes(many), body[at + many :]
        yield body[:at] + [b"", junk + after, junk + body[at:], after][what]


@with_libturbojpeg
@pytest.mark.parametrize("progressive", [False, True])
def test_what_is_damaged_is_none_wherever_a_strict_decoder_refuses_it(progressive: bool) -> None:  # noqa: FBT001
    body = as_jpeg(smooth(97, 61), progressive=progressive)
    given = 0
    for damaged in damages(body):
        try:
            frame = jpeg.read_size(damaged)
        except (Short, Doubt):
            continue
        if frame.width * frame.height > 1 << 22:
            continue
        stored = planes.decode(damaged, frame)
        try:
            simplejpeg.decode_jpeg(damaged, "BGR")
        except ValueError:
            assert stored is None
        else:
            given += stored is not None
    assert given > 20  # a byte of a value changed is another value


class Counted:
    """The library, with its open handles."""

    def __init__(self) -> None:
        self.real: Any = planes.libturbojpeg()
        self.opened: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def tjInitDecompress(self) -> int:  # noqa: N802 (the library's own name)
        self.opened.append(handle := self.real.tjInitDecompress())
        return int(handle)

    def tjDestroy(self, handle: int) -> None:  # noqa: N802
        self.opened.remove(handle)
        self.real.tjDestroy(handle)


@with_libturbojpeg
@pytest.mark.parametrize("end", [None, 300, -40])
def test_no_handle_is_left_open(end: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    monkeypatch.setattr(planes, "libturbojpeg", lambda: counted)
    body = as_jpeg(smooth(64, 48))
    stored = planes.decode(body[:end], jpeg.read_size(body))
    assert (stored is None) == (end is not None)
    assert counted.opened == []


def found(name: str | None) -> Callable[[str], str | None]:
    return lambda _: name


def not_looked_for(_: str) -> str:
    raise FileNotFoundError("No usable temporary directory found")


@pytest.mark.parametrize("find", [found(None), found("libc.so.6"), found("libnothing.so.0"), not_looked_for])
def test_without_such_a_library_nothing_is_decoded(
    find: Callable[[str], str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "find_library", find)
    monkeypatch.setattr(planes, "libturbojpeg", planes.libturbojpeg.__wrapped__)
    body = as_jpeg(smooth(64, 48))
    assert planes.libturbojpeg() is None
    assert planes.decode(body, jpeg.read_size(body)) is None
