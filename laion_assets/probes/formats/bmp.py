"""BMP: the headers Windows and OS/2 wrote, as far as Pillow reads them."""

import struct

from laion_assets.probes.formats.prefix import Doubt, Size, take

_CORE, _INFO = 12, frozenset({40, 52, 56, 64, 108, 124})
_BITS = frozenset({1, 4, 8, 16, 24, 32})
_RAW, _PACKINGS = frozenset({0, 3}), frozenset({0, 1, 2, 3})


def read_size(data: bytes) -> Size:
    """The header right behind the file's, whichever version it is."""
    offset, length = struct.unpack("<II", take(data, 10, 8))
    if length == _CORE:
        width, height, _, bits = struct.unpack("<HHHH", take(data, 18, 8))
        packing = 0
    elif length in _INFO:
        width, height, _, bits, packing = struct.unpack("<iiHHI", take(data, 18, 16))
    else:
        raise Doubt(f"an unknown header of {length} bytes")
    # Rows top down are written as a negative height; Pillow knows them by the last byte alone.
    if height < -(2**24):
        raise Doubt("an impossible height")
    if bits not in _BITS or packing not in _PACKINGS:
        raise Doubt(f"pixels of {bits} bits packed in way {packing}")
    # Pixels are read where the file says they are, be it inside its own header.
    height, picture_ends = abs(height), offset or 14 + length
    if packing in _RAW and width > 0 and height:
        # Nothing reads what fills up the last row.
        picture_ends += (width * bits + 31) // 32 * 4 * (height - 1) + (width * bits + 7) // 8
    return Size(width, height, file_bytes=max(14 + length, picture_ends))
