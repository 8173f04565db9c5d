"""JPEGs as the planes they are stored in: brightness, and colours at half its width and height (4:2:0).

Nearly all photographs are stored so and will be again. Beside pixels of three full colours, planes have half as many
values to shrink, and none to convert and back.

No wheel gives them: libturbojpeg does, the C library of libjpeg-turbo, where the system has it (Debian: ``libturbojpeg0``,
Ubuntu: ``libturbojpeg``; 2.1 or later). PyTurboJPEG would ask it, but gives what is damaged with a warning in place of
an error, and is kept up for libturbojpeg 3 alone, which neither has.
"""

import ctypes
import functools
from ctypes import POINTER, byref, c_char_p, c_int, c_ulong, c_void_p
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg

from laion_assets.probes.formats import jpeg

SAMPLING = (0x22, 0x11, 0x11)
"""What a frame header says of brightness and colours in such a file."""

_TJSAMP_420, _TJCS_YCBCR, _TJFLAG_STOPONWARNING = 2, 1, 8192  # turbojpeg.h

Plane = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Planes:
    """An image in colours.

    Attributes:
        luma: Brightness (Y'), height x width.
        blue: Cb, half of either, rounded up.
        red: Cr, the same.
    """

    luma: Plane
    blue: Plane
    red: Plane


def decode(body: bytes, frame: jpeg.Frame, fraction: int = 1) -> Planes | None:
    """Decode a JPEG, perhaps at a fraction of its size.

    Args:
        body: The whole file.
        frame: What its header says.
        fraction: 1, 2, 4 or 8, by which width and height are divided, rounded up.

    Returns:
        Its planes; None without libturbojpeg, for other samplings and colours, and for anything damaged.
    """
    library = _libturbojpeg() if frame.sampling == SAMPLING else None
    handle = library.tjInitDecompress() if library is not None else None
    if library is None or handle is None:
        return None
    try:
        return _decode(library, handle, body, (frame.width, frame.height), fraction)
    finally:
        library.tjDestroy(handle)


def _decode(library: Any, handle: int, body: bytes, size: tuple[int, int], fraction: int) -> Planes | None:  # noqa: ANN401
    width, height, sampling, colours = c_int(), c_int(), c_int(), c_int()
    told = library.tjDecompressHeader3(
        handle, body, len(body), byref(width), byref(height), byref(sampling), byref(colours)
    )
    expected = (0, *size, _TJSAMP_420, _TJCS_YCBCR)
    if (told, width.value, height.value, sampling.value, colours.value) != expected:
        return None
    wide, high = (-(-side // fraction) for side in size)
    # As many as libturbojpeg writes: for each value of a colour, two by two of brightness.
    luma = np.empty((high + high % 2, wide + wide % 2), np.uint8)
    blue, red = (np.empty((luma.shape[0] // 2, luma.shape[1] // 2), np.uint8) for _ in range(2))
    planes = [luma, blue, red]
    addresses = (c_void_p * 3)(*(plane.ctypes.data for plane in planes))
    strides = (c_int * 3)(*(plane.strides[0] for plane in planes))
    failed = library.tjDecompressToYUVPlanes(
        handle, body, len(body), addresses, wide, strides, high, _TJFLAG_STOPONWARNING
    )
    return None if failed else Planes(luma[:high, :wide], blue, red)


def encode(planes: Planes, quality: int) -> bytes:
    """Encode a JPEG.

    Args:
        planes: The image.
        quality: libjpeg's, 1 to 100, which OpenCV takes as well.
    """
    # libturbojpeg reads two by two values of brightness for each of a colour, also beyond an odd side.
    high, wide = planes.luma.shape
    even = cv2.copyMakeBorder(planes.luma, 0, high % 2, 0, wide % 2, cv2.BORDER_REPLICATE)
    body: bytes = simplejpeg.encode_jpeg_yuv_planes(even[:high, :wide], planes.blue, planes.red, quality)
    return body


@functools.cache
def _libturbojpeg() -> Any | None:  # noqa: ANN401
    """The system's library, None where there is none that decodes into planes."""
    name = find_library("turbojpeg")
    try:
        library = ctypes.CDLL(name) if name else None
        if library is not None:
            library.tjInitDecompress.restype = c_void_p
            library.tjDestroy.argtypes = [c_void_p]
            numbers: Any = POINTER(c_int)
            whole = [c_void_p, c_char_p, c_ulong]
            library.tjDecompressHeader3.argtypes = [*whole, numbers, numbers, numbers, numbers]
            library.tjDecompressToYUVPlanes.argtypes = [*whole, POINTER(c_void_p), c_int, numbers, c_int, c_int]
    except (OSError, AttributeError):  # of another architecture, or older
        return None
    return library
