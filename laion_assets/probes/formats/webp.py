"""WebP: RFC 9649, and RFC 6386 for a lossy frame. What libwebp refuses to decode is not believed."""

import struct

from laion_assets.probes.formats.exif import MAX_SEARCH_BYTES, exif_orientation
from laion_assets.probes.formats.prefix import Doubt, Size, take

_RIFF_HEAD_BYTES = 8
_MAX_PROFILE = 3
_MAX_CANVAS_PX = 2**32


def read_size(data: bytes) -> Size:
    """The canvas of an extended file, else the only frame."""
    riff_bytes, kind, length = struct.unpack("<I4x4sI", take(data, 4, 16))
    # libwebp decodes nothing of a file that is shorter than its container says; but some writers count a pad byte that
    # they do not write.
    whole = _RIFF_HEAD_BYTES + riff_bytes - 1
    if kind == b"VP8X":
        body = take(data, 20, 10)
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
        if length != 10 or width * height >= _MAX_CANVAS_PX:
            raise Doubt("the extended header is malformed")
        return Size(width, height, _orientation(data), whole)
    if kind == b"VP8L":
        body = take(data, 20, 5)
        bits = int.from_bytes(body[1:], "little")
        if body[0] != 0x2F or bits >> 29:
            raise Doubt("the lossless frame has no signature")
        return Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), file_bytes=whole)
    if kind == b"VP8 ":
        body = take(data, 20, 10)
        tag = int.from_bytes(body[:3], "little")
        is_key_frame, profile, is_shown, first_part_bytes = not tag & 1, tag >> 1 & 7, tag >> 4 & 1, tag >> 5
        if not is_key_frame or body[3:6] != b"\x9d\x01\x2a":
            raise Doubt("the first frame is no key frame")
        if profile > _MAX_PROFILE or not is_shown or first_part_bytes >= length:
            raise Doubt("the frame header contradicts itself")
        width, height = struct.unpack_from("<HH", body, 6)
        return Size(width & 0x3FFF, height & 0x3FFF, file_bytes=whole)
    raise Doubt(f"the first chunk is {kind!r}")


def _orientation(data: bytes) -> int | None:
    at, end = 12, min(len(data), MAX_SEARCH_BYTES)
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return exif_orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    return None
