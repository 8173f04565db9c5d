"""Images that tests make smaller, the ways they are decoded, and how near two results are."""

import functools
import io
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageDraw, ImageOps

from laion_assets.probes.formats import jpeg
from laion_assets.shards import planes
from laion_assets.shards.resizing import QuickResizer, Resized
from laion_assets.shards.upstream import Resizer


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


@functools.cache
def pictured(width: int, height: int) -> bytes:
    return encoded(picture(width, height))


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
