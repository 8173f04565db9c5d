"""Entropy-coded JPEG data of any length, from a handful of pre-encoded restart intervals.

A scan that restarts every eight MCUs is a cycle of eight intervals (RST0 to RST7 between them) and one shorter tail,
so a scan of any number of MCUs is a repetition of the same bytes. Coefficients are coded with the tables of ITU-T
T.81 Annex K, which serve sequential scans and the first pass of progressive ones alike. Markers and headers live in
``jpeg``.
"""

import functools
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESTART_MCUS = 8
DISTINCT_INTERVALS = 4

NONZERO_AC = (0.0, 0.25, 0.6, 1.2, 2.2, 3.6, 5.5, 8.0, 11.5, 16.0, 22.0, 30.0)
"""Mean number of non-zero AC coefficients in a luma block, by level of detail."""

LEVELS = len(NONZERO_AC)

DC_LUMA = (bytes.fromhex("00010501010101010100000000000000"), bytes(range(12)))
DC_CHROMA = (bytes.fromhex("00030101010101010101010000000000"), bytes(range(12)))
AC_LUMA = (
    bytes.fromhex("0002010303020403050504040000017d"),
    bytes.fromhex(
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a"
        "434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aa"
        "b2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    ),
)
AC_CHROMA = (
    bytes.fromhex("00020102040403040705040400010277"),
    bytes.fromhex(
        "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a"
        "434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9"
        "aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
    ),
)
"""(number of codes of each length, symbols) of ITU-T T.81 tables K.3 to K.6."""


@dataclass(frozen=True)
class ScanKind:
    """What one scan codes: the blocks of an MCU (True for chroma), the spectral band, the level of detail."""

    blocks: tuple[bool, ...]
    components: tuple[int, ...]
    first: int
    last: int
    level: int


@dataclass(frozen=True)
class ScanTemplate:
    """Pre-encoded intervals: ``cycle`` is eight of them with their markers, ``tails[k]`` one of k MCUs without."""

    cycle: bytes
    starts: tuple[int, ...]
    tails: tuple[bytes, ...]

    def pieces(self, mcus: int) -> list[tuple[bytes, int]]:
        """The entropy-coded data of ``mcus`` MCUs, as (bytes, repetitions)."""
        whole, last = divmod(mcus - 1, RESTART_MCUS)
        cycles, rest = divmod(whole, 8)
        return [(self.cycle, cycles), (self.cycle[: self.starts[rest]], 1), (self.tails[last + 1], 1)]

    def lengths(self, mcus: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many bytes ``pieces`` holds, for many numbers of MCUs at once."""
        whole, last = np.divmod(mcus - 1, RESTART_MCUS)
        cycles, rest = np.divmod(whole, 8)
        tails = np.array([len(tail) for tail in self.tails])
        found: npt.NDArray[np.int64] = len(self.cycle) * cycles + np.array(self.starts)[rest] + tails[last + 1]
        return found


@functools.cache
def template(kind: ScanKind) -> ScanTemplate:
    """The intervals of one kind of scan; made once per process."""
    prefixes = [_Interval(kind, number).prefixes() for number in range(DISTINCT_INTERVALS)]
    cycle = b""
    starts = [0]
    for number in range(8):
        cycle += prefixes[number % DISTINCT_INTERVALS][-1] + bytes([0xFF, 0xD0 + number])
        starts.append(len(cycle))
    return ScanTemplate(cycle, tuple(starts), (b"", *prefixes[0]))


class _Interval:
    """Eight MCUs of made-up coefficients: a slow drift of brightness, sparse detail, one colour."""

    def __init__(self, kind: ScanKind, number: int) -> None:
        """Draw the coefficients; ``random.random`` gives the same numbers in every Python version."""
        self.kind = kind
        draw = random.Random(f"{kind.level}:{number}").random  # noqa: S311
        self.mcus: list[list[list[int]]] = []
        brightness = int(draw() * 50) - 25
        tint = [int(8 + draw() * 14), int(8 + draw() * 14)]
        signs = (1 if draw() < 0.5 else -1, 1 if draw() < 0.5 else -1)
        density = NONZERO_AC[kind.level]
        for _ in range(RESTART_MCUS):
            blocks = []
            for is_chroma, component in zip(kind.blocks, kind.components, strict=True):
                if draw() < 0.15 + density / 20:
                    brightness = max(-60, min(60, brightness + int(draw() * 9) - 4))
                coefficients = [0] * 64
                coefficients[0] = signs[component - 1] * tint[component - 1] if is_chroma else brightness
                expected = density * (0.3 if is_chroma else 1.0)
                for position in range(1, 64):
                    # Detail fades towards high frequencies, as in a photograph.
                    if draw() < expected / 14 * (1 - position / 64) ** 3.5:
                        size = 1 + int(draw() * draw() * 6)
                        coefficients[position] = size if draw() < 0.5 else -size
                blocks.append(coefficients)
            self.mcus.append(blocks)

    def prefixes(self) -> list[bytes]:
        """The first 1 to 8 MCUs, each as one byte-aligned, stuffed interval."""
        found = []
        kind = self.kind
        bits = length = 0
        previous = [0] * 4
        for blocks in self.mcus:
            for is_chroma, component, block in zip(kind.blocks, kind.components, blocks, strict=True):
                dc_codes, ac_codes = _codes()[1 if is_chroma else 0]
                if kind.first == 0:
                    difference = block[0] - previous[component]
                    previous[component] = block[0]
                    category = abs(difference).bit_length()
                    code, width = dc_codes[category]
                    bits = (bits << width) | code
                    bits = (bits << category) | _magnitude_bits(difference, category)
                    length += width + category
                run = 0
                for position in range(max(kind.first, 1), kind.last + 1):
                    value = block[position]
                    if value == 0:
                        run += 1
                        continue
                    while run > 15:
                        code, width = ac_codes[0xF0]
                        bits = (bits << width) | code
                        length += width
                        run -= 16
                    category = abs(value).bit_length()
                    code, width = ac_codes[run << 4 | category]
                    bits = (bits << width) | code
                    bits = (bits << category) | _magnitude_bits(value, category)
                    length += width + category
                    run = 0
                if run:
                    code, width = ac_codes[0x00]
                    bits = (bits << width) | code
                    length += width
            padding = -length % 8
            padded = (bits << padding) | ((1 << padding) - 1)
            found.append(padded.to_bytes((length + padding) // 8, "big").replace(b"\xff", b"\xff\x00"))
        return found


def _magnitude_bits(value: int, category: int) -> int:
    return value if value >= 0 else value + (1 << category) - 1


@functools.lru_cache(maxsize=1)
def _codes() -> tuple[tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]], ...]:
    """(DC, AC) code books of luma and chroma: symbol to (code, number of bits)."""
    return (
        (_code_book(*DC_LUMA), _code_book(*AC_LUMA)),
        (_code_book(*DC_CHROMA), _code_book(*AC_CHROMA)),
    )


def _code_book(counts: bytes, symbols: bytes) -> dict[int, tuple[int, int]]:
    book = {}
    code = index = 0
    for width, count in enumerate(counts, start=1):
        for _ in range(count):
            book[symbols[index]] = (code, width)
            code += 1
            index += 1
        code <<= 1
    return book
