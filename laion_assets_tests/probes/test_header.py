"""The size read from a header equals the size the decoder gives, or there is none."""

import io
import struct
import zlib

import pytest
from PIL import Image

from laion_assets.probes.header import Header, NeedMore, NotAnImage, Unknown, read_header
from laion_assets_tests.probes import pictures
from laion_assets_tests.probes.pictures import MAKERS, box, decoded_size, exif, made, painted, png_chunk, saved

# What no prefix can tell for certain, or what decoders disagree about.
UNKNOWN = {
    "jpeg height told later",
    "gif of an empty extension",
    "gif of an empty loop",
    "avif of two sizes",
    "jp2 of a wrong header",
    "jp2 of two headers",
    "tiff on its side by its first xmp",
    "tiff on its side",
    "tiff on its side by xmp",
    "tiff of a thumbnail first",
    "tiff of two widths",
    "ico",
    "pnm",
    "qoi",
    "dds",
    "icns",
    "pcx",
    "sgi",
    "xbm",
    "blp",
}


def settled(content: bytes, *, first: int = 32) -> tuple[Header | NotAnImage | Unknown, int]:
    """Read as far as asked, as a probe does; the answer and the bytes it took."""
    have = first
    while isinstance(answer := read_header(content[:have], complete=have >= len(content)), NeedMore):
        assert answer.at_least_bytes > min(have, len(content))
        have = answer.at_least_bytes
    return answer, min(have, len(content))


# What Pillow 13 does not decode though it is a good file.
UNDECODED = {"tiff big, big endian": (61, 47)}


@pytest.mark.parametrize("name", MAKERS)
def test_the_size_is_the_one_the_decoder_gives(name: str) -> None:
    content = made(name)
    kind = name.split(maxsplit=1)[0]
    for answer in (settled(content)[0], read_header(content, complete=True)):
        if name in UNKNOWN:
            assert isinstance(answer, Unknown)
            assert answer.format == kind
            continue
        assert isinstance(answer, Header)
        assert (answer.width, answer.height) == (decoded_size(content) or UNDECODED[name])
        assert answer.format == ("jpeg" if kind == "mpo" else kind)


@pytest.mark.parametrize("name", MAKERS)
def test_no_prefix_gives_another_size(name: str) -> None:
    content = made(name)
    whole, needed = settled(content)
    step = max(1, needed // 60)
    for length in [*range(0, needed, step), needed]:
        for complete in (False, True):
            answer = read_header(content[:length], complete=complete)
            if isinstance(answer, Header) and isinstance(whole, Header):
                assert (answer.width, answer.height) == (whole.width, whole.height)
            elif isinstance(answer, Header):
                pytest.fail(f"{answer} from {length} bytes, {whole} from all")
            elif complete:
                assert isinstance(answer, Unknown | NotAnImage)
            elif length >= 32:
                assert isinstance(answer, NeedMore) or answer == whole


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"tiff directory at the end"}))
def test_what_is_asked_for_is_enough_and_far_less_than_the_file(name: str) -> None:
    content = made(name)
    _, needed = settled(content)
    assert needed <= len(content)
    longer = content + bytes(10 * len(content))
    assert settled(longer)[1] == needed


def test_a_height_that_comes_after_the_scan_is_named_as_the_reason() -> None:
    answer = read_header(made("jpeg height told later"), complete=True)
    assert isinstance(answer, Unknown)
    assert "DNL" in answer.reason


def test_a_truncated_file_is_called_truncated() -> None:
    jpeg = saved(painted(61, 47), "JPEG", exif=exif(1, filler=5000))
    assert read_header(jpeg[:3000], complete=False) == NeedMore(at_least_bytes=5080, format="jpeg")
    answer = read_header(jpeg[:3000], complete=True)
    assert isinstance(answer, Unknown)
    assert answer.truncated


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_orientation_is_told_and_does_not_turn_the_size(format_: str, orientation: int) -> None:
    content = saved(painted(62, 46), format_, exif=exif(orientation))
    answer = read_header(content, complete=True)
    assert isinstance(answer, Header)
    assert (answer.width, answer.height) == (62, 46)
    assert answer.exif_orientation == orientation


def exif_of(type_: int, value: bytes, *, order: str = ">") -> bytes:
    """An EXIF block whose orientation is of any type."""
    mark = b"MM" if order == ">" else b"II"
    return b"Exif\0\0" + mark + struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, type_, 1) + value + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("type_", "form"), [(3, "Hxx"), (4, "I"), (9, "i")])
def test_the_orientation_may_be_any_whole_number(order: str, type_: int, form: str) -> None:
    content = saved(painted(61, 47), "JPEG", exif=exif_of(type_, struct.pack(order + form, 6), order=order))
    assert read_header(content, complete=True) == Header(61, 47, "jpeg", 6)
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif()[0x0112] == 6


def test_an_absent_or_senseless_orientation_is_not_told() -> None:
    blocks = [exif(), exif(9), b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0", b"Exif\0\0XX\0*\0\0\0\x08"]
    for block in (*blocks, exif_of(9, b"\xff\xff\xff\xff"), exif_of(5, b"\0\0\0\6")):
        answer = read_header(saved(painted(61, 47), "JPEG", exif=block), complete=True)
        assert isinstance(answer, Header)
        assert answer.exif_orientation is None


def test_the_thumbnail_in_front_is_never_the_image() -> None:
    thumbnail = saved(painted(16, 12), "JPEG")
    content = saved(painted(611, 470), "JPEG", exif=exif(1, thumbnail=thumbnail))
    for length in range(2, len(content) + 1, 3):
        answer = read_header(content[:length], complete=False)
        assert isinstance(answer, NeedMore) or (isinstance(answer, Header) and answer.width == 611)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Not here any more</body></html>", "html"),
        (b"\n\n  <HTML><head></head></html>", "html"),
        (b'<?xml version="1.0"?><svg width="1200" height="1200" xmlns="http://www.w3.org/2000/svg"></svg>', "svg"),
        (b'<svg width="1200" height="1200"><script>alert(1)</script></svg>', "svg"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "xml"),
        (b'{"error": "not found", "code": 404}', "json"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>", "pdf"),
        (b"PK\x03\x04" + bytes(40), "zip"),
        (b"\x1f\x8b\x08\0" + bytes(40), "gzip"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(40), "video"),
        (b"Not found", "text"),
        (bytes(100), "zeros"),
        (bytes(range(128, 228)), "unknown bytes"),
        (b"\r\n" + saved(painted(61, 47), "JPEG"), "unknown bytes"),
        (b"\xff\xd8", "unknown bytes"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(content: bytes, finding: str) -> None:
    assert read_header(content, complete=True) == NotAnImage(finding)
    if len(content) >= 32:
        assert read_header(content, complete=False) == NotAnImage(finding)
    else:
        assert read_header(content, complete=False) == NeedMore(32)


def sof(
    width: int, height: int, *, marker: int = 0xC0, precision: int = 8, components: int = 3, length: int | None = None
) -> bytes:
    body = struct.pack(">BHHB", precision, height, width, components) + b"\1\x11\0" * components
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2 if length is None else length) + body


def png(
    width: int, height: int, *, bits: int = 8, colour: int = 2, interlace: int = 0, crc: int | None = None
) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + body + struct.pack(">I", zlib.crc32(body) if crc is None else crc)


def webp(width: int, height: int, *, tag: int = 0x210) -> bytes:
    frame = tag.to_bytes(3, "little") + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF\x40\0\0\0WEBPVP8 " + struct.pack("<I", 48) + frame + bytes(38)


def bmp(width: int, height: int, *, bits: int = 24, packing: int = 0) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, width, height, 1, bits, packing) + bytes(40)


def tiff(*entries: tuple[int, int, int, int], directory: int = 8) -> bytes:
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHIH", b"II", 42, directory, len(entries)) + table + bytes(4)


def heif(brand: bytes, kind: bytes, width: int, height: int) -> bytes:
    """The directory of a picture in whatever codec its brand and its item's kind name."""
    item = box(b"infe", b"\2\0\0\0\0\1\0\0" + kind + b"\0")
    size = box(b"ipco", box(b"ispe", bytes(4) + struct.pack(">II", width, height)))
    boxes = (
        box(b"pitm", bytes(4) + b"\0\1")
        + box(b"iinf", bytes(4) + b"\0\1" + item)
        + box(b"iprp", size + box(b"ipma", bytes(4) + b"\0\0\0\1\0\1\1\1"))
    )
    return box(b"ftyp", brand + bytes(4) + b"mif1" + brand) + box(b"meta", bytes(4) + boxes)


SIZED = ((256, 3, 1, 61), (257, 3, 1, 47))


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("height told after the scan", b"\xff\xd8" + sof(61, 0)),
        ("no width", b"\xff\xd8" + sof(0, 47)),
        ("frame header too short for its components", b"\xff\xd8" + sof(61, 47, length=11)),
        ("frame of 7 bits", b"\xff\xd8" + sof(61, 47, precision=7)),
        ("frame of five colours", b"\xff\xd8" + sof(61, 47, components=5)),
        ("frame of none", b"\xff\xd8" + sof(61, 47, components=0)),
        ("hierarchical frame", b"\xff\xd8" + sof(61, 47, marker=0xC5)),
        ("scan before any frame", b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0" + sof(61, 47)),
        ("image within the image", b"\xff\xd8\xff\xd8" + sof(61, 47)),
        ("end before any frame", b"\xff\xd8\xff\xd9" + sof(61, 47)),
        ("reserved marker", b"\xff\xd8\xff\xf0\0\x04ab" + sof(61, 47)),
        ("segment shorter than its length", b"\xff\xd8\xff\xe0\0\x01" + sof(61, 47)),
        ("endless segments", b"\xff\xd8" + b"\xff\xfe\0\x02" * 5000 + sof(61, 47)),
        ("apple's private png", b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\2\x2b\xd5\xb3\x7f" + png(61, 47)[8:]),
        ("wrong checksum", png(61, 47, crc=1)),
        ("two headers", png(61, 47) + png(30, 20)[8:]),
        ("bits that no colours have", png(61, 47, bits=3)),
        ("colours that do not exist", png(61, 47, colour=5)),
        ("interlaced in an unknown way", png(61, 47, interlace=2)),
        ("no height", png(61, 0)),
        ("width with its highest bit set", png(2**31, 47)),
        ("no frame", b"GIF89a" + struct.pack("<HHBBB", 61, 47, 0, 0, 0) + b";"),
        ("webp that begins with something else", b"RIFF\x40\0\0\0WEBPALPH" + bytes(40)),
        ("webp that begins with no key frame", b"RIFF\x40\0\0\0WEBPVP8 \x30\0\0\0\x01" + bytes(40)),
        ("webp whose first frame is hidden", webp(61, 47, tag=0x200)),
        ("webp of an unknown profile", webp(61, 47, tag=0x218)),
        ("webp whose frame is longer than its chunk", webp(61, 47, tag=0x610)),
        ("webp of a malformed canvas", b"RIFF\x40\0\0\0WEBPVP8X\x0b\0\0\0" + bytes(40)),
        ("webp of an impossible canvas", b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff" * 6 + bytes(40)),
        ("lossless webp without signature", b"RIFF\x40\0\0\0WEBPVP8L\x30\0\0\0\x01" + bytes(40)),
        ("bmp of unknown header", b"BM" + bytes(12) + struct.pack("<Iii", 41, 61, 47) + bytes(40)),
        ("bmp of impossible height", bmp(61, -(2**31))),
        ("bmp of impossible width", bmp(-61, 47)),
        ("bmp of 7 bits", bmp(61, 47, bits=7)),
        ("bmp packed in an unknown way", bmp(61, 47, packing=9)),
        ("tiff without width", tiff(SIZED[1])),
        ("tiff with two widths", tiff(SIZED[0], *SIZED)),
        ("tiff whose width is text", tiff((256, 2, 1, 61), SIZED[1])),
        ("tiff whose width is a byte", tiff((256, 1, 1, 61), SIZED[1])),
        ("tiff whose XMP is of numbers", tiff(*SIZED, (700, 4, 9, 8))),
        ("tiff of two widths in one", tiff((256, 3, 2, 61), SIZED[1])),
        ("tiff of a thumbnail", tiff((254, 4, 1, 1), *SIZED)),
        ("camera's raw file", tiff(*SIZED, (50706, 1, 4, 1))),
        ("tiff whose directory is its header", tiff(*SIZED, directory=2)),
        ("directory of too many entries", struct.pack("<2sHIH", b"II", 42, 8, 65_535) + bytes(100)),
        ("big tiff of an unknown kind", struct.pack("<2sHHHQ", b"II", 43, 4, 0, 16) + bytes(40)),
        ("avif without directory", b"\0\0\0\x14ftypavif\0\0\0\0mif1" + b"\0\0\0\x0cmeta\0\0\0\0" + bytes(8)),
        ("box that sticks out", b"\0\0\0\x14ftypavif\0\0\0\0mif1" + b"\0\0\0\x14meta\0\0\0\0\0\0\0\xffpitm"),
        ("heif of JPEG 2000", heif(b"j2ki", b"j2k1", 61, 47)),
        ("heif of H.264", heif(b"avci", b"avc1", 61, 47)),
        ("camera's raw file in boxes", box(b"ftyp", b"crx \0\0\0\1crx isom")),
        ("photoshop file", b"8BPS\0\1" + bytes(6) + struct.pack(">HII", 3, 47, 61) + bytes(40)),
        ("icon", b"\0\0\1\0\1\0\x20\x20" + bytes(40)),
        ("netpbm", b"P6\n61 47\n255\n" + bytes(40)),
    ],
)
def test_a_doubtful_header_is_not_believed(what: str, content: bytes) -> None:
    del what
    answer = read_header(content + bytes(64), complete=False)
    assert isinstance(answer, Unknown)
    assert answer.reason
    assert not answer.truncated


def test_the_same_headers_are_believed_without_the_defect() -> None:
    for content in (
        b"\xff\xd8" + sof(61, 47),
        b"\xff\xd8" + sof(61, 47, marker=0xC3, precision=7),
        png(61, 47),
        webp(61, 47),
        bmp(61, 47),
        bmp(61, -47),
        tiff(*SIZED),
        tiff((254, 4, 1, 0), *SIZED),
        heif(b"heic", b"hvc1", 61, 47),
    ):
        answer = read_header(content + bytes(64), complete=False)
        assert isinstance(answer, Header)
        assert (answer.width, answer.height) == (61, 47)


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("jpeg baseline", 180),
        ("png", 40),
        ("gif", 216),
        ("webp lossy", -2),
        ("webp lossless", -2),
        ("webp extended", -2),
        ("bmp", -5),
        ("bmp 16 bit", -5),
        ("bmp os/2 1", -5),
    ],
)
def test_a_whole_file_that_ends_before_its_picture_is_truncated(name: str, length: int) -> None:
    short = made(name)[:length]
    assert decoded_size(short) is None
    answer = read_header(short, complete=True)
    assert isinstance(answer, Unknown)
    assert answer.truncated
    # Of an unfinished file it proves nothing.
    assert isinstance(read_header(short, complete=False), Header | NeedMore)


def test_a_directory_far_away_is_asked_for_where_it_is() -> None:
    content = pictures.tiff_with_directory_at_end(1000, 900)
    assert read_header(content[:4096], complete=False) == NeedMore(900_010, "tiff")
    assert read_header(content[:900_010], complete=False) == NeedMore(900_118, "tiff")


def late_header(width: int, height: int, between: bytes = b"tEXt") -> bytes:
    """A PNG whose header, of 61 x 47, is followed by a long chunk and then by all of another picture."""
    second = saved(painted(width, height), "PNG")
    return png(61, 47) + png_chunk(between, b"a\0" + b"b" * 5000) + second[8:]


@pytest.mark.parametrize("between", [b"tEXt", b"prVt", b"ab_1"])
def test_a_second_header_is_seen_wherever_the_first_range_ends(between: bytes) -> None:
    content = late_header(30, 20, between)
    assert decoded_size(content) == (30, 20)
    for length in range(33, len(content) + 1):
        answer = read_header(content[:length], complete=False)
        assert isinstance(answer, NeedMore | Unknown), length
    assert isinstance(read_header(content, complete=True), Unknown)


def test_the_same_header_twice_is_one_size() -> None:
    content = late_header(61, 47)
    assert decoded_size(content) == (61, 47)
    answers = {read_header(content[:length], complete=False) for length in range(33, len(content) + 1)}
    assert {type(answer) for answer in answers} == {NeedMore, Header}
    assert read_header(content, complete=True) in answers


def test_a_png_is_settled_where_its_picture_begins() -> None:
    plain = made("png")
    assert plain[37:41] == b"IDAT"
    assert read_header(plain[:40], complete=False) == NeedMore(41, "png")
    assert read_header(plain[:41], complete=False) == Header(61, 47, "png")
    profile = plain[:33] + png_chunk(b"iCCP", bytes(3000)) + plain[33:]
    assert read_header(profile[:4096], complete=False) == Header(61, 47, "png")
    # The next chunk's name is all that is wanted of what a larger one hides.
    profile = plain[:33] + png_chunk(b"iCCP", bytes(9000)) + plain[33:]
    assert read_header(profile[:4096], complete=False) == NeedMore(33 + 12 + 9000 + 8, "png")


def test_a_png_of_chunks_without_end_is_given_up() -> None:
    content = made("png")[:33] + png_chunk(b"tEXt", b"a\0") * 5000 + made("png")[33:]
    answer = read_header(content, complete=True)
    assert isinstance(answer, Unknown)
    assert answer.reason == "more than 4096 chunks before the picture"


def test_the_extension_and_the_content_type_play_no_part() -> None:
    # There is nowhere to pass them.
    assert read_header.__kwdefaults__ is None
    assert read_header.__code__.co_varnames[:2] == ("prefix", "complete")
