"""JPEGs as the planes they are stored in: brightness, and colours at half its width and height (4:2:0).

Nearly all photographs are stored so and will be again. Beside pixels of three full colours, planes have half as many
values to shrink, and none to convert and back.

No wheel gives them but PyAV's (103 MB, and FFmpeg decodes as slowly into planes as simplejpeg into pixels).
libturbojpeg does, libjpeg-turbo's library in C, where the system has it (Debian's ``libturbojpeg0``, Ubuntu's
``libturbojpeg``). PyTurboJPEG asks it too, but gives what is damaged, with a warning, and is kept up for libturbojpeg 3
alone, which neither has.
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

_TJSAMP_420, _TJCS_YCBCR = 2, 1  # turbojpeg.h
_TJFLAG_STOPONWARNING = 8192  # damage fails in any case, so at once

Plane = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Planes:
    """An image in colours.

    Attributes:
        luma: Brightness (Y'), height x width.
        cb: Blue, half of either, rounded up.
        cr: Red, the same.
    """

    luma: Plane
    cb: Plane
    cr: Plane


@functools.cache
def libturbojpeg() -> Any | None:  # noqa: ANN401
    """The system's own, None where there is none that decodes into planes."""
    try:
        name = find_library("turbojpeg")
        library = ctypes.CDLL(name) if name else None
        if library is not None:
            library.tjInitDecompress.restype = c_void_p
            library.tjDestroy.argtypes = [c_void_p]
            numbers: Any = POINTER(c_int)
            whole: list[Any] = [c_void_p, c_char_p, c_ulong]
            library.tjDecompressHeader3.argtypes = [*whole, numbers, numbers, numbers, numbers]
            library.tjDecompressToYUVPlanes.argtypes = [*whole, POINTER(c_void_p), c_int, numbers, c_int, c_int]
    except (OSError, AttributeError):  # not to be looked for, of another architecture, or without planes
        return None
    return library


def decode(body: bytes, frame: jpeg.Frame, fraction: int = 1) -> Planes | None:
    """Decode a JPEG, perhaps at a fraction of its size.

    Args:
        body: The whole file.
        frame: What its header says.
        fraction: 1, 2, 4 or 8, by which width and height are divided, rounded up.

    Returns:
        Its planes; None without libturbojpeg, for other samplings and colours, and for anything damaged.
    """
    library = libturbojpeg()
    handle = library.tjInitDecompress() if library is not None else None
    if library is None or handle is None:
        return None
    try:
        return _decode(library, handle, body, frame, fraction)
    finally:
        library.tjDestroy(handle)


def _decode(library: Any, handle: int, body: bytes, frame: jpeg.Frame, fraction: int) -> Planes | None:  # noqa: ANN401
    found = [c_int() for _ in range(4)]
    failed = library.tjDecompressHeader3(handle, body, len(body), *map(byref, found))
    expected = [frame.width, frame.height, _TJSAMP_420, _TJCS_YCBCR]
    if failed or [number.value for number in found] != expected:
        return None
    width, height = -(-frame.width // fraction), -(-frame.height // fraction)
    # libturbojpeg writes two by two pixels of luma for each of chroma, also beyond an odd side.
    luma = np.empty((height + height % 2, width + width % 2), np.uint8)
    cb, cr = (np.empty((luma.shape[0] // 2, luma.shape[1] // 2), np.uint8) for _ in range(2))
    addresses = (c_void_p * 3)(luma.ctypes.data, cb.ctypes.data, cr.ctypes.data)
    bytes_per_row = (c_int * 3)(luma.strides[0], cb.strides[0], cr.strides[0])
    failed = library.tjDecompressToYUVPlanes(
        handle, body, len(body), addresses, width, bytes_per_row, height, _TJFLAG_STOPONWARNING
    )
    return None if failed else Planes(luma[:height, :width], cb, cr)


def encode(planes: Planes, quality: int) -> bytes:
    """Encode a JPEG.

    Args:
        planes: The image.
        quality: libjpeg's, 0 to 100, as OpenCV takes it.
    """
    # libturbojpeg reads two by two pixels of luma for each of chroma, also beyond an odd side.
    high, wide = planes.luma.shape
    even = cv2.copyMakeBorder(planes.luma, 0, high % 2, 0, wide % 2, cv2.BORDER_REPLICATE)
    body: bytes = simplejpeg.encode_jpeg_yuv_planes(even[:high, :wide], planes.cb, planes.cr, quality)
    return body
