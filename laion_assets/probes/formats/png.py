"""PNG: W3C, third edition."""

import struct
import zlib

from laion_assets.probes.formats.exif import MAX_SEARCH_BYTES, exif_orientation
from laion_assets.probes.formats.prefix import Doubt, Size, take

_HEADER_AT, _HEADER_BYTES = 8, 25
_SMALLEST_REST_BYTES = 12
"""The IDAT chunk that must follow, even if it were empty."""
_BITS_OF_COLOUR = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}


def read_size(data: bytes) -> Size:
    """The header chunk, which must come first and whole."""
    chunk = take(data, _HEADER_AT, _HEADER_BYTES)
    if chunk[:8] != b"\0\0\0\x0dIHDR":
        raise Doubt("the first chunk is not a header (an iPhone build's PNG begins with CgBI)")
    if zlib.crc32(chunk[4:21]) != int.from_bytes(chunk[21:25], "big"):
        raise Doubt("the header's checksum is wrong")
    width, height, bits, colour, compression, filter_, interlace = struct.unpack_from(">IIBBBBB", chunk, 8)
    if bits not in _BITS_OF_COLOUR.get(colour, ()) or compression or filter_ or interlace > 1:
        raise Doubt("the header speaks of a kind of PNG that does not exist")
    return Size(
        width,
        height,
        _look_further(data, chunk),
        file_bytes=_HEADER_AT + _HEADER_BYTES + _SMALLEST_REST_BYTES,
    )


def _look_further(data: bytes, header: bytes) -> int | None:
    """The EXIF orientation, where it lies before the picture and within what is there."""
    at, end = _HEADER_AT + _HEADER_BYTES, min(len(data), MAX_SEARCH_BYTES)
    while at + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, at)
        if name in (b"IDAT", b"IEND"):
            return None
        if name == b"IHDR" and data[at + 8 : at + 16] != header[8:16]:
            raise Doubt("two headers that differ")  # Pillow believes the last one, libpng none
        if name == b"eXIf":
            return exif_orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    return None
