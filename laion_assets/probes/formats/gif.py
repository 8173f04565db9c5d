"""GIF: GIF89a, read as Pillow reads it."""

import struct

from laion_assets.probes.formats.prefix import Doubt, Size, take

_MAX_BLOCKS = 20_000
_COMMENT, _APPLICATION = 0xFE, 0xFF
_FRAME_BYTES = 10
_SMALLEST_PICTURE_BYTES = 2
"""Code size, and the end of the data."""


def read_size(data: bytes) -> Size:
    """The logical screen, stretched as Pillow stretches it where the first frame reaches beyond it."""
    width, height, flags = struct.unpack_from("<HHB", take(data, 0, 13), 6)
    at = 13 + ((3 << ((flags & 7) + 1)) if flags & 0x80 else 0)
    blocks_left = _MAX_BLOCKS
    while blocks_left > 0:
        blocks_left -= 1
        block = take(data, at, 1)
        if block == b",":
            left, top, frame_width, frame_height = struct.unpack("<HHHH", take(data, at + 1, 8))
            return Size(
                max(width, left + frame_width),
                max(height, top + frame_height),
                file_bytes=at + _FRAME_BYTES + _SMALLEST_PICTURE_BYTES,
            )
        if block == b"!":
            _check_extension(data, at)
            at += 2
            while (length := take(data, at, 1)[0]) and blocks_left > 0:
                at += 1 + length
                blocks_left -= 1
            at += 1
        elif block == b";":
            raise Doubt("no frame at all")
        else:
            at += 1  # Pillow steps over stray bytes
    raise Doubt(f"more than {_MAX_BLOCKS} blocks before the first frame")


def _check_extension(data: bytes, at: int) -> None:
    """Pillow takes what follows the end of some extensions without data for more of their data."""
    label, length = take(data, at + 1, 2)
    if not length and label != _COMMENT:
        raise Doubt("an extension without data")
    if label == _APPLICATION:
        after = at + 3 + length
        if take(data, at + 3, length).startswith(b"NETSCAPE2.0") and not take(data, after, 1)[0]:
            raise Doubt("an animation's extension without data")
