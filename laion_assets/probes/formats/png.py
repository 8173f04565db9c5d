"""PNG: W3C, third edition."""

import re
import struct
import zlib

from laion_assets.probes.formats.exif import exif_orientation
from laion_assets.probes.formats.prefix import Doubt, Size, take

_HEADER_AT, _HEADER_BYTES = 8, 25
_SMALLEST_REST_BYTES = 12
"""The IDAT chunk that must follow, even if it were empty."""
_CHUNK_NAME = re.compile(rb"\w{4}")
"""What Pillow reads on over; where anything else stands, no decoder finds a picture."""
_MAX_CHUNKS = 4096
_BITS_OF_COLOUR = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}


def read_size(data: bytes) -> Size:
    """The header chunk, which must come first and whole, and be the only one before the picture."""
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
    """Walk the chunks up to the picture; the EXIF orientation, where one of them tells it."""
    at, orientation = _HEADER_AT + _HEADER_BYTES, None
    for _ in range(_MAX_CHUNKS):
        length, name = struct.unpack(">I4s", take(data, at, 8))
        if name in (b"IDAT", b"IEND") or not _CHUNK_NAME.fullmatch(name):
            return orientation
        # Pillow believes the last header before the picture and libpng none, so until it begins nothing is certain.
        if name == b"IHDR" and take(data, at + 8, 8) != header[8:16]:
            raise Doubt("two headers that differ")
        if name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    raise Doubt(f"more than {_MAX_CHUNKS} chunks before the picture")
