"""JPEG files of any size that cost a few copies of bytes: baseline and progressive, colour, grey and CMYK.

A file is segments (``jpeg_segments``) and scans of repeated intervals (``jpeg_scans``); it decodes to its last byte.
"""

import functools
import struct
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from laion_assets.sandbox import jpeg_scans
from laion_assets.sandbox.jpeg_scans import ScanKind
from laion_assets.sandbox.jpeg_segments import Extras, huffman, metadata, quantisation, segment
from laion_assets.sandbox.rope import Rope

Size = TypeVar("Size", int, npt.NDArray[np.int64])

END_OF_IMAGE = b"\xff\xd9"
NO_EXTRAS = Extras()
SPECTRAL_BANDS = ((0, 1, 5), (1, 1, 63), (2, 1, 63), (0, 6, 63))
"""(component, first, last coefficient) of the scans that follow the DC scan of a progressive file."""


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


def compose(
    width: int, height: int, *, mode: Mode = BASELINE_420, level: int = 1, palette: int = 0, extras: Extras = NO_EXTRAS
) -> Rope:
    """A JPEG of ``width`` x ``height`` px (1 to 65,535) at one of the levels of detail."""
    before, after = _around_size(mode, extras, palette)
    pieces: list[bytes | tuple[bytes, int]] = [before + struct.pack(">HH", height, width) + after]
    for scan in _scans(mode, level):
        pieces.append(scan.script)
        pieces += scan.template.pieces(int(scan.mcus(width, height)))
    return Rope.of(*pieces, END_OF_IMAGE)


def lengths(
    widths: npt.NDArray[np.int64], heights: npt.NDArray[np.int64], *, mode: Mode, level: int, extras: Extras
) -> npt.NDArray[np.int64]:
    """What ``compose`` gives the lengths of, for many sizes at once."""
    before, after = _around_size(mode, extras, 0)
    total = np.full(len(widths), len(before) + 4 + len(after) + len(END_OF_IMAGE), dtype=np.int64)
    for scan in _scans(mode, level):
        total += len(scan.script) + scan.template.lengths(scan.mcus(widths, heights))
    return total


def bytes_per_megapixel_by_level() -> list[float]:
    """What a baseline 4:2:0 file costs at each level of detail, smallest first."""
    pixels = 8 * jpeg_scans.RESTART_MCUS * 256
    return [len(_scans(BASELINE_420, level)[0].template.cycle) / pixels * 1e6 for level in range(jpeg_scans.LEVELS)]


@dataclass(frozen=True)
class _Scan:
    """One scan of a mode: its SOS segment, its intervals, and what one MCU covers."""

    script: bytes
    kind: ScanKind
    mcu_width: int
    mcu_height: int
    shrink_h: int = 1
    shrink_v: int = 1

    @property
    def template(self) -> jpeg_scans.ScanTemplate:
        return jpeg_scans.template(self.kind)

    def mcus(self, width: Size, height: Size) -> Size:
        """MCUs of an image: of its (subsampled) component where the scan has one, of the whole otherwise."""
        component_width, component_height = -(-width // self.shrink_h), -(-height // self.shrink_v)
        return (-component_width // self.mcu_width) * (-component_height // self.mcu_height)


@functools.cache
def _scans(mode: Mode, level: int) -> tuple[_Scan, ...]:
    most_h = max(h for h, _, _ in mode.components)
    most_v = max(v for _, v, _ in mode.components)
    last = 0 if mode.progressive else 63
    if len(mode.components) == 1:
        # A scan of one component is not interleaved: its MCU is one block (T.81 A.2.2).
        return (_Scan(_sos(mode, (0,), 0, last), ScanKind((False,), (0,), 0, last, level), 8, 8),)
    chroma: list[bool] = []
    owners: list[int] = []
    for index, (h, v, is_chroma) in enumerate(mode.components):
        chroma += [is_chroma] * h * v
        owners += [index] * h * v
    everything = tuple(range(len(mode.components)))
    kind = ScanKind(tuple(chroma), tuple(owners), 0, last, level)
    scans = [_Scan(_sos(mode, everything, 0, last), kind, 8 * most_h, 8 * most_v)]
    for index, low, high in SPECTRAL_BANDS if mode.progressive else ():
        h, v, is_chroma = mode.components[index]
        kind = ScanKind((is_chroma,), (index,), low, high, level)
        scans.append(_Scan(_sos(mode, (index,), low, high), kind, 8, 8, most_h // h, most_v // v))
    return tuple(scans)


def _sos(mode: Mode, indices: tuple[int, ...], first: int, last: int) -> bytes:
    tables = b"".join(bytes([index + 1, 0x11 if mode.components[index][2] else 0x00]) for index in indices)
    return segment(0xDA, bytes([len(indices)]) + tables + bytes([first, last, 0]))


@functools.lru_cache(maxsize=1024)
def _around_size(mode: Mode, extras: Extras, palette: int) -> tuple[bytes, bytes]:
    """Everything before the height in the frame header, and everything after the width up to the first scan."""
    thumbnail = compose(160, 120, level=0).read() if extras.thumbnail else b""
    before = b"\xff\xd8" + metadata(extras, thumbnail)
    if mode.adobe:
        before += segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x00")
    before += quantisation(palette)
    components = b"".join(
        bytes([index + 1, h << 4 | v, index if is_chroma else 0])
        for index, (h, v, is_chroma) in enumerate(mode.components)
    )
    frame = segment(0xC2 if mode.progressive else 0xC0, b"\x08" + bytes(4) + bytes([len(mode.components)]) + components)
    return before + frame[:5], frame[9:] + huffman() + segment(0xDD, struct.pack(">H", jpeg_scans.RESTART_MCUS))
