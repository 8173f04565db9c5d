"""PNG files of any size, from one compressed band of rows repeated.

A deflate stream may be cut into independent, byte-aligned blocks (RFC 1951, full flush); repeating such a block
repeats its rows, so that a large picture costs one small compression. Checksums are those of the whole, as RFC 1950
and the PNG specification demand.
"""

import functools
import random
import struct
import zlib
from dataclasses import dataclass

from laion_assets.sandbox.rope import Rope

BAND_ROWS = 16
CHANNELS = {0: 1, 2: 3, 3: 1, 6: 4}


@dataclass(frozen=True)
class PngKind:
    """Colour type (0 grey, 2 RGB, 3 palette, 6 RGBA) and bits per sample."""

    colour_type: int
    bits: int


KINDS = (PngKind(3, 4), PngKind(0, 2), PngKind(3, 8), PngKind(0, 1), PngKind(2, 8), PngKind(6, 8), PngKind(0, 16))


def compose(width: int, height: int, kind: PngKind = KINDS[0], *, text: str = "") -> Rope:
    """A PNG of ``width`` x ``height`` px; ``text`` goes into a tEXt chunk in front of the picture."""
    band, band_bytes, band_sum = _band(width, kind, BAND_ROWS)
    bands, rest = divmod(height, BAND_ROWS)
    tail, tail_bytes, tail_sum = _band(width, kind, rest) if rest else (b"", 0, (1, 0))
    checksum = _adler_of_repetition(band_sum, band_bytes, bands)
    checksum = _adler_join(checksum, tail_sum, tail_bytes)
    # 0x03 0x00 is an empty final block of fixed codes.
    end = tail + b"\x03\x00" + struct.pack(">I", checksum[1] << 16 | checksum[0])
    length = 2 + len(band) * bands + len(end)
    crc = zlib.crc32(b"IDAT\x78\x01")
    crc = zlib.crc32(end, zlib.crc32(band * bands, crc))
    header = b"\x89PNG\r\n\x1a\n" + _chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, kind.bits, kind.colour_type, 0, 0, 0)
    )
    if kind.colour_type == 3:
        header += _palette(1 << kind.bits)
    if text:
        header += _chunk(b"tEXt", b"Comment\x00" + text.encode("latin-1", "replace"))
    return Rope.of(
        header,
        struct.pack(">I", length) + b"IDAT\x78\x01",
        (band, bands),
        end + struct.pack(">I", crc),
        _chunk(b"IEND", b""),
    )


def _chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


@functools.lru_cache(maxsize=256)
def _band(width: int, kind: PngKind, rows: int) -> tuple[bytes, int, tuple[int, int]]:
    """Deflated rows ending in a full flush, how many raw bytes they are, and their Adler-32 halves."""
    row_bytes = -(-width * CHANNELS[kind.colour_type] * kind.bits // 8)
    line = _motif(kind) * (row_bytes // 48 + 2)
    raw = b"".join(b"\x00" + line[row : row + row_bytes] for row in range(rows))
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = deflate.compress(raw) + deflate.flush(zlib.Z_FULL_FLUSH)
    value = zlib.adler32(raw)
    return packed, len(raw), (value & 0xFFFF, value >> 16)


@functools.cache
def _motif(kind: PngKind) -> bytes:
    draw = random.Random(f"{kind.colour_type}:{kind.bits}").random  # noqa: S311
    return bytes(int(draw() * 256) for _ in range(48))


@functools.cache
def _palette(colours: int) -> bytes:
    return _chunk(b"PLTE", bytes((index * step) % 256 for index in range(colours) for step in (37, 91, 11)))


def _adler_join(first: tuple[int, int], second: tuple[int, int], second_bytes: int) -> tuple[int, int]:
    """Adler-32 halves of two byte strings one after the other, from those of each."""
    low = (first[0] + second[0] - 1) % 65521
    high = (first[1] + second[1] + second_bytes * (first[0] - 1)) % 65521
    return low, high


def _adler_of_repetition(one: tuple[int, int], size: int, times: int) -> tuple[int, int]:
    """Adler-32 halves of a byte string repeated ``times`` times, by doubling."""
    total = (1, 0)
    while times:
        if times & 1:
            total = _adler_join(total, one, size)
        one, size, times = _adler_join(one, one, size), size * 2, times >> 1
    return total
