"""The orientation in an EXIF block. It is told beside a size and never changes it."""

import struct

ORIENTATION_TAG = 0x0112
_NUMBERS = {3: "H", 4: "I", 9: "i"}
"""Types it is written in: SHORT, as the standard has it, and LONG and SLONG, as some writers do."""
MAX_SEARCH_BYTES = 65_536
"""How far formats whose size lies at the beginning look for an EXIF block behind it."""


def exif_orientation(tiff: bytes) -> int | None:
    """The orientation in the first directory of an EXIF block, where it is there and says 1 to 8."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return None
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for at in range(directory + 2, min(directory + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, type_, count = struct.unpack_from(order + "HHI", tiff, at)
        if tag == ORIENTATION_TAG:
            if type_ not in _NUMBERS or count != 1:
                return None
            (value,) = struct.unpack_from(order + _NUMBERS[type_], tiff, at + 8)
            return int(value) if 1 <= value <= 8 else None
    return None
