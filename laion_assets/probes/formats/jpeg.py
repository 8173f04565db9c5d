"""JPEG: ITU-T T.81, annex B."""

import re
import struct
from dataclasses import dataclass

from laion_assets.probes.formats.exif import exif_orientation
from laion_assets.probes.formats.prefix import Doubt, Short, Size, take

_APP1, _SCAN = 0xE1, 0xDA
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA})
"""Frames libjpeg-turbo decodes: baseline, extended, progressive, lossless; Huffman and arithmetic."""
_LOSSLESS = 0xC3
_OTHER_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE, 0xDF})
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""Without stuffed and fill bytes and the markers that stand alone (TEM, RST), which say nothing before a frame."""
_SMALLEST_FRAME_BYTES = 10
"""Marker to size: less cannot settle anything, so it is not worth asking for."""
_SMALLEST_SCAN_BYTES = 8
"""A scan header of one component."""
_MAX_SEGMENTS = 4096


@dataclass(frozen=True)
class Frame(Size):
    """What the first frame header says.

    Attributes:
        sampling: Per component, its horizontal and its vertical sampling factor as the two halves of a byte, as far as
            the bytes read so far say so.
    """

    sampling: tuple[int, ...] = ()


def read_size(data: bytes) -> Frame:
    """Walk the segments up to the first frame header; what an APP segment holds (a thumbnail, say) is skipped whole."""
    at, orientation = 2, None
    for _ in range(_MAX_SEGMENTS):
        # Between segments libjpeg and Pillow skip whatever is not a marker, and so do we.
        found = _MARKER.search(data, at)
        if found is None:
            raise Short(max(at, len(data)) + _SMALLEST_FRAME_BYTES)
        at = found.start()
        marker = data[at + 1]
        if marker in _FRAMES:
            return _frame(data, at, marker, orientation)
        if marker not in _SEGMENTS:
            what = "an unusual frame" if marker in _OTHER_FRAMES else f"marker FF{marker:02X}"
            raise Doubt(f"{what} where the frame header should be")
        if at + 4 > len(data):
            raise Short(at + 4)
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2:
            raise Doubt("a segment shorter than its own length")
        if marker == _APP1 and orientation is None and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
    raise Doubt(f"more than {_MAX_SEGMENTS} segments before the frame header")


def _frame(data: bytes, at: int, marker: int, orientation: int | None) -> Frame:
    length, precision, height, width, components = struct.unpack(">HBHHB", take(data, at + 2, 8))
    if length != 8 + 3 * components or not 1 <= components <= 4:
        raise Doubt("the frame header contradicts itself")
    if not (2 <= precision <= 16 if marker == _LOSSLESS else precision in (8, 12)):
        raise Doubt(f"{precision} bits per sample, which no such frame has")
    if height == 0:
        raise Doubt("the height is only told after the first scan (DNL)")
    # A frame is followed by one scan at least.
    smallest_bytes = at + 2 + length + _SMALLEST_SCAN_BYTES
    sampling = tuple(data[at + 11 : at + 2 + length : 3])
    return Frame(width, height, orientation, file_bytes=smallest_bytes, sampling=sampling)
