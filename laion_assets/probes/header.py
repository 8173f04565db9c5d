"""The stored size of an image from the first bytes of its file, or the honest answer that it is not known.

Pure: bytes in, one of four answers out. Which format the bytes are of belongs here; where each keeps its size, and what
makes a header too doubtful to believe, in ``formats``. How many bytes to ask for and how to ask live in ``reading``.

The promise is *never a wrong size*: an answer equals what Pillow, and the libraries below it, decode, or there is none.
"""

import re
from dataclasses import dataclass

from laion_assets.probes.formats import bmp, gif, heif, jpeg, jpeg2000, png, tiff, webp
from laion_assets.probes.formats.prefix import Doubt, Short

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
    except Short as short:
        if complete:
            return Unknown(format_, "the file ends before its size", truncated=True)
        return NeedMore(max(short.at_least_bytes, len(prefix) + 1), format_)
    except Doubt as doubt:
        return Unknown(format_, str(doubt))
    if not (0 < size.width <= MAX_SIDE_PX and 0 < size.height <= MAX_SIDE_PX):
        return Unknown(format_, f"a size of {size.width} x {size.height} cannot be")
    if complete and len(prefix) < size.file_bytes:
        return Unknown(format_, "the file ends before its picture", truncated=True)
    return Header(size.width, size.height, format_, size.exif_orientation)


# --- which format -----------------------------------------------------------------------------------------------------

_MAGIC_BYTES = 32
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_ANY_CODEC_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"mif3", b"miaf"})

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
    (b"II\xbc\x01", "jxr"),
    (b"\x01\xda\x00", "sgi"),
    (b"\x01\xda\x01", "sgi"),
    (b"\x0a\x05\x01", "pcx"),
    (b"\x59\xa6\x6a\x95", "sun"),
    (b"SIMPLE  =", "fits"),
    (b"/* XPM */", "xpm"),
    (b"BLP", "blp"),
)
_PNM = re.compile(rb"P[1-7Ff][ \t\r\n#]")
_XBM = re.compile(rb"#define[ \t]+\w+_width\b")

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
    if _XBM.match(prefix):
        return "xbm"
    return None


def _format_of_brand(prefix: bytes) -> str | None:
    major = prefix[8:12]
    brands = heif.brands_of(prefix)
    if major in _AVIF_BRANDS or (major not in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return "avif"
    if brands & (_HEIF_BRANDS | _ANY_CODEC_BRANDS):
        return "heif"
    return "raw" if major == b"crx " else None


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


_PARSERS = {
    "jpeg": jpeg.read_size,
    "png": png.read_size,
    "gif": gif.read_size,
    "webp": webp.read_size,
    "bmp": bmp.read_size,
    "tiff": tiff.read_size,
    "jp2": jpeg2000.read_size,
    "avif": heif.read_avif_size,
    "heif": heif.read_heif_size,
}

FORMATS = frozenset(format_ for _, format_ in _MAGIC) | {"webp", "avif", "heif", "pnm", "xbm"}
"""Every format an answer can name."""
