"""Images made smaller, quicker than by averaging over areas of all their pixels.

libjpeg-turbo decodes a JPEG quicker when it is called directly than by way of OpenCV, and one that shrinks a lot at
half, a quarter or an eighth of its size, which is nearly the same as averaging over so many pixels. OpenCV averages
over any area in 6 ns per pixel, more than decoding takes. Interpolating takes a third of that: linearly between pixels
that were decoded whole, which blurs as much as averaging does when an image shrinks a little, and cubically between
others. Shrunk further, an image is blurred by the rest first, and from a factor of 2.5 it is interpolated to twice the
wanted size and then averaged in pairs. Pixels of photographs differ by about what encoding at quality 95 changes, and
are as close to an ideal filter (Lanczos) as averaged ones. What is stored in planes and will be again can be shrunk in
them (see ``planes``), where what little of a colour is beyond red, green and blue is averaged, not cut off first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg

from laion_assets.probes.formats import jpeg
from laion_assets.probes.formats.prefix import Doubt, Short
from laion_assets.shards import planes
from laion_assets.shards.planes import Planes

# How to interpolate, by what variance that blurs, in px², and up to which factor that is enough: averaging over f px
# blurs by f²/12, interpolating linearly by 1/6 at most, and up to 1.6 the difference costs less than encoding does.
_LINEARLY = cv2.INTER_LINEAR, 1 / 6, 1.6
# Planes take half as long to blur, so they are wherever 1/6 is less than f²/12.
_LUMA = cv2.INTER_LINEAR, 1 / 6, 2**0.5
# Between halved colours libjpeg interpolates, which blurs them by 3/16 px² of theirs.
_CHROMA = cv2.INTER_LINEAR, 1 / 6 - 3 / 16, 0.0
# After decoding at a fraction. Exactly that fraction is wanted at 1.
_CUBICALLY = cv2.INTER_CUBIC, 0.02, 1.0
# Beyond the second factor the shrinking is left to OpenCV: only what was decoded whole has so far to go.
_IN_PAIRS_FROM, _IN_PAIRS_UP_TO = 2.5, 4.0
# What is left to shrink after decoding at a fraction: with less, too much would be lost.
_LEFT_AT_LEAST = {8: 1.6, 4: 1.3, 2: 1.15}
_BEYOND = cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101
_MAX_PIXELS = 1 << 30  # OpenCV's own limit
# As nearly all photographs are stored, 4:2:0 and 4:4:4. Of others, colours halved in one direction, and greys, which
# lose nothing to halved colours, come out further from averaged ones.
_REDUCED_WELL = {planes.SAMPLING, (0x11, 0x11, 0x11)}
_COLOURS = 3

Pixels = Any
"""OpenCV's arrays: height x width, and x 3 with colours."""
Wanted = Callable[[int, int], tuple[int, int] | None]
"""From width and height to those wanted, None where the image is not to be made smaller."""


@dataclass(frozen=True)
class _Decoded:
    """Pixels of an image, perhaps at a fraction of its size.

    Attributes:
        pixels: Of a last column or row, perhaps only a part is there: half of 5 px is 3 columns.
        width: As stored, in px.
        height: As stored, in px.
        fraction: By which width and height were divided.
    """

    pixels: Pixels
    width: int
    height: int
    fraction: int = 1


def shrink(body: bytes, wanted: Wanted, *, in_planes: bool = False) -> tuple[Pixels | Planes, int, int] | None:
    """Decode an image and make it smaller.

    Args:
        body: The whole file.
        wanted: How small.
        in_planes: Whether planes are welcome in place of pixels.

    Returns:
        Pixels or planes, and stored width and height in px before any EXIF rotation; None for what is not to be made
        smaller, does not decode, has an alpha channel or more than 8 bits.
    """
    cv2.setNumThreads(1)
    frame, decoded = _frame_of(body), None
    if frame is not None:
        size = wanted(frame.width, frame.height)
        if size is None:
            return None
        if _for_libjpeg_turbo(body, frame):
            fraction = _fraction_enough(frame, size)
            if in_planes and (stored := _decode_planes(body, frame, fraction, size)) is not None:
                return _average_planes(stored, frame, fraction, size), frame.width, frame.height
            decoded = _decode_jpeg(body, frame, fraction)
    decoded = decoded or _decode(body)
    if decoded is None:
        return None
    size = wanted(decoded.width, decoded.height)
    return None if size is None else (_average(decoded, *size), decoded.width, decoded.height)


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
    if frame.sampling in _REDUCED_WELL:
        for fraction, least in _LEFT_AT_LEAST.items():
            left = frame.width / fraction / size[0], frame.height / fraction / size[1]
            if left == (1, 1) or (min(left) >= least and max(left) <= _IN_PAIRS_UP_TO):
                return fraction
    return 1


def _decode_planes(body: bytes, frame: jpeg.Frame, fraction: int, size: tuple[int, int]) -> Planes | None:
    """Of a JPEG that is stored in planes and shrinks by little; None for others, and where there is any doubt."""
    left = max(frame.width / fraction / size[0], frame.height / fraction / size[1])
    # At a quarter, colours would be too far from averaged ones, and at half those at the edge of an odd side.
    well = fraction == 1 or (fraction == 2 and size[0] % 2 == size[1] % 2 == 0)
    if frame.sampling != planes.SAMPLING or not well or left > _IN_PAIRS_FROM:
        return None
    return planes.decode(body, frame, fraction)


def _decode_jpeg(body: bytes, frame: jpeg.Frame, fraction: int) -> _Decoded | None:
    """A JPEG in colours; None for others, and where there is any doubt."""
    if len(frame.sampling) != _COLOURS:
        return None
    width, height = -(-frame.width // fraction), -(-frame.height // fraction)
    try:
        pixels = simplejpeg.decode_jpeg(body, "BGR", min_width=width, min_height=height)
    except ValueError:  # damaged, if only by a byte too many: OpenCV may make of it what img2dataset would
        return None
    if pixels.shape != (height, width, _COLOURS):
        return None
    return _Decoded(pixels, frame.width, frame.height, fraction)


def _for_libjpeg_turbo(body: bytes, frame: jpeg.Frame) -> bool:
    """Whether it may be given this file: of no more pixels than OpenCV takes, and surely not lossless."""
    return frame.width * frame.height <= _MAX_PIXELS and not _may_be_lossless(body)


def _may_be_lossless(body: bytes) -> bool:
    """Whether the bytes that begin a lossless frame are anywhere in the file.

    simplejpeg's libjpeg-turbo, 3.1.2, decodes such a frame whole where a fraction was asked for, beyond the end of what
    was set aside for it. Looked for by numpy, which takes a fifth of the time that ``in`` takes.
    """
    octets = np.frombuffer(body, np.uint8)
    return bool(((octets[:-1] == 0xFF) & (octets[1:] == 0xC3)).any())


def _decode(body: bytes) -> _Decoded | None:
    """Any image in 8 bits without an alpha channel."""
    try:
        pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED) if body else None
    except cv2.error:  # more pixels than OpenCV takes
        return None
    if pixels is None or pixels.dtype != np.uint8 or (pixels.ndim > 2 and pixels.shape[2] != _COLOURS):
        return None
    return _Decoded(pixels, width=pixels.shape[1], height=pixels.shape[0])


def _average(decoded: _Decoded, width: int, height: int) -> Pixels:
    """Make an image smaller, each new pixel about the mean of the area it covers."""
    across = width * decoded.fraction / decoded.width
    down = height * decoded.fraction / decoded.height
    return _scale(decoded.pixels, across, down, (width, height), _LINEARLY if decoded.fraction == 1 else _CUBICALLY)


def _average_planes(stored: Planes, frame: jpeg.Frame, fraction: int, size: tuple[int, int]) -> Planes:
    """The same in planes."""
    (width, height), (high, wide) = size, stored.luma.shape
    across, down = width * fraction / frame.width, height * fraction / frame.height
    of_luma, of_chroma = (_LUMA, _CHROMA) if fraction == 1 else (_CUBICALLY, _CUBICALLY)

    def shrunk(chroma: Pixels) -> Pixels:
        # Of an odd width or height, the last pixel wanted is half beyond the edge. Of what is stored, that edge runs
        # behind the last pixel, or right through it.
        chroma = cv2.copyMakeBorder(chroma, 0, 0, 0, width % 2, _BEYOND[wide % 2])
        chroma = cv2.copyMakeBorder(chroma, 0, height % 2, 0, 0, _BEYOND[high % 2])
        return _scale(chroma, across, down, (-(-width // 2), -(-height // 2)), of_chroma)

    return Planes(_scale(stored.luma, across, down, size, of_luma), shrunk(stored.cb), shrunk(stored.cr))


def _scale(pixels: Pixels, across: float, down: float, size: tuple[int, int], how: tuple[int, float, float]) -> Pixels:
    """Scale by exactly so much, and cut to a size."""
    width, height = size
    factor = 1 / min(across, down)
    if factor > _IN_PAIRS_UP_TO:
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if factor > _IN_PAIRS_FROM:
        twice = _interpolate(pixels, 2 * across, 2 * down, cv2.INTER_LINEAR)[: 2 * height, : 2 * width]
        return cv2.resize(twice, size, interpolation=cv2.INTER_AREA)
    interpolation, variance, as_smooth_up_to = how
    if factor > as_smooth_up_to:
        side = (factor**2 / 12 - variance) / 2  # three taps of a, 1 - 2a, a have a variance of 2a
        taps = np.array([side, 1 - 2 * side, side], np.float32)
        pixels = cv2.sepFilter2D(pixels, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    return _interpolate(pixels, across, down, interpolation)[:height, :width]


def _interpolate(pixels: Pixels, across: float, down: float, interpolation: int) -> Pixels:
    """Scale by exactly so much; of a last column or row that is only partly there, there may be one too many."""
    with _a_level_off():
        return cv2.resize(pixels, None, fx=across, fy=down, interpolation=interpolation)


@contextmanager
def _a_level_off() -> Iterator[None]:
    """In this thread, OpenCV may interpolate by Intel's library: a third less time, values up to one off."""
    before = cv2.ipp.useIPP_NotExact()
    cv2.ipp.setUseIPP_NotExact(True)
    try:
        yield
    finally:
        cv2.ipp.setUseIPP_NotExact(before)
