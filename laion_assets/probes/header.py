"""The stored size of an image from the first bytes of its file, or the honest answer that it is not known.

Pure: bytes in, one of four answers out. Formats, where their size lies, and what makes a header too doubtful to believe
belong here; how many bytes to ask for and how to ask live in ``probe``.

The promise is *never a wrong size*: an answer equals what Pillow, and the libraries below it, decode, or there is none.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SIDE_PX = 2**31 - 1


@dataclass(frozen=True)
class Header:
    """The size is certain.

    Attributes:
        width: Stored width in px, before any EXIF rotation.
        height: Stored height in px, before any EXIF rotation.
        format: Lower case: jpeg, png, gif, webp, avif, heif, bmp, tiff, jp2.
        exif_orientation: 1 to 8 where the bytes read so far say so, else None.
    """

    width: int
    height: int
    format: str
    exif_orientation: int | None = None


@dataclass(frozen=True)
class NeedMore:
    """The size lies further on: nothing can be said before ``at_least_bytes`` bytes of the file are there."""

    at_least_bytes: int
    format: str | None = None


@dataclass(frozen=True)
class NotAnImage:
    """Not an image we know; ``finding`` says what it looks like, such as empty, html, svg or pdf."""

    finding: str


@dataclass(frozen=True)
class Unknown:
    """An image, but its size is not certain, and more bytes would not help.

    ``truncated`` is set where the whole file is there and it ends before its own size.
    """

    format: str
    reason: str
    truncated: bool = False


Answer = Header | NeedMore | NotAnImage | Unknown


class _Short(Exception):  # noqa: N818 - not an error: the parser ran off the end of the prefix
    def __init__(self, at_least_bytes: int) -> None:
        self.at_least_bytes = at_least_bytes


class _Doubt(Exception):  # noqa: N818 - not an error: the header is not one to believe
    pass


@dataclass(frozen=True)
class _Size:
    width: int
    height: int
    exif_orientation: int | None = None


def read_header(prefix: bytes, *, complete: bool) -> Answer:
    """Read the stored size of an image from the first bytes of its file.

    Args:
        prefix: The file's bytes from its beginning, however many there are.
        complete: Whether that is the whole file. ``NeedMore`` is then never given.

    Returns:
        ``Header`` where the size is certain, ``NeedMore`` where it lies further on, ``NotAnImage`` for everything that
        is none of the formats we know, ``Unknown`` for an image whose size is doubtful.

    Example:
        >>> read_header(b"GIF89a", complete=False)
        NeedMore(at_least_bytes=10, format='gif')
    """
    format_ = _format_of(prefix)
    if format_ is None:
        # 32 bytes tell every format apart, so fewer of an unfinished file prove nothing.
        if len(prefix) < _MAGIC_BYTES and not complete:
            return NeedMore(_MAGIC_BYTES)
        return NotAnImage(_what_else(prefix))
    parse = _PARSERS.get(format_)
    if parse is None:
        return Unknown(format_, f"sizes of {format_} files are not read")
    try:
        size = parse(prefix)
    except _Short as short:
        if complete:
            return Unknown(format_, "the file ends before its size", truncated=True)
        return NeedMore(max(short.at_least_bytes, len(prefix) + 1), format_)
    except _Doubt as doubt:
        return Unknown(format_, str(doubt))
    if not (0 < size.width <= MAX_SIDE_PX and 0 < size.height <= MAX_SIDE_PX):
        return Unknown(format_, f"a size of {size.width} x {size.height} cannot be")
    return Header(size.width, size.height, format_, size.exif_orientation)


# --- which format -----------------------------------------------------------------------------------------------------

_MAGIC_BYTES = 32
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_GENERIC_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    # Images too, which say nothing certain about their size in a fixed place, or which training code does not decode.
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\1\0", "ico"),
    (b"\0\0\2\0", "cur"),
    (b"8BPS", "psd"),
    (b"qoif", "qoi"),
    (b"DDS ", "dds"),
    (b"icns", "icns"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"IIU\0", "raw"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"\x8bJNG\r\n\x1a\n", "jng"),
    (b"\x8aMNG\r\n\x1a\n", "mng"),
    (b"FORM", "iff"),
    (b"gimp xcf ", "xcf"),
    (b"BPG\xfb", "bpg"),
    (b"v/1\x01", "exr"),
)
_PNM = re.compile(rb"P[1-7][ \t\r\n#]")

_OTHER: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"%!PS", "postscript"),
)
_MARKUP = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|title|meta|div)\b", re.IGNORECASE)


def _format_of(prefix: bytes) -> str | None:
    for magic, format_ in _MAGIC:
        if prefix.startswith(magic):
            return format_
    if prefix[:4] == b"RIFF" and prefix[8:12] == b"WEBP":
        return "webp"
    if prefix[4:8] == b"ftyp":
        return _format_of_brand(prefix)
    if _PNM.match(prefix):
        return "pnm"
    return None


def _format_of_brand(prefix: bytes) -> str | None:
    major = prefix[8:12]
    if major in _AVIF_BRANDS or (major in _GENERIC_BRANDS and _brands(prefix) & _AVIF_BRANDS):
        return "avif"
    if major in _HEIF_BRANDS or major in _GENERIC_BRANDS:
        return "heif"
    return None


def _brands(data: bytes) -> set[bytes]:
    end = min(int.from_bytes(data[:4], "big"), len(data), 512)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def _what_else(prefix: bytes) -> str:
    if not prefix:
        return "empty"
    for magic, what in _OTHER:
        if prefix.startswith(magic):
            return what
    if prefix[4:8] == b"ftyp":
        return "video"
    head = prefix[:1024]
    if b"<svg" in head:
        return "svg"
    if _MARKUP.search(head):
        return "html"
    if head.lstrip()[:5] == b"<?xml":
        return "xml"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] in (b"{", b"["):
        return "json"
    if not head.strip(b"\0"):
        return "zeros"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown bytes"
    return "text"


# --- reading ----------------------------------------------------------------------------------------------------------


def _take(data: bytes, start: int, count: int) -> bytes:
    """Exactly ``count`` bytes from ``start``, or the word that the prefix is too short for them."""
    end = start + count
    if end > len(data):
        raise _Short(end)
    return data[start:end]


def _u16be(data: bytes, at: int) -> int:
    return int.from_bytes(_take(data, at, 2), "big")


def _u32be(data: bytes, at: int) -> int:
    return int.from_bytes(_take(data, at, 4), "big")


_EXIF_ORIENTATION_TAG = 0x0112
_MAX_EXIF_SEARCH_BYTES = 65_536


def _exif_orientation(tiff: bytes) -> int | None:
    """The orientation in the first directory of an EXIF block, where it is there and says 1 to 8."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return None
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for at in range(directory + 2, min(directory + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, type_, count, value = struct.unpack_from(order + "HHIH", tiff, at)
        if tag == _EXIF_ORIENTATION_TAG:
            return value if type_ == _SHORT and count == 1 and 1 <= value <= 8 else None
    return None


# --- JPEG: ITU-T T.81, annex B ----------------------------------------------------------------------------------------

_APP1 = 0xE1
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA})
"""Frames libjpeg-turbo decodes: baseline, extended, progressive, lossless; Huffman and arithmetic."""
_OTHER_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xC8, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE, 0xDF})
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""Without stuffed and fill bytes and the markers that stand alone (TEM, RST), which say nothing before a frame."""
_SMALLEST_FRAME_BYTES = 10
"""Marker to size: less cannot settle anything, so it is not worth asking for."""
_MAX_SEGMENTS = 4096


def _jpeg(data: bytes) -> _Size:
    """Walk the segments up to the first frame header; what an APP segment holds (a thumbnail, say) is skipped whole."""
    at, orientation = 2, None
    for _ in range(_MAX_SEGMENTS):
        # Between segments libjpeg and Pillow skip whatever is not a marker, and so do we.
        found = _MARKER.search(data, at)
        if found is None:
            raise _Short(max(at, len(data)) + _SMALLEST_FRAME_BYTES)
        at = found.start()
        marker = data[at + 1]
        if marker in _FRAMES:
            length, precision, height, width, components = struct.unpack(">HBHHB", _take(data, at + 2, 8))
            if length != 8 + 3 * components or not 2 <= precision <= 16:
                raise _Doubt("the frame header contradicts itself")
            if height == 0:
                raise _Doubt("the height is only told after the first scan (DNL)")
            return _Size(width, height, orientation)
        if marker not in _SEGMENTS:
            what = "an unusual frame" if marker in _OTHER_FRAMES else f"marker FF{marker:02X}"
            raise _Doubt(f"{what} where the frame header should be")
        length = _u16be(data, at + 2)
        if length < 2:
            raise _Doubt("a segment shorter than its own length")
        if marker == _APP1 and orientation is None and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = _exif_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
    raise _Doubt(f"more than {_MAX_SEGMENTS} segments before the frame header")


# --- PNG: W3C PNG, third edition --------------------------------------------------------------------------------------


def _png(data: bytes) -> _Size:
    chunk = _take(data, 8, 25)
    if chunk[:8] != b"\0\0\0\x0dIHDR":
        raise _Doubt("the first chunk is not a header (an iPhone build's PNG begins with CgBI)")
    if zlib.crc32(chunk[4:21]) != int.from_bytes(chunk[21:25], "big"):
        raise _Doubt("the header's checksum is wrong")
    width, height = struct.unpack_from(">II", chunk, 8)
    return _Size(width, height, _png_orientation(data))


def _png_orientation(data: bytes) -> int | None:
    at, end = 33, min(len(data), _MAX_EXIF_SEARCH_BYTES)
    while at + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, at)
        if name in (b"IDAT", b"IEND"):
            return None
        if name == b"eXIf":
            return _exif_orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    return None


# --- GIF: GIF89a ------------------------------------------------------------------------------------------------------


_MAX_BLOCKS = 20_000


def _gif(data: bytes) -> _Size:
    """The logical screen, stretched as Pillow stretches it where the first frame reaches beyond it."""
    width, height, flags = struct.unpack_from("<HHB", _take(data, 0, 13), 6)
    at = 13 + ((3 << ((flags & 7) + 1)) if flags & 0x80 else 0)
    for _ in range(_MAX_BLOCKS):
        block = _take(data, at, 1)
        if block == b",":
            left, top, frame_width, frame_height = struct.unpack("<HHHH", _take(data, at + 1, 8))
            return _Size(max(width, left + frame_width), max(height, top + frame_height))
        if block == b"!":
            at = _after_sub_blocks(data, at + 2)
        elif block == b";":
            raise _Doubt("no frame at all")
        else:
            at += 1  # Pillow steps over stray bytes
    raise _Doubt(f"more than {_MAX_BLOCKS} blocks before the first frame")


def _after_sub_blocks(data: bytes, at: int) -> int:
    for _ in range(_MAX_BLOCKS):
        length = _take(data, at, 1)[0]
        at += 1 + length
        if not length:
            return at
    raise _Doubt(f"an extension of more than {_MAX_BLOCKS} blocks")


# --- WebP: RFC 9649 ---------------------------------------------------------------------------------------------------


def _webp(data: bytes) -> _Size:
    chunk = _take(data, 12, 4)
    if chunk == b"VP8X":
        body = _take(data, 20, 10)
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
        return _Size(width, height, _webp_orientation(data))
    if chunk == b"VP8L":
        body = _take(data, 20, 5)
        bits = int.from_bytes(body[1:], "little")
        if body[0] != 0x2F or bits >> 29:
            raise _Doubt("the lossless frame has no signature")
        return _Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 ":
        body = _take(data, 20, 10)
        if body[0] & 1 or body[3:6] != b"\x9d\x01\x2a":
            raise _Doubt("the first frame is no key frame")
        width, height = struct.unpack_from("<HH", body, 6)
        return _Size(width & 0x3FFF, height & 0x3FFF)
    raise _Doubt(f"the first chunk is {chunk!r}")


def _webp_orientation(data: bytes) -> int | None:
    at, end = 12, min(len(data), _MAX_EXIF_SEARCH_BYTES)
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return _exif_orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    return None


# --- BMP --------------------------------------------------------------------------------------------------------------

_BMP_CORE, _BMP_INFO = 12, frozenset({40, 52, 56, 64, 108, 124})


def _bmp(data: bytes) -> _Size:
    length = int.from_bytes(_take(data, 14, 4), "little")
    if length == _BMP_CORE:
        return _Size(*struct.unpack("<HH", _take(data, 18, 4)))
    if length not in _BMP_INFO:
        raise _Doubt(f"an unknown header of {length} bytes")
    width, height = struct.unpack("<ii", _take(data, 18, 8))
    # Rows top down are written as a negative height; Pillow knows them by the last byte alone.
    if height < 0 and height < -(2**24):
        raise _Doubt("an impossible height")
    return _Size(width, abs(height))


# --- TIFF: TIFF 6.0 and BigTIFF ---------------------------------------------------------------------------------------

_BYTE, _SHORT, _LONG, _LONG8 = 1, 3, 4, 16
_NEW_SUBFILE_TYPE, _IMAGE_WIDTH, _IMAGE_LENGTH, _ORIENTATION, _DNG_VERSION = 254, 256, 257, 274, 50706
_MAX_TIFF_ENTRIES = 4096


def _tiff(data: bytes) -> _Size:
    """The first directory, wherever it lies, unless it is one of a thumbnail."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[2:4]
    if big:
        offset_bytes, zero, directory = struct.unpack(order + "HHQ", _take(data, 4, 12))
        if (offset_bytes, zero) != (8, 0):
            raise _Doubt("not a BigTIFF we know")
        count_form, entry_form, entry_bytes = order + "Q", order + "HHQ", 20
    else:
        (directory,) = struct.unpack(order + "I", _take(data, 4, 4))
        if _take(data, 8, 2) == b"CR":
            raise _Doubt("a camera's raw file, whose first picture is a preview")
        count_form, entry_form, entry_bytes = order + "H", order + "HHI", 12
    count_bytes = struct.calcsize(count_form)
    if directory < 8:
        raise _Doubt("no directory")
    (entries,) = struct.unpack(count_form, _take(data, directory, count_bytes))
    if entries > _MAX_TIFF_ENTRIES:
        raise _Doubt(f"a directory of {entries} entries")
    table = _take(data, directory + count_bytes, entries * entry_bytes)
    found: dict[int, int] = {}
    for at in range(0, len(table), entry_bytes):
        tag, type_, count = struct.unpack_from(entry_form, table, at)
        if tag == _DNG_VERSION:
            raise _Doubt("a camera's raw file, whose first picture may be a preview")
        if tag not in (_NEW_SUBFILE_TYPE, _IMAGE_WIDTH, _IMAGE_LENGTH, _ORIENTATION):
            continue
        form = {_BYTE: "B", _SHORT: "H", _LONG: "I", _LONG8: "Q" if big else None}.get(type_)
        if form is None or count != 1 or tag in found:
            raise _Doubt(f"tag {tag} of the directory is malformed")
        (found[tag],) = struct.unpack_from(order + form, table, at + entry_bytes - (8 if big else 4))
    if found.get(_NEW_SUBFILE_TYPE, 0) & 1:
        raise _Doubt("the first picture is a reduced copy of another")
    if _IMAGE_WIDTH not in found or _IMAGE_LENGTH not in found:
        raise _Doubt("a directory without a size")
    orientation = found.get(_ORIENTATION)
    # Decoders disagree with the file here: Pillow and OpenCV exchange width and height while decoding.
    if orientation is not None and 5 <= orientation <= 8:
        raise _Doubt("stored on its side: decoders exchange width and height")
    return _Size(
        found[_IMAGE_WIDTH],
        found[_IMAGE_LENGTH],
        orientation if orientation is not None and 1 <= orientation <= 4 else None,
    )


# --- boxes: ISO/IEC 14496-12, and JPEG 2000 (ISO/IEC 15444-1, annex I) ------------------------------------------------


_MAX_BOXES = 4096


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    """Of the content."""
    end: int | None
    """Of the content; None where the box runs to the end of the file."""


def _boxes(data: bytes, start: int, end: int | None) -> Iterator[_Box]:
    """The boxes between two positions. Runs off the prefix with the word how much is needed for the next box's head."""
    at = start
    for _ in range(_MAX_BOXES):
        if end is not None and at >= end:
            return
        if end is not None and at + 8 > end:
            raise _Doubt("a box sticks out of its parent")
        length, kind = struct.unpack(">I4s", _take(data, at, 8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(_take(data, at + 8, 8), "big"), 16
        if length == 0:
            yield _Box(kind, at + head, end)
            return
        if length < head or (end is not None and at + length > end):
            raise _Doubt("a box sticks out of its parent")
        yield _Box(kind, at + head, at + length)
        at += length
    raise _Doubt(f"more than {_MAX_BOXES} boxes in a row")


def _inner_boxes(content: bytes, start: int = 0) -> Iterator[_Box]:
    """The boxes in the content of a box that is all there, so that running off it is a contradiction."""
    try:
        yield from _boxes(content, start, len(content))
    except _Short:
        raise _Doubt("a box sticks out of its parent") from None


def _inside(data: bytes, box: _Box) -> bytes:
    if box.end is None:
        raise _Doubt(f"a {box.kind!r} box without an end")
    return _take(data, box.start, box.end - box.start)


def _jp2(data: bytes) -> _Size:
    if data[:2] == b"\xff\x4f":
        return _codestream(data, 2)
    declared: tuple[int, int] | None = None
    for box in _boxes(data, 0, None):
        if box.kind == b"jp2h" and declared is None:
            content = _inside(data, box)
            for inner in _inner_boxes(content):
                if inner.kind == b"ihdr":
                    height, width = struct.unpack(">II", _in_box(content, inner.start, 8))
                    declared = width, height
                    break
        elif box.kind == b"jp2c":
            if _take(data, box.start, 2) != b"\xff\x4f":
                raise _Doubt("no code stream")
            size = _codestream(data, box.start + 2)
            if declared != (size.width, size.height):
                raise _Doubt("the header and the code stream disagree about the size")
            return size
    raise _Doubt("no code stream")


def _codestream(data: bytes, at: int) -> _Size:
    if _take(data, at, 2) != b"\xff\x51":
        raise _Doubt("the code stream does not begin with a size")
    _, _, right, bottom, left, top = struct.unpack(">HHIIII", _take(data, at + 2, 20))
    return _Size(right - left, bottom - top)


# --- AVIF and HEIF: ISO/IEC 23008-12, MIAF, AV1 image file format -----------------------------------------------------


def _in_box(content: bytes, start: int, count: int) -> bytes:
    """Like ``_take``, for the content of a box that is all there: running off it is a contradiction, not a lack."""
    if start + count > len(content):
        raise _Doubt("a box is too short for what it must hold")
    return content[start : start + count]


def _int_in_box(content: bytes, start: int, count: int) -> int:
    return int.from_bytes(_in_box(content, start, count), "big")


@dataclass(frozen=True)
class _Item:
    kind: bytes
    size: tuple[int, int]
    quarter_turns: int
    """Anticlockwise, of the rotation the file asks for."""
    mirror_axis: int | None
    cropped: bool


def _avif(data: bytes) -> _Size:
    """The size libavif decodes: the primary item's or the sequence's; it leaves crop and rotation to others."""
    major, brands = data[8:12], _brands(data)
    item: _Item | None = None
    track: tuple[int, int] | None = None
    for box in _boxes(data, 0, None):
        if box.kind == b"meta" and item is None:
            item = _primary_item(_inside(data, box))
        elif box.kind == b"moov" and track is None:
            track = _track_size(_inside(data, box))
        if item is not None and (track is not None or major == b"avif" or b"avis" not in brands):
            break
        if track is not None and b"avif" not in brands:
            break
    if track is not None and major != b"avif":
        if item is not None and item.size != track:
            raise _Doubt("the picture and the sequence in one file differ in size")
        return _Size(*track, None if item is None else _orientation(item))
    if item is None:
        raise _Doubt("no primary picture")
    if item.kind not in (b"av01", b"grid"):
        raise _Doubt(f"the primary picture is a {item.kind!r}")
    return _Size(*item.size, _orientation(item))


def _heif(data: bytes) -> _Size:
    """The primary item where nothing turns or crops it: decoders that do and decoders that do not then agree."""
    for box in _boxes(data, 0, None):
        if box.kind == b"meta":
            item = _primary_item(_inside(data, box))
            if item.kind not in (b"hvc1", b"grid"):
                raise _Doubt(f"the primary picture is a {item.kind!r}")
            if item.cropped or item.quarter_turns % 2:
                raise _Doubt("cropped or turned by the decoder")
            return _Size(*item.size, _orientation(item))
        if box.kind == b"moov":
            raise _Doubt("a sequence")
    raise _Doubt("no primary picture")


_EXIF_OF_TURN = {(0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
                 (0, 0): 4, (0, 1): 2, (1, 0): 5, (1, 1): 7, (2, 0): 2, (2, 1): 4, (3, 0): 7, (3, 1): 5}  # fmt: skip
"""EXIF orientation for (anticlockwise quarter turns, axis mirrored about afterwards), as libavif maps them."""


def _orientation(item: _Item) -> int | None:
    return _EXIF_OF_TURN.get((item.quarter_turns, item.mirror_axis))


def _primary_item(meta: bytes) -> _Item:
    boxes: dict[bytes, bytes] = {}
    for box in _inner_boxes(meta, 4):
        if box.kind in (b"pitm", b"iinf", b"iprp", b"iref"):
            if box.kind in boxes:
                raise _Doubt(f"two {box.kind!r} boxes")
            boxes[box.kind] = meta[box.start : box.end]
    if not boxes.keys() >= {b"pitm", b"iinf", b"iprp"}:
        raise _Doubt("the file's directory is incomplete")
    pitm = boxes[b"pitm"]
    primary = _int_in_box(pitm, 4, 2 if _int_in_box(pitm, 0, 1) == 0 else 4)
    if primary in _thumbnails(boxes.get(b"iref", bytes(4))):
        raise _Doubt("the primary picture is a thumbnail of another")
    return _item(primary, _item_kind(boxes[b"iinf"], primary), boxes[b"iprp"])


def _thumbnails(iref: bytes) -> set[int]:
    """The items that refer to another as its thumbnail."""
    id_bytes = 2 if _int_in_box(iref, 0, 1) == 0 else 4
    return {_int_in_box(iref, box.start, id_bytes) for box in _inner_boxes(iref, 4) if box.kind == b"thmb"}


def _item_kind(iinf: bytes, primary: int) -> bytes:
    for box in _inner_boxes(iinf, 6 if _int_in_box(iinf, 0, 1) == 0 else 8):
        if box.kind != b"infe":
            continue
        entry = iinf[box.start : box.end]
        version = _int_in_box(entry, 0, 1)
        id_bytes = {2: 2, 3: 4}.get(version)
        if id_bytes is None:
            raise _Doubt(f"an item of version {version}")
        if _int_in_box(entry, 4, id_bytes) == primary:
            return _in_box(entry, 6 + id_bytes, 4)
    raise _Doubt("the primary picture is not listed")


def _item(primary: int, kind: bytes, iprp: bytes) -> _Item:
    properties: list[tuple[bytes, bytes]] = []
    associated: list[int] = []
    seen = False
    for box in _inner_boxes(iprp):
        content = iprp[box.start : box.end]
        if box.kind == b"ipco":
            properties = [(inner.kind, content[inner.start : inner.end]) for inner in _inner_boxes(content)]
        elif box.kind == b"ipma":
            found = _associations(content, primary)
            if found is not None and seen:
                raise _Doubt("two lists of properties for one picture")
            if found is not None:
                associated, seen = found, True
    size: tuple[int, int] | None = None
    turns, mirror, cropped = 0, None, False
    for index in associated:
        if index == 0:
            continue
        if index > len(properties):
            raise _Doubt("a property that is not there")
        name, content = properties[index - 1]
        if name == b"ispe":
            if size is not None:
                raise _Doubt("two sizes for one picture")
            size = _int_in_box(content, 4, 4), _int_in_box(content, 8, 4)
        elif name == b"irot":
            turns = _int_in_box(content, 0, 1) & 3
        elif name == b"imir":
            mirror = _int_in_box(content, 0, 1) & 1
        elif name == b"clap":
            cropped = True
    if size is None:
        raise _Doubt("the primary picture has no size")
    return _Item(kind, size, turns, mirror, cropped)


def _associations(ipma: bytes, primary: int) -> list[int] | None:
    """The 1-based property indices of one item, or None where this box says nothing about it."""
    version, wide = _int_in_box(ipma, 0, 1), _int_in_box(ipma, 3, 1) & 1
    id_bytes, index_bytes = (2 if version == 0 else 4), (2 if wide else 1)
    at = 8
    for _ in range(min(_MAX_BOXES, _int_in_box(ipma, 4, 4))):
        item = _int_in_box(ipma, at, id_bytes)
        count = _int_in_box(ipma, at + id_bytes, 1)
        at += id_bytes + 1
        indices = _in_box(ipma, at, count * index_bytes)
        at += count * index_bytes
        if item == primary:
            mask = 0x7FFF if wide else 0x7F
            return [
                int.from_bytes(indices[i : i + index_bytes], "big") & mask for i in range(0, len(indices), index_bytes)
            ]
    return None


def _track_size(moov: bytes) -> tuple[int, int] | None:
    """The size all picture tracks agree on; None where there are none."""
    sizes = set()
    for box in _inner_boxes(moov):
        if box.kind != b"trak":
            continue
        trak = moov[box.start : box.end]
        for inner in _inner_boxes(trak):
            if inner.kind == b"tkhd":
                header = trak[inner.start : inner.end]
                at = 88 if _int_in_box(header, 0, 1) == 1 else 76
                sizes.add((_int_in_box(header, at, 4) >> 16, _int_in_box(header, at + 4, 4) >> 16))
    if len(sizes) > 1:
        raise _Doubt("tracks of different sizes")
    return next(iter(sizes), None)


_PARSERS = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
    "jp2": _jp2,
    "avif": _avif,
    "heif": _heif,
}

FORMATS = frozenset(format_ for _, format_ in _MAGIC) | {"webp", "avif", "heif", "pnm"}
"""Every format an answer can name."""
