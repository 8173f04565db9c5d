"""Whether an image file is complete, to its last byte, judged by its structure and without decoding a pixel.

Each format says itself where it ends: a marker, a final chunk, a length. Bytes after that end do no harm and are common
on the web. What lies between may still be damaged in a way only a decoder sees; the audit decodes a share for that.
Sizes are read in ``probes.header``.
"""

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# A marker in JPEG's entropy-coded data: FF, not followed by 00 (a stuffed FF), D0-D7 (restarts) or more FF (fill).
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JPEG_END = b"\xff\xd9"
_PNG_SIGNATURE_BYTES = 8


@dataclass(frozen=True)
class Whole:
    """The file has its end. ``spare_bytes`` follow it."""

    spare_bytes: int = 0


@dataclass(frozen=True)
class CutOff:
    """The file stops before its own end."""

    finding: str


@dataclass(frozen=True)
class Broken:
    """The file contradicts itself before its end."""

    finding: str


Structure = Whole | CutOff | Broken


def check_structure(body: bytes, image_format: str) -> Structure | None:
    """Follow the structure of a whole file to its end.

    Args:
        body: the file.
        image_format: as ``read_header`` names it: jpeg, png, gif, webp, avif, heif, bmp, tiff, jp2.

    Returns:
        What was found; None for a format whose structure is not known here.

    Example:
        >>> check_structure(b"RIFF" + (4).to_bytes(4, "little") + b"WEBP", "webp")
        Whole(spare_bytes=0)
    """
    check = _CHECKS.get(image_format)
    if check is None:
        return None
    try:
        return check(body)
    except (IndexError, struct.error):
        return CutOff("the file ends inside a structure")


def _jpeg(body: bytes) -> Structure:
    """ITU-T T.81, annex B: segments with a length, entropy-coded data after each SOS, EOI."""
    at, end = 2, len(body)
    while at < end:
        if body[at] != 0xFF:
            return Broken(f"no marker at byte {at}")
        while at < end and body[at] == 0xFF:  # fill bytes
            at += 1
        marker = body[at]
        at += 1
        if marker == 0xD9:
            return Whole(end - at)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        length = int.from_bytes(body[at : at + 2], "big")
        if length < 2:
            return CutOff("no end marker") if at + 2 > end else Broken(f"a segment of {length} bytes at byte {at}")
        at += length
        if marker == 0xDA:
            if at < end and body.endswith(_JPEG_END):  # nearly all do, and nothing before it would say otherwise
                return Whole()
            found = _JPEG_MARKER.search(body, at)
            if found is None:
                return CutOff("no end marker")
            at = found.start()
    return CutOff("no end marker")


def _png(body: bytes) -> Structure:
    """PNG (ISO 15948): chunks with a length and a CRC, IDAT among them, up to IEND."""
    at, has_data = _PNG_SIGNATURE_BYTES, False
    view = memoryview(body)
    while True:
        if at + 12 > len(body):
            return CutOff("no IEND chunk")
        length, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        if at + 12 + length > len(body):
            return CutOff("a chunk ends beyond the file")
        if zlib.crc32(view[at + 4 : at + 8 + length]) != int.from_bytes(
            view[at + 8 + length : at + 12 + length], "big"
        ):
            return Broken(f"wrong checksum of chunk {kind.decode('ascii', 'replace')!r}")
        has_data = has_data or kind == b"IDAT"
        at += 12 + length
        if kind == b"IEND":
            return Whole(len(body) - at) if has_data else Broken("no image data")


def _gif(body: bytes) -> Structure:
    """GIF89a: colour tables, then blocks made of length-prefixed pieces, up to the trailer."""
    at = 13 + (3 << ((body[10] & 7) + 1) if body[10] & 0x80 else 0)
    has_data = False
    while True:
        kind = body[at]
        if kind == 0x3B:
            return Whole(len(body) - at - 1) if has_data else Broken("no image data")
        if kind == 0x21:
            at += 2
        elif kind == 0x2C:
            flags = body[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
            has_data = True
        else:
            return Broken(f"no block begins at byte {at}")
        while (piece := body[at]) != 0:
            at += piece + 1
        at += 1


def _webp(body: bytes) -> Structure:
    """RIFF (RFC 9649): the container says how long it is, and so does each chunk, which has an even number of bytes.

    The byte that makes it even is no data, but Pillow opens no file in which the last one is missing.
    """
    end = 8 + int.from_bytes(body[4:8], "little")
    if end > len(body):
        return CutOff("shorter than its RIFF header says")
    at = 12
    while at + 8 <= end:
        length = int.from_bytes(body[at + 4 : at + 8], "little")
        at += 8 + length + (length & 1)
        if at > end:
            return Broken("a chunk ends beyond its container")
    return Whole(len(body) - end)


def _boxes(body: bytes) -> Structure:
    """ISO 14496-12 and JPEG 2000 part 1: boxes with a length, which follow each other to the end of the file."""
    at = 0
    kinds: list[bytes] = []
    while at + 8 <= len(body):
        length, kind = int.from_bytes(body[at : at + 4], "big"), body[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(body[at + 8 : at + 16], "big")
        elif length == 0:
            length = len(body) - at
        if length < 8 or not kind.isascii():
            return Whole(len(body) - at) if _has_picture(kinds) else Broken(f"no box begins at byte {at}")
        if at + length > len(body):
            return CutOff("a box ends beyond the file")
        kinds.append(kind)
        at += length
    return Whole(len(body) - at) if _has_picture(kinds) else CutOff("no picture data")


def _has_picture(kinds: list[bytes]) -> bool:
    # AVIF may keep small pictures inside meta (idat) and needs no mdat then.
    return bool({b"mdat", b"jp2c", b"meta"} & set(kinds))


def _jp2(body: bytes) -> Structure:
    if body[:4] == b"\xff\x4f\xff\x51":  # a bare codestream
        end = body.rfind(b"\xff\xd9")
        return Whole(len(body) - end - 2) if end > 0 else CutOff("no end of codestream")
    return _boxes(body)


def _bmp(body: bytes) -> Structure:
    """The header says where the pixels begin and how many bytes they take, unless they are packed."""
    start, width, height = struct.unpack_from("<I4xii", body, 10)
    planes_bits, packing, said = body[28], *struct.unpack_from("<II", body, 30)
    needed = said if packing in (1, 2, 4, 5) else (width * planes_bits + 31) // 32 * 4 * abs(height)
    return (
        Whole(len(body) - start - needed)
        if start + needed <= len(body)
        else CutOff("fewer pixels than its header says")
    )


def _tiff(body: bytes) -> Structure:
    """TIFF 6.0: the strips or tiles of the first directory must lie inside the file."""
    order = "<" if body[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", body, 2)[0] != 42:
        return Whole()  # BigTIFF: not followed
    directory = struct.unpack_from(order + "I", body, 4)[0]
    count = struct.unpack_from(order + "H", body, directory)[0]
    fields = {}
    for index in range(count):
        tag, kind, number, value = struct.unpack_from(order + "HHI4s", body, directory + 2 + 12 * index)
        if tag in (273, 279, 324, 325) and kind in (3, 4):
            code = "H" if kind == 3 else "I"
            size = struct.calcsize(code) * number
            where = struct.unpack(order + "I", value)[0] if size > 4 else directory + 2 + 12 * index + 8
            fields[tag] = struct.unpack_from(f"{order}{number}{code}", body, where)
    offsets, lengths = fields.get(273) or fields.get(324), fields.get(279) or fields.get(325)
    if not offsets or not lengths or len(offsets) != len(lengths):
        return Broken("no strips and no tiles")
    end = max(offset + length for offset, length in zip(offsets, lengths, strict=True))
    return Whole() if end <= len(body) else CutOff("a strip ends beyond the file")


_CHECKS: Mapping[str, Callable[[bytes], Structure]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "avif": _boxes,
    "heif": _boxes,
    "jp2": _jp2,
    "bmp": _bmp,
    "tiff": _tiff,
}
