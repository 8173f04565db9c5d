"""Whatever the bytes are: no crash, no hang, no memory, no wrong type of answer, no size that the decoder denies."""

import functools
import random
import struct
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laion_assets.probes.header import FORMATS, Header, NeedMore, NotAnImage, Unknown, read_header
from laion_assets_tests.probes.pictures import MAKERS, box, decoded_size, made, png_chunk

MAGIC = [
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GIF87a", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
    b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"RIFF\xff\xff\0\0WEBPVP8X", b"RIFF\xff\xff\0\0WEBPVP8 ",
    b"RIFF\xff\xff\0\0WEBPVP8L", b"\0\0\0\x14ftypavif\0\0\0\0avif", b"\0\0\0\x14ftypheic\0\0\0\0mif1",
    b"\0\0\0\x14ftypavis\0\0\0\0avis", b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", b"P6\n", b"\0\0\1\0", b"",
]  # fmt: skip
# The interesting numbers of a header, in both byte orders.
NUMBERS = [
    struct.pack(form, value)
    for form, values in (
        ("B", (0, 1, 2, 8, 0x7F, 0x80, 0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xE1, 0xFE, 0xFF)),
        (">H", (0, 1, 2, 0x7FFF, 0x8000, 0xFFFF)),
        (">I", (0, 1, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)),
        ("<I", (1, 8, 0x7FFFFFFF, 0x80000000)),
        (">Q", (1, 2**63, 2**64 - 1)),
    )
    for value in values
]


@functools.cache
def small() -> list[str]:
    """Makers of files that are worth to be changed a thousand times."""
    return [name for name in MAKERS if len(made(name)) < 100_000]


def check(content: bytes) -> None:
    """An answer of the right type, whatever is known of the file."""
    for complete in (False, True):
        answer = read_header(content, complete=complete)
        match answer:
            case Header(width, height, format_, orientation):
                assert 0 < width < 2**31
                assert 0 < height < 2**31
                assert format_ in FORMATS
                assert orientation is None or 1 <= orientation <= 8
            case NeedMore(at_least_bytes, format_):
                assert not complete
                assert at_least_bytes > len(content)
                assert format_ is None or format_ in FORMATS
            case NotAnImage(finding):
                assert finding
            case Unknown(format_, reason, truncated):
                assert format_ in FORMATS
                assert reason
                assert complete or not truncated


@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=400))
@settings(max_examples=250, deadline=None)
def test_random_bytes_behind_any_magic(magic: bytes, rest: bytes) -> None:
    check(magic + rest)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real file with bits flipped, numbers overwritten, pieces cut out, doubled or cut off."""
    content = bytearray(made(draw(st.sampled_from(small()))))
    reach = draw(st.sampled_from([40, 200, 1000, 5000]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(reach, max(0, len(content) - 1))))
        match draw(st.sampled_from(["flip", "overwrite", "cut", "double", "end"])):
            case "flip" if at < len(content):
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "overwrite":
                number = draw(st.sampled_from(NUMBERS))
                content[at : at + len(number)] = number
            case "cut":
                del content[at : at + draw(st.integers(1, 16))]
            case "double":
                content[at:at] = content[at : at + draw(st.integers(1, 40))]
            case _:
                del content[at + 1 :]
    return bytes(content)


@given(damaged())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_damaged_files(content: bytes) -> None:
    check(content)


@given(damaged(), st.integers(32, 3000))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_prefix_of_a_damaged_file_never_contradicts_the_whole(content: bytes, length: int) -> None:
    early, late = read_header(content[:length], complete=False), read_header(content, complete=True)
    if isinstance(early, Header):
        # That a file ends before its picture, no prefix can tell.
        if isinstance(late, Unknown) and late.truncated:
            return
        assert isinstance(late, Header)
        assert (early.width, early.height) == (late.width, late.height)
    elif not isinstance(early, NeedMore):
        assert type(early) is type(late)


def of_whole(name: str) -> object:
    return read_header(made(name), complete=True)


def test_no_damage_makes_a_size_that_the_decoder_denies() -> None:
    rng, compared = random.Random(20_261_123), 0  # noqa: S311 - the same damage every time
    names = [name for name in small() if len(made(name)) < 20_000 and isinstance(of_whole(name), Header)]
    for _ in range(2500):
        content = bytearray(made(rng.choice(names)))
        reach = min(len(content), rng.choice([40, 200, 700]))
        for _ in range(rng.choice([1, 1, 2, 3])):
            at = rng.randrange(min(reach, len(content)))
            kind = rng.randrange(4)
            if kind == 0:
                content[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                number = rng.choice(NUMBERS)
                content[at : at + len(number)] = number
            elif kind == 2:
                del content[at : at + rng.choice([1, 2, 4])]
            else:
                content[at:at] = content[at : at + rng.choice([2, 4, 20])]
        answer = read_header(bytes(content), complete=True)
        if isinstance(answer, Header) and (size := decoded_size(bytes(content))) is not None:
            assert size == (answer.width, answer.height)
            compared += 1
    assert compared > 700


MEBIBYTE = 2**20
AVIF_HEAD = b"\0\0\0\x14ftypavif\0\0\0\0avif"


def _meta(**boxes: bytes) -> bytes:
    return AVIF_HEAD + box(b"meta", bytes(4) + b"".join(box(name.encode(), body) for name, body in boxes.items()))


PITM = bytes(4) + b"\0\1"
IINF = bytes(4) + b"\0\1" + box(b"infe", b"\2\0\0\0" + b"\0\1\0\0av01\0")
HOSTILE: dict[str, Callable[[], bytes]] = {
    "jpeg of fill bytes": lambda: b"\xff\xd8" + b"\xff" * 4 * MEBIBYTE,
    "jpeg of stuffed bytes": lambda: b"\xff\xd8" + b"\xff\0" * 2 * MEBIBYTE,
    "jpeg of empty segments": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * MEBIBYTE,
    "jpeg of restart markers": lambda: b"\xff\xd8\xff\xfe\0\2" + b"\xff\xd0" * 2 * MEBIBYTE,
    "jpeg of EXIF without end": lambda: (
        b"\xff\xd8" + (b"\xff\xe1\xff\xffExif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(65_515)) * 64
    ),
    "png of empty chunks": lambda: made("png")[:33] + png_chunk(b"aaAa", b"") * (MEBIBYTE // 3),
    "gif of one-byte blocks": lambda: (
        b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b"!\xfe" + b"\1a" * 2 * MEBIBYTE
    ),
    "gif of empty extensions": lambda: b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b"!\xfe\0" * MEBIBYTE,
    "gif of stray bytes": lambda: b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + bytes(4 * MEBIBYTE),
    "webp of empty chunks": lambda: made("webp extended")[:30] + b"abcd\0\0\0\0" * (MEBIBYTE // 2),
    "boxes without content": lambda: AVIF_HEAD + box(b"free", b"") * (MEBIBYTE // 2),
    "jp2 boxes without content": lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"free", b"") * (MEBIBYTE // 2),
    "avif of properties": lambda: _meta(pitm=PITM, iinf=IINF, iprp=box(b"ipco", box(b"free", b"") * (MEBIBYTE // 2))),
    "avif of associations": lambda: _meta(
        pitm=PITM, iinf=IINF, iprp=box(b"ipco", b"") + box(b"ipma", bytes(4) + b"\xff" * 4 + b"\0\2\0" * MEBIBYTE)
    ),
    "avif of items": lambda: _meta(
        pitm=PITM, iinf=bytes(4) + b"\xff\xff" + box(b"free", b"") * (MEBIBYTE // 2), iprp=b""
    ),
    "avif of references": lambda: _meta(
        pitm=PITM, iinf=IINF, iprp=b"", iref=bytes(4) + box(b"thmb", bytes(6)) * (MEBIBYTE // 4)
    ),
    "tiff of 65,535 entries": lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(MEBIBYTE),
    "big tiff of 2^64 - 1 entries": lambda: b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\xff" * 8 + bytes(MEBIBYTE),
    "angle brackets": lambda: b"<" * 4 * MEBIBYTE,
    "spaces": lambda: b" " * 4 * MEBIBYTE,
    "zeros": lambda: bytes(4 * MEBIBYTE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_neither_time_nor_memory(name: str) -> None:
    content = HOSTILE[name]()
    check(content)
    tracemalloc.start()
    began = time.process_time()
    for length in (4096, 65_536, len(content)):
        read_header(content[:length], complete=False)
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Milliseconds in truth; a loop over every byte would take seconds. Slicing costs the prefix twice at most.
    assert seconds < 2
    assert peak < 3 * len(content) + 2 * MEBIBYTE


def test_a_far_away_promise_is_only_a_number() -> None:
    tiff = b"II*\0\xf0\xff\xff\xff" + bytes(100)
    assert read_header(tiff, complete=False) == NeedMore(0xFFFFFFF2, "tiff")
    far = AVIF_HEAD + b"\0\0\0\1free" + struct.pack(">Q", 2**63) + bytes(100)
    assert read_header(far, complete=False) == NeedMore(20 + 2**63 + 8, "avif")
