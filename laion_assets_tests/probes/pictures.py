"""Image files in every format and oddity Pillow can produce, and the byte surgery for those it cannot.

Each maker returns the bytes of one file. What they must be read as is asked of the decoder, never typed in.
"""

import functools
import io
import struct
import warnings
import zlib
from collections.abc import Callable

from PIL import Image, ImageDraw

Maker = Callable[[], bytes]
Tag = tuple[int, int, int, int]
"""Of a TIFF: number, type, count, value."""


@functools.cache
def made(name: str) -> bytes:
    """The file of a maker, made once."""
    return MAKERS[name]()


def painted(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture that does not compress to nothing."""
    image = Image.new("RGB", (width, height), (30, 90, 160))
    draw = ImageDraw.Draw(image)
    for step in range(0, width + height, 7):
        draw.line((step, 0, 0, step), fill=(step % 256, 3 * step % 256, 7 * step % 256), width=2)
    return image.convert(mode)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def decoded_size(content: bytes) -> tuple[int, int] | None:
    """The size the decoder gives, after really decoding; None if it does not decode, or would take forever."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height > 2_000_000:
                    return None
                image.load()
                return image.size
    except Exception:  # noqa: BLE001 - whatever a decoder raises, it did not decode
        return None


def exif(orientation: int | None = None, *, filler: int = 0, thumbnail: bytes = b"") -> bytes:
    """An EXIF block, with a thumbnail and as much filler as one likes."""
    block = Image.Exif()
    if orientation is not None:
        block[0x0112] = orientation
    if filler:
        block[0x010E] = "x" * filler
    content = block.tobytes()
    return content + thumbnail


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Put segments right behind a JPEG's first marker."""
    packed = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return jpeg[:2] + packed + jpeg[2:]


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _find(data: bytearray, kind: bytes, start: int, end: int) -> tuple[int, int]:
    at = start
    while at < end:
        length, name = struct.unpack_from(">I4s", data, at)
        if name == kind:
            return at, at + length
        at += length
    raise AssertionError(kind)


def avif_with_property(avif: bytes, property_box: bytes) -> bytes:
    """Add a property, such as a crop or a rotation, to the primary item of an AVIF that Pillow made."""
    data = bytearray(avif)
    meta, meta_end = _find(data, b"meta", 0, len(data))
    iprp, iprp_end = _find(data, b"iprp", meta + 12, meta_end)
    ipco, ipco_end = _find(data, b"ipco", iprp + 8, iprp_end)
    ipma, ipma_end = _find(data, b"ipma", iprp + 8, iprp_end)
    iloc, _ = _find(data, b"iloc", meta + 12, meta_end)
    count, at = 0, ipco + 8
    while at < ipco_end:
        (length,) = struct.unpack_from(">I", data, at)
        at, count = at + length, count + 1
    grown = len(property_box) + 1
    # Back to front, so that positions stay right: the association, the property, then every length around them.
    first_count = ipma + 8 + 4 + 4 + 2
    data.insert(first_count + 1 + data[first_count], 0x80 | (count + 1))
    data[first_count] += 1
    data[ipco_end:ipco_end] = property_box
    for start, extra in ((meta, grown), (iprp, grown), (ipco, len(property_box))):
        struct.pack_into(">I", data, start, struct.unpack_from(">I", data, start)[0] + extra)
    moved = ipma + len(property_box)
    struct.pack_into(">I", data, moved, ipma_end - ipma + 1)
    _move_extents(data, iloc if iloc < ipco else iloc + grown, grown)
    return bytes(data)


def _move_extents(data: bytearray, iloc: int, by: int) -> None:
    """Shift the absolute positions in an item location box (version 0, 4-byte offsets and lengths)."""
    assert data[iloc + 8] == 0
    assert data[iloc + 12 : iloc + 14] == b"\x44\x00"
    (items,) = struct.unpack_from(">H", data, iloc + 14)
    at = iloc + 16
    for _ in range(items):
        (extents,) = struct.unpack_from(">H", data, at + 4)
        at += 6
        for _ in range(extents):
            struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)
            at += 8


def avif_of_another_track(avis: bytes) -> bytes:
    """A sequence turned into a picture by its major brand; the sequence, of another size, comes before it."""
    data = bytearray(avis.replace(b"ftypavis", b"ftypavif", 1))
    header = data.index(b"tkhd") + 4
    struct.pack_into(">I", data, header + (88 if data[header] == 1 else 76), 30 << 16)
    meta, meta_end = _find(data, b"meta", 0, len(data))
    moov, moov_end = _find(data, b"moov", 0, len(data))
    assert meta_end == moov
    return bytes(data[:meta] + data[moov:moov_end] + data[meta:meta_end] + data[moov_end:])


def jp2_saying(width: int, height: int, *, twice: bool = False) -> bytes:
    """A JPEG 2000 file of 61 x 47 whose header says something else, or says it once more."""
    content = bytearray(saved(painted(61, 47), "JPEG2000"))
    ihdr, end = _find(content, b"ihdr", content.index(b"jp2h") + 4, len(content))
    said = box(b"ihdr", struct.pack(">II", height, width) + content[ihdr + 16 : end])
    if not twice:
        return bytes(content[:ihdr] + said + content[end:])
    header = ihdr - 8
    (length,) = struct.unpack_from(">I", content, header)
    struct.pack_into(">I", content, header, length + len(said))
    return bytes(content[:end] + said + content[end:])


def avif_grid(columns: int, tile: int, width: int) -> bytes:
    """An AVIF of several tiles beside each other, the last of them cut off, as encoders write large pictures."""
    one = saved(painted(tile, tile), "AVIF", subsampling="4:2:0")
    meta, meta_end = _find(bytearray(one), b"meta", 0, len(one))
    iprp, iprp_end = _find(bytearray(one), b"iprp", meta + 12, meta_end)
    ipco, ipco_end = _find(bytearray(one), b"ipco", iprp + 8, iprp_end)
    codec = one[slice(*_find(bytearray(one), b"av1C", ipco + 8, ipco_end))]
    mdat, mdat_end = _find(bytearray(one), b"mdat", 0, len(one))
    pixels = one[mdat + 8 : mdat_end]
    plan = struct.pack(">BBBBHH", 0, 0, 0, columns - 1, width, tile)
    tiles = range(2, 2 + columns)

    def size(of: int) -> bytes:
        return box(b"ispe", bytes(4) + struct.pack(">II", of, tile))

    def entry(item: int, kind: bytes) -> bytes:
        return box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", item, 0, kind) + b"\0")

    bits = box(b"pixi", bytes(4) + b"\3\x08\x08\x08")
    properties = box(b"ipco", size(width) + size(tile) + bits + codec)
    owners = struct.pack(">HBBB", 1, 2, 0x01, 0x03)
    owners += b"".join(struct.pack(">HBBBB", item, 3, 0x02, 0x03, 0x84) for item in tiles)

    def head(start: int) -> bytes:
        extents = struct.pack(">HHHII", 1, 0, 1, start, len(plan))
        extents += b"".join(struct.pack(">HHHII", item, 0, 1, start + len(plan), len(pixels)) for item in tiles)
        inner = (
            box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + box(b"pitm", bytes(4) + b"\0\1")
            + box(b"iloc", bytes(4) + b"\x44\0" + struct.pack(">H", 1 + columns) + extents)
            + box(
                b"iinf",
                bytes(4)
                + struct.pack(">H", 1 + columns)
                + entry(1, b"grid")
                + b"".join(entry(item, b"av01") for item in tiles),
            )
            + box(b"iref", bytes(4) + box(b"dimg", struct.pack(f">HH{columns}H", 1, columns, *tiles)))
            + box(b"iprp", properties + box(b"ipma", bytes(4) + struct.pack(">I", 1 + columns) + owners))
        )
        return box(b"ftyp", b"avif\0\0\0\0avifmif1miaf") + box(b"meta", bytes(4) + inner)

    return head(len(head(0)) + 8) + box(b"mdat", plan + pixels)


def png_interlaced(width: int, height: int) -> bytes:
    """Grey, in Adam7's seven passes, which Pillow reads and does not write."""
    rows = b""
    for x, y, step_x, step_y in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
    ):  # fmt: skip
        across, down = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if across > 0:
            rows += (b"\0" + bytes(across)) * max(0, down)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    )  # fmt: skip


def jpeg_of_height_told_later(jpeg: bytes) -> bytes:
    """Height 0 in the frame, and a DNL segment behind the only scan."""
    frame = jpeg.index(b"\xff\xc0")
    height = jpeg[frame + 5 : frame + 7]
    return jpeg[: frame + 5] + b"\0\0" + jpeg[frame + 7 : -2] + b"\xff\xdc\0\4" + height + b"\xff\xd9"


def tiff_of(entries: list[Tag], rest: bytes = b"", *, order: str = "<", big: bool = False) -> bytes:
    """A TIFF of one directory right behind the header, and whatever else; positions are those of the whole file."""
    mark = b"II" if order == "<" else b"MM"
    if big:
        content = mark + struct.pack(order + "HHHQQ", 43, 8, 0, 16, len(entries))
    else:
        content = mark + struct.pack(order + "HIH", 42, 8, len(entries))
    for tag, type_, count, value in entries:
        field = struct.pack(order + ("H" if type_ == 3 and count == 1 else "I"), value)
        head = struct.pack(order + ("HHQ" if big else "HHI"), tag, type_, count)
        content += head + field.ljust(8 if big else 4, b"\0")
    return content + bytes(8 if big else 4) + rest


def grey_tiff(width: int, height: int, *more: Tag, rest: bytes = b"", order: str = "<", big: bool = False) -> bytes:
    """Uncompressed rows behind one directory; ``more`` tags, of which a position counts from ``rest``."""
    tags = 9 + len(more)
    start = (16 + 8 + 20 * tags + 8) if big else (8 + 2 + 12 * tags + 4)
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, start + len(rest)), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, width * height),
    ]  # fmt: skip
    entries += [(tag, type_, count, value + start if type_ == 1 else value) for tag, type_, count, value in more]
    return tiff_of(sorted(entries), rest + bytes(width * height), order=order, big=big)


XMP_ON_ITS_SIDE = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
XMP_UPRIGHT = b"<x:xmpmeta><rdf:Description tiff:Orientation='1'/></x:xmpmeta>"


def tiff_with_directory_at_end(width: int, height: int) -> bytes:
    """Rows of grey first, then the directory, as many scanners write it."""
    pixels = bytes(range(256)) * (width * height // 256 + 1)
    pixels = pixels[: width * height]
    entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(pixels)),
    ]
    directory = struct.pack("<H", len(entries))
    for tag, type_, value in entries:
        directory += struct.pack("<HHII", tag, type_, 1, value)
    return struct.pack("<2sHI", b"II", 42, 8 + len(pixels)) + pixels + directory + struct.pack("<I", 0)


def bmp(width: int, height: int, *, header: int = 40, top_down: bool = False) -> bytes:
    """An uncompressed BMP of any header version."""
    row = (width * 3 + 3) & ~3
    pixels = bytes(row * height)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, 24)
    else:
        info = struct.pack(
            "<IiiHHIIiiII", header, width, -height if top_down else height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0
        )
        info = info.ljust(header, b"\0")
    offset = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + pixels


def bmp_packed(width: int, height: int, bits: int, masks: tuple[int, int, int]) -> bytes:
    """A BMP that says by masks where its colours are."""
    pixels = bytes((width * bits // 8 + 3) // 4 * 4 * height)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 3, len(pixels), 0, 0, 0, 0)
    info += struct.pack("<III", *masks)
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(pixels), 0, 0, 14 + len(info)) + info + pixels


def bmp_of_run_lengths(width: int, height: int) -> bytes:
    """A BMP whose rows are each one run, of far fewer bytes than it has pixels."""
    rows = bytes((width, 1, 0, 0)) * height + b"\0\1"
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 0, 0)
    palette = bytes(range(256)) * 4
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + palette + rows


def gif(screen: tuple[int, int], frame: tuple[int, int, int, int], *, before: bytes = b"") -> bytes:
    """A GIF whose first frame lies where one likes; ``before`` goes between the screen and the frame."""
    left, top, width, height = frame
    whole = saved(painted(width, height, "P"), "GIF")
    at = whole.index(b"\x2c\0\0\0\0")
    palette_end = 13 + (3 << ((whole[10] & 7) + 1)) if whole[10] & 0x80 else 13
    head = whole[:6] + struct.pack("<HH", *screen) + whole[10:palette_end]
    return head + before + struct.pack("<BHHHH", 0x2C, left, top, width, height) + whole[at + 9 :]


def _frames(count: int, width: int, height: int) -> list[Image.Image]:
    frames = []
    for step in range(count):
        frame = painted(width, height)
        ImageDraw.Draw(frame).rectangle((step * 5, step * 5, step * 5 + 20, step * 5 + 20), fill=(255, 0, 0))
        frames.append(frame)
    return frames


def _animated(format_: str, **options: object) -> bytes:
    first, *others = _frames(3, 61, 47)
    return saved(first, format_, save_all=True, append_images=others, **options)


def _thumbnail() -> bytes:
    return saved(painted(16, 12), "JPEG")


def _mpo() -> bytes:
    return saved(painted(61, 47), "MPO", save_all=True, append_images=[painted(33, 29)])


def _jpeg() -> bytes:
    return saved(painted(61, 47), "JPEG")


def _avif(**options: object) -> bytes:
    return saved(painted(62, 46), "AVIF", **options)


MAKERS: dict[str, Maker] = {
    # JPEG
    "jpeg baseline": _jpeg,
    "jpeg one pixel": lambda: saved(painted(1, 1), "JPEG"),
    "jpeg widest": lambda: saved(Image.new("L", (65500, 1)), "JPEG"),
    "jpeg tallest": lambda: saved(Image.new("L", (1, 65500)), "JPEG"),
    "jpeg progressive": lambda: saved(painted(61, 47), "JPEG", progressive=True),
    "jpeg grey": lambda: saved(painted(61, 47, "L"), "JPEG"),
    "jpeg cmyk": lambda: saved(painted(61, 47, "CMYK"), "JPEG"),
    "jpeg 4:4:4 optimised": lambda: saved(painted(61, 47), "JPEG", subsampling=0, optimize=True),
    "jpeg restart markers": lambda: saved(painted(61, 47), "JPEG", restart_marker_blocks=2),
    "jpeg turned by exif": lambda: saved(painted(61, 47), "JPEG", exif=exif(6)),
    "jpeg long exif": lambda: saved(painted(61, 47), "JPEG", exif=exif(8, filler=60_000)),
    "jpeg exif thumbnail": lambda: saved(painted(61, 47), "JPEG", exif=exif(1, thumbnail=_thumbnail())),
    "jpeg thumbnail in other segments": lambda: with_segments(
        _jpeg(), (0xE0, b"JFXX\0\x10" + _thumbnail()), (0xED, b"Photoshop 3.0\0" + _thumbnail()), (0xFE, _thumbnail())
    ),
    "jpeg icc of many segments": lambda: saved(painted(61, 47), "JPEG", icc_profile=bytes(range(256)) * 800),
    "jpeg many segments": lambda: with_segments(_jpeg(), *[(0xFE, b"x" * 50)] * 900),
    "jpeg fill bytes": lambda: _jpeg()[:2] + b"\xff" * 5000 + _jpeg()[2:],
    "jpeg rubbish between segments": lambda: with_segments(_jpeg(), (0xFE, b"a"))[:7] + b"\0\0ab" + _jpeg()[2:],
    "jpeg xmp": lambda: saved(painted(61, 47), "JPEG", xmp=b"<x:xmpmeta>" + b" " * 20_000 + b"</x:xmpmeta>"),
    "jpeg comment": lambda: saved(painted(61, 47), "JPEG", comment=b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01"),
    "jpeg height told later": lambda: jpeg_of_height_told_later(_jpeg()),
    "jpeg with another behind it": lambda: _jpeg() + saved(painted(30, 20), "JPEG"),
    "mpo": _mpo,
    # PNG
    "png": lambda: saved(painted(61, 47), "PNG"),
    "png one pixel": lambda: saved(painted(1, 1), "PNG"),
    "png 16 bit": lambda: saved(Image.new("I;16", (61, 47)), "PNG"),
    "png 1 bit": lambda: saved(painted(61, 47, "1"), "PNG"),
    "png palette": lambda: saved(painted(61, 47, "P"), "PNG"),
    "png transparent": lambda: saved(painted(61, 47, "RGBA"), "PNG"),
    "png interlaced": lambda: png_interlaced(61, 47),
    "png of 16 bit colours": lambda: (
        saved(painted(61, 47), "PNG")[:8]
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 61, 47, 16, 2, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress((b"\0" + bytes(61 * 6)) * 47))
        + png_chunk(b"IEND", b"")
    ),
    "png exif": lambda: saved(painted(61, 47), "PNG", exif=exif(3)),
    "png animated": lambda: _animated("PNG"),
    "png animated, default image apart": lambda: _animated("PNG", default_image=True),
    "png long text first": lambda: (
        saved(painted(61, 47), "PNG")[:33]
        + png_chunk(b"tEXt", b"a\0" + b"b" * 90_000)
        + saved(painted(61, 47), "PNG")[33:]
    ),
    # GIF
    "gif": lambda: saved(painted(61, 47, "P"), "GIF"),
    "gif interlaced": lambda: saved(painted(61, 47, "P"), "GIF", interlace=True),
    "gif animated": lambda: _animated("GIF"),
    "gif comment": lambda: saved(painted(61, 47, "P"), "GIF", comment=b"c" * 20_000),
    "gif frame inside its screen": lambda: gif((100, 90), (10, 5, 61, 47)),
    "gif frame beyond its screen": lambda: gif((30, 90), (10, 5, 61, 47)),
    "gif without a screen": lambda: gif((0, 0), (0, 0, 61, 47)),
    "gif of an empty extension": lambda: gif(
        (30, 20), (0, 0, 61, 47), before=b"!\x01\0\x0b,\0\0\0\0\xff\0\xff\0\0\0\0"
    ),
    "gif of an empty loop": lambda: gif((30, 20), (0, 0, 61, 47), before=b"!\xff\x0bNETSCAPE2.0\0\x0b" + bytes(11)),
    "gif stray bytes": lambda: gif((61, 47), (0, 0, 61, 47), before=b"\0\0\0"),
    "gif long extension": lambda: gif((61, 47), (0, 0, 61, 47), before=b"!\xfe" + (b"\xff" + b"x" * 255) * 40 + b"\0"),
    # WebP
    "webp lossy": lambda: saved(painted(61, 47), "WEBP"),
    "webp lossless": lambda: saved(painted(61, 47), "WEBP", lossless=True),
    "webp lossless, widest": lambda: saved(Image.new("RGB", (16383, 1)), "WEBP", lossless=True),
    "webp transparent": lambda: saved(painted(61, 47, "RGBA"), "WEBP"),
    "webp extended": lambda: saved(painted(61, 47), "WEBP", icc_profile=b"p" * 9000, exif=exif(6)),
    "webp animated": lambda: _animated("WEBP"),
    # AVIF
    "avif": _avif,
    "avif odd sides": lambda: saved(painted(61, 47), "AVIF"),
    "avif grey": lambda: saved(painted(62, 46, "L"), "AVIF"),
    "avif transparent": lambda: saved(painted(62, 46, "RGBA"), "AVIF"),
    "avif exif and icc": lambda: _avif(exif=exif(6), icc_profile=b"p" * 9000),
    "avif animated": lambda: _animated("AVIF"),
    "avif cropped": lambda: avif_with_property(
        _avif(), box(b"clap", struct.pack(">IIIIiIiI", 30, 1, 20, 1, 0, 1, 0, 1))
    ),
    "avif turned": lambda: avif_with_property(_avif(), box(b"irot", b"\x01")),
    "avif mirrored": lambda: avif_with_property(_avif(), box(b"imir", b"\x01")),
    "avif of a picture beside a sequence": lambda: avif_of_another_track(_animated("AVIF")),
    "avif of two sizes": lambda: avif_with_property(_avif(), box(b"ispe", bytes(4) + struct.pack(">II", 30, 20))),
    "avif grid": lambda: avif_grid(2, 64, 120),
    "avif tiles": lambda: saved(painted(512, 384), "AVIF", tile_rows=1, tile_cols=1),
    # BMP
    "bmp": lambda: saved(painted(61, 47), "BMP"),
    "bmp palette": lambda: saved(painted(61, 47, "P"), "BMP"),
    "bmp top down": lambda: bmp(61, 47, top_down=True),
    "bmp of pixels that begin in its header": lambda: bmp(61, 47)[:10] + b"\x12" + bmp(61, 47)[11:-36],
    "bmp that does not say where its pixels are": lambda: bmp(61, 47)[:10] + b"\0" + bmp(61, 47)[11:],
    "bmp os/2 1": lambda: bmp(61, 47, header=12),
    **{f"bmp header of {size}": (lambda size=size: bmp(61, 47, header=size)) for size in (52, 56, 64, 108, 124)},  # type: ignore[misc]
    "bmp 16 bit": lambda: bmp_packed(61, 47, 16, (0xF800, 0x7E0, 0x1F)),
    "bmp 32 bit": lambda: bmp_packed(61, 47, 32, (0xFF0000, 0xFF00, 0xFF)),
    "bmp run lengths": lambda: bmp_of_run_lengths(61, 47),
    "bmp 1 bit": lambda: saved(painted(61, 47, "1"), "BMP"),
    # TIFF
    "tiff": lambda: saved(painted(61, 47), "TIFF"),
    "tiff lzw": lambda: saved(painted(61, 47), "TIFF", compression="tiff_lzw"),
    "tiff jpeg": lambda: saved(painted(61, 47), "TIFF", compression="jpeg"),
    "tiff 16 bit": lambda: saved(Image.new("I;16", (61, 47)), "TIFF"),
    "tiff big endian": lambda: saved(Image.new("I;16B", (61, 47)), "TIFF"),
    "tiff big": lambda: saved(painted(61, 47), "TIFF", big_tiff=True),
    "tiff upside down": lambda: saved(painted(61, 47), "TIFF", tiffinfo={274: 3}),
    "tiff on its side": lambda: saved(painted(61, 47), "TIFF", tiffinfo={274: 6}),
    "tiff on its side by xmp": lambda: grey_tiff(61, 47, (700, 1, len(XMP_ON_ITS_SIDE), 0), rest=XMP_ON_ITS_SIDE),
    "tiff on its side by its first xmp": lambda: grey_tiff(
        61,
        47,
        (700, 1, len(XMP_ON_ITS_SIDE), 0),
        (700, 1, len(XMP_UPRIGHT), len(XMP_ON_ITS_SIDE)),
        rest=XMP_ON_ITS_SIDE + XMP_UPRIGHT,
    ),
    "tiff upright by xmp": lambda: grey_tiff(61, 47, (700, 1, len(XMP_UPRIGHT), 0), rest=XMP_UPRIGHT),
    "tiff upright, whatever xmp says": lambda: grey_tiff(
        61, 47, (274, 3, 1, 1), (700, 1, len(XMP_ON_ITS_SIDE), 0), rest=XMP_ON_ITS_SIDE
    ),
    "tiff big, big endian": lambda: grey_tiff(61, 47, order=">", big=True),
    "tiff of a thumbnail first": lambda: grey_tiff(61, 47, (254, 4, 1, 1)),
    "tiff of two widths": lambda: grey_tiff(61, 47, (256, 3, 1, 60)),
    "tiff cmyk": lambda: saved(painted(61, 47, "CMYK"), "TIFF"),
    "tiff floats": lambda: saved(painted(61, 47, "F"), "TIFF"),
    "tiff fax": lambda: saved(painted(61, 47, "1"), "TIFF", compression="group4"),
    "tiff deflated": lambda: saved(painted(61, 47), "TIFF", compression="tiff_adobe_deflate"),
    "tiff directory at the end": lambda: tiff_with_directory_at_end(311, 217),
    "tiff pages": lambda: saved(painted(61, 47), "TIFF", save_all=True, append_images=[painted(20, 10)]),
    # JPEG 2000
    "jp2": lambda: saved(painted(61, 47), "JPEG2000"),
    "jp2 code stream alone": lambda: saved(painted(61, 47), "JPEG2000", no_jp2=True),
    "jp2 tiles": lambda: saved(painted(61, 47), "JPEG2000", tile_size=(32, 32), offset=(0, 0)),
    "jp2 of a wrong header": lambda: jp2_saying(60, 47),
    "jp2 of two headers": lambda: jp2_saying(61, 47, twice=True),
    "jp2 16 bit": lambda: saved(Image.new("I;16", (61, 47)), "JPEG2000"),
    "jp2 grey and transparent": lambda: saved(painted(61, 47, "LA"), "JPEG2000"),
    "jp2 offset": lambda: saved(painted(61, 47), "JPEG2000", tile_size=(64, 64), tile_offset=(0, 0), offset=(7, 5)),
    # formats whose size is not read
    "ico": lambda: saved(painted(61, 47), "ICO", sizes=[(16, 16), (32, 32)]),
    "pnm": lambda: saved(painted(61, 47), "PPM"),
    "qoi": lambda: saved(painted(61, 47), "QOI"),
    "dds": lambda: saved(painted(61, 47), "DDS"),
    "pcx": lambda: saved(painted(61, 47), "PCX"),
    "sgi": lambda: saved(painted(61, 47), "SGI"),
    "xbm": lambda: saved(painted(61, 47, "1"), "XBM"),
    "blp": lambda: saved(painted(61, 47, "P"), "BLP"),
    "icns": lambda: saved(painted(64, 64), "ICNS"),
}
