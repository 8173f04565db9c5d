"""The marker segments of a JPEG around its scans: metadata in front of the size, tables, frame header.

Cameras and shops write EXIF (with a thumbnail that is a JPEG itself), ICC profiles and comments before the frame
header that holds the size; so does this. Entropy-coded data is in ``jpeg_scans``.
"""

import struct
from dataclasses import dataclass

from laion_assets.sandbox import jpeg_scans

MOST_EXIF_BYTES = 65_000
"""A segment cannot be longer than 65,533 bytes."""


@dataclass(frozen=True)
class Extras:
    """What stands in front of the frame header. Sizes in bytes; 0 leaves the segment out."""

    orientation: int = 0
    exif_padding: int = 0
    thumbnail: bool = False
    icc_bytes: int = 0
    comment: str = ""


def segment(marker: int, payload: bytes) -> bytes:
    """A marker with its length and content."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def metadata(extras: Extras, thumbnail: bytes) -> bytes:
    """JFIF or EXIF, ICC profile and comment."""
    if extras.orientation or extras.exif_padding or thumbnail:
        first = _exif(extras, thumbnail)
    else:
        first = segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    comment = segment(0xFE, extras.comment.encode()) if extras.comment else b""
    return first + _icc(extras.icc_bytes) + comment


def quantisation(palette: int) -> bytes:
    """Tables 0 (luma), 1 and 2 (the two chroma). The palette scales chroma, so that pictures differ in colour."""
    chroma = ((12, 12), (4, 14), (14, 4), (2, 2))[palette % 4]
    scales = (14, *chroma)
    return b"".join(segment(0xDB, bytes([slot, scale] + [10] * 63)) for slot, scale in enumerate(scales))


def huffman() -> bytes:
    """The four tables of ITU-T T.81 Annex K."""
    tables = (
        (0x00, jpeg_scans.DC_LUMA),
        (0x10, jpeg_scans.AC_LUMA),
        (0x01, jpeg_scans.DC_CHROMA),
        (0x11, jpeg_scans.AC_CHROMA),
    )
    return b"".join(segment(0xC4, bytes([slot]) + counts + symbols) for slot, (counts, symbols) in tables)


def _icc(size: int) -> bytes:
    """An ICC profile of ``size`` bytes in as many APP2 segments as it takes."""
    if not size:
        return b""
    profile = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    profile = (profile + bytes(12) + b"acsp" + bytes(84) + bytes(4)).ljust(size, b"\x00")[:size]
    chunks = [profile[start : start + MOST_EXIF_BYTES] for start in range(0, size, MOST_EXIF_BYTES)]
    return b"".join(
        segment(0xE2, b"ICC_PROFILE\x00" + bytes([number, len(chunks)]) + chunk)
        for number, chunk in enumerate(chunks, start=1)
    )


def _exif(extras: Extras, thumbnail: bytes) -> bytes:
    """An APP1 segment with orientation, maker's padding and, where there is one, the thumbnail."""
    maker = b"LAION-ASSETS\x00" + bytes(extras.exif_padding)
    maker = maker[: MOST_EXIF_BYTES - len(thumbnail)]
    # Three entries of 12 bytes in each directory; then the values that do not fit into an entry.
    first_at, directory_bytes = 8, 2 + 3 * 12 + 4
    second_at = first_at + directory_bytes
    maker_at = second_at + (directory_bytes if thumbnail else 0)
    first = struct.pack(">H", 3)
    first += struct.pack(">HHIHH", 0x0112, 3, 1, extras.orientation or 1, 0)
    first += struct.pack(">HHIHH", 0x0128, 3, 1, 2, 0)
    first += struct.pack(">HHII", 0xC4A5, 7, len(maker), maker_at)
    first += struct.pack(">I", second_at if thumbnail else 0)
    second = b""
    if thumbnail:
        second = struct.pack(">H", 3)
        second += struct.pack(">HHIHH", 0x0103, 3, 1, 6, 0)
        second += struct.pack(">HHII", 0x0201, 4, 1, maker_at + len(maker))
        second += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail))
        second += struct.pack(">I", 0)
    tiff = b"MM\x00\x2a" + struct.pack(">I", first_at) + first + second + maker + thumbnail
    return segment(0xE1, b"Exif\x00\x00" + tiff)
