"""JPEG files of any size: headers, metadata segments in front of the size, scans of repeated intervals.

Baseline and progressive, colour, grey and CMYK, with EXIF (and a thumbnail in it), ICC profiles and comments before
the frame header, as cameras and shops write them. Each file decodes to its last byte.
"""

import struct
from dataclasses import dataclass

from laion_assets.sandbox import jpeg_scans
from laion_assets.sandbox.jpeg_scans import ScanKind
from laion_assets.sandbox.rope import Rope


@dataclass(frozen=True)
class Mode:
    """How a JPEG is coded: its components as (horizontal, vertical, is chroma), and whether in several scans."""

    name: str
    components: tuple[tuple[int, int, bool], ...]
    progressive: bool = False
    adobe: bool = False


BASELINE_420 = Mode("baseline", ((2, 2, False), (1, 1, True), (1, 1, True)))
PROGRESSIVE_420 = Mode("progressive", ((2, 2, False), (1, 1, True), (1, 1, True)), progressive=True)
BASELINE_444 = Mode("baseline 4:4:4", ((1, 1, False), (1, 1, True), (1, 1, True)))
GREY = Mode("grey", ((1, 1, False),))
CMYK = Mode("cmyk", ((1, 1, False),) * 4, adobe=True)
MODES = (BASELINE_420, PROGRESSIVE_420, BASELINE_444, GREY, CMYK)


@dataclass(frozen=True)
class Extras:
    """What stands in front of the frame header. Sizes in bytes; 0 leaves the segment out."""

    orientation: int = 0
    exif_padding: int = 0
    thumbnail: bool = False
    icc_bytes: int = 0
    comment: str = ""


NO_EXTRAS = Extras()


def compose(
    width: int, height: int, *, mode: Mode = BASELINE_420, level: int = 1, palette: int = 0, extras: Extras = NO_EXTRAS
) -> Rope:
    """A JPEG of ``width`` x ``height`` px (1 to 65,535) at one of the levels of detail."""
    pieces: list[tuple[bytes, int]] = [(_header(width, height, mode, extras), 1)]
    for kind, mcus, script in _scans(width, height, mode, level, palette):
        pieces.append((script, 1))
        pieces.extend(jpeg_scans.template(kind).pieces(mcus))
    pieces.append((b"\xff\xd9", 1))
    return Rope.of(*[piece for piece in pieces if piece[0] and piece[1]])


def bytes_per_megapixel_by_level() -> list[float]:
    """What a baseline 4:2:0 file costs at each level of detail, smallest first."""
    blocks = (False, False, False, False, True, True)
    owners = (0, 0, 0, 0, 1, 2)
    pixels = 8 * jpeg_scans.RESTART_MCUS * 256
    return [
        len(jpeg_scans.template(ScanKind(blocks, owners, 0, 63, level, 0)).cycle) / pixels * 1e6
        for level in range(jpeg_scans.LEVELS)
    ]


def _scans(width: int, height: int, mode: Mode, level: int, palette: int) -> list[tuple[ScanKind, int, bytes]]:
    """(kind, number of MCUs, SOS segment) of each scan."""
    most_h = max(h for h, _, _ in mode.components)
    most_v = max(v for _, v, _ in mode.components)

    def blocks_of(index: int) -> int:
        h, v, _ = mode.components[index]
        return -(-(-(-width * h // most_h)) // 8) * -(-(-(-height * v // most_v)) // 8)

    everything = tuple(range(len(mode.components)))
    if len(everything) == 1:
        interleaved, mcus = ScanKind((False,), (0,), 0, 63, level, palette), blocks_of(0)
    else:
        chroma: list[bool] = []
        owners: list[int] = []
        for index, (h, v, is_chroma) in enumerate(mode.components):
            chroma.extend([is_chroma] * h * v)
            owners.extend([index] * h * v)
        interleaved = ScanKind(tuple(chroma), tuple(owners), 0, 63, level, palette)
        mcus = -(-width // (8 * most_h)) * -(-height // (8 * most_v))
    if not mode.progressive:
        return [(interleaved, mcus, _sos(mode, everything, 0, 63))]
    first = ScanKind(interleaved.blocks, interleaved.components, 0, 0, level, palette)
    scans = [(first, mcus, _sos(mode, everything, 0, 0))]
    for index, low, high in ((0, 1, 5), (1, 1, 63), (2, 1, 63), (0, 6, 63)):
        kind = ScanKind((mode.components[index][2],), (index,), low, high, level, palette)
        scans.append((kind, blocks_of(index), _sos(mode, (index,), low, high)))
    return scans


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _sos(mode: Mode, indices: tuple[int, ...], first: int, last: int) -> bytes:
    tables = b"".join(bytes([index + 1, 0x11 if mode.components[index][2] else 0x00]) for index in indices)
    return _segment(0xDA, bytes([len(indices)]) + tables + bytes([first, last, 0]))


def _header(width: int, height: int, mode: Mode, extras: Extras) -> bytes:
    parts = [b"\xff\xd8"]
    if extras.orientation or extras.exif_padding or extras.thumbnail:
        parts.append(_exif(extras))
    else:
        parts.append(_segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
    if mode.adobe:
        parts.append(_segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x00"))
    parts.append(_icc(extras.icc_bytes))
    if extras.comment:
        parts.append(_segment(0xFE, extras.comment.encode()))
    # One flat quantisation table: the sizes are what matters here, not the picture.
    parts.append(_segment(0xDB, b"\x00" + bytes([14] + [10] * 63)))
    frame = b"".join(bytes([index + 1, h << 4 | v, 0]) for index, (h, v, _) in enumerate(mode.components))
    parts.append(
        _segment(
            0xC2 if mode.progressive else 0xC0, struct.pack(">BHHB", 8, height, width, len(mode.components)) + frame
        )
    )
    for slot, (counts, symbols) in (
        (0x00, jpeg_scans.DC_LUMA),
        (0x10, jpeg_scans.AC_LUMA),
        (0x01, jpeg_scans.DC_CHROMA),
        (0x11, jpeg_scans.AC_CHROMA),
    ):
        parts.append(_segment(0xC4, bytes([slot]) + counts + symbols))
    parts.append(_segment(0xDD, struct.pack(">H", jpeg_scans.RESTART_MCUS)))
    return b"".join(parts)


def _icc(size: int) -> bytes:
    """An ICC profile of ``size`` bytes in as many APP2 segments as it takes."""
    if not size:
        return b""
    profile = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    profile = (profile + bytes(12) + b"acsp" + bytes(84) + bytes(4)).ljust(size, b"\x00")[:size]
    chunks = [profile[start : start + 65_000] for start in range(0, size, 65_000)]
    return b"".join(
        _segment(0xE2, b"ICC_PROFILE\x00" + bytes([number, len(chunks)]) + chunk)
        for number, chunk in enumerate(chunks, start=1)
    )


def _exif(extras: Extras) -> bytes:
    """An APP1 segment with orientation, maker's padding and, where asked for, a 160 x 120 thumbnail."""
    thumbnail = compose(160, 120, level=0).read() if extras.thumbnail else b""
    maker = b"LAION-ASSETS\x00" + bytes(extras.exif_padding)
    maker = maker[: 65_000 - len(thumbnail)]
    # IFD0: three entries at offset 8; IFD1: two entries; then the values that do not fit an entry.
    ifd0_at, ifd1_at = 8, 8 + 2 + 3 * 12 + 4
    values_at = ifd1_at + (2 + 3 * 12 + 4 if thumbnail else 0)
    thumbnail_at = values_at + len(maker)
    ifd0 = struct.pack(">H", 3)
    ifd0 += struct.pack(">HHIHH", 0x0112, 3, 1, extras.orientation or 1, 0)
    ifd0 += struct.pack(">HHIHH", 0x0128, 3, 1, 2, 0)
    ifd0 += struct.pack(">HHII", 0xC4A5, 7, len(maker), values_at)
    ifd0 += struct.pack(">I", ifd1_at if thumbnail else 0)
    ifd1 = b""
    if thumbnail:
        ifd1 = struct.pack(">H", 3)
        ifd1 += struct.pack(">HHIHH", 0x0103, 3, 1, 6, 0)
        ifd1 += struct.pack(">HHII", 0x0201, 4, 1, thumbnail_at)
        ifd1 += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail))
        ifd1 += struct.pack(">I", 0)
    tiff = b"MM\x00\x2a" + struct.pack(">I", ifd0_at) + ifd0 + ifd1 + maker + thumbnail
    return _segment(0xE1, b"Exif\x00\x00" + tiff)
