"""Images made smaller, quicker than by averaging over areas of all their pixels.

A JPEG that shrinks a lot is decoded at half, a quarter or an eighth of its size: libjpeg then transforms fewer
frequencies, which blurs less than averaging does. OpenCV averages over any area in 6 ns per pixel, more than decoding
takes. Interpolating between pixels takes a third of that, and blurs as much as averaging does when an image shrinks
a little; shrunk further, it is blurred by the rest first, and from a factor of two it is interpolated to twice the
wanted size and then averaged in pairs. Pixels of photographs differ by about what encoding at quality 95 changes, and
are as close to an ideal filter (Lanczos) as averaged ones.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from laion_assets.probes.formats import jpeg
from laion_assets.probes.formats.prefix import Doubt, Short

# Interpolating linearly blurs as a triangle does, by a variance of 1/6 px² at most; averaging over f px by f²/12. Up to
# here the difference costs less than encoding at quality 95.
_AS_SMOOTH_UP_TO = 1.6
_TRIANGLE_VARIANCE = 1 / 6
# Beyond the second factor the shrinking is left to OpenCV: only what was decoded whole has so far to go.
_IN_PAIRS_FROM, _IN_PAIRS_UP_TO = 2.0, 4.0
# What is left to shrink after decoding at a fraction: with less, interpolating would blur more than averaging does.
_LEFT_AT_LEAST = {2: 1.45, 4: 1.6, 8: 1.8}
_FRACTIONS = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
_MAX_PIXELS = 1 << 30  # OpenCV's own limit, which it sets to what is left after reducing
# As nearly all photographs are stored, 4:2:0 and 4:4:4. Of others, colours halved in one direction, and greys, which
# lose nothing to halved colours, come out further from averaged ones.
_REDUCED_WELL = {(0x22, 0x11, 0x11), (0x11, 0x11, 0x11)}

Pixels = Any
"""OpenCV's arrays: height x width, and x 3 with colours."""
Wanted = Callable[[int, int], tuple[int, int] | None]
"""From width and height to those wanted, None where the image is not to be made smaller."""


def shrink(body: bytes, wanted: Wanted) -> tuple[Pixels, int, int] | None:
    """Decode an image and make it smaller.

    Args:
        body: The whole file.
        wanted: How small.

    Returns:
        Pixels, and stored width and height in px before any EXIF rotation; None for what is not to be made smaller,
        does not decode, has an alpha channel or more than 8 bits.
    """
    cv2.setNumThreads(1)
    data = np.frombuffer(body, np.uint8)
    frame = _frame_of(body)
    if frame is not None:
        size = wanted(frame.width, frame.height)
        if size is None:
            return None
        reduced = _decode_reduced(data, frame, _fraction_enough(frame, size))
        if reduced is not None:
            pixels, columns, rows = reduced
            return _average(pixels, *size, columns, rows), frame.width, frame.height
    pixels = _decode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        return None
    height, width = pixels.shape[:2]
    size = wanted(width, height)
    return None if size is None else (_average(pixels, *size, width, height), width, height)


def _frame_of(body: bytes) -> jpeg.Frame | None:
    """What a JPEG's header says without doubt, whether or not it decodes."""
    if not body.startswith(b"\xff\xd8"):
        return None
    try:
        return jpeg.read_size(body)
    except (Short, Doubt):
        return None


def _fraction_enough(frame: jpeg.Frame, size: tuple[int, int]) -> int:
    """The smallest fraction of its size at which an image may be decoded, as its denominator."""
    if frame.sampling in _REDUCED_WELL and frame.width * frame.height <= _MAX_PIXELS:
        for fraction in _FRACTIONS:
            left = frame.width / fraction / size[0], frame.height / fraction / size[1]
            if left == (1, 1) or (min(left) >= _LEFT_AT_LEAST[fraction] and max(left) <= _IN_PAIRS_UP_TO):
                return fraction
    return 1


def _decode_reduced(data: Pixels, frame: jpeg.Frame, fraction: int) -> tuple[Pixels, float, float] | None:
    """Pixels, and how many columns and rows of them hold the image: of a last one, perhaps only a part is there."""
    if fraction == 1:
        return None
    pixels = _decode(data, _FRACTIONS[fraction] | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape[:2] != (-(-frame.height // fraction), -(-frame.width // fraction)):
        return None
    return pixels, frame.width / fraction, frame.height / fraction


def _decode(data: Pixels, how: int) -> Pixels | None:
    try:
        return cv2.imdecode(data, how) if data.size else None
    except cv2.error:  # more pixels than OpenCV takes
        return None


def _average(pixels: Pixels, width: int, height: int, columns: float, rows: float) -> Pixels:
    """Make an image smaller, each new pixel about the mean of the area it covers."""
    factor = max(columns / width, rows / height)
    if factor > _IN_PAIRS_UP_TO:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if factor > _IN_PAIRS_FROM:
        twice = _interpolate(pixels, 2 * width, 2 * height, columns, rows)
        return cv2.resize(twice, (width, height), interpolation=cv2.INTER_AREA)
    if factor > _AS_SMOOTH_UP_TO:
        side = (factor**2 / 12 - _TRIANGLE_VARIANCE) / 2  # three taps of a, 1 - 2a, a have a variance of 2a
        taps = np.array([side, 1 - 2 * side, side], np.float32)
        pixels = cv2.sepFilter2D(pixels, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    return _interpolate(pixels, width, height, columns, rows)


def _interpolate(pixels: Pixels, width: int, height: int, columns: float, rows: float) -> Pixels:
    if (rows, columns) == pixels.shape[:2]:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    across, down = columns / width, rows / height
    back = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, back, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
