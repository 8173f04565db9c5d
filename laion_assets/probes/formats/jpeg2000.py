"""JPEG 2000: ISO/IEC 15444-1, the code stream (annex A) and the file around it (annex I)."""

import struct

from laion_assets.probes.formats.boxes import boxes, in_box, inner_boxes, inside
from laion_assets.probes.formats.prefix import Doubt, Size, take


def read_size(data: bytes) -> Size:
    """What the code stream says, if the file around it says the same."""
    if data[:2] == b"\xff\x4f":
        return _codestream(data, 2)
    declared: tuple[int, int] | None = None
    for box in boxes(data, 0, None):
        if box.kind == b"jp2h" and declared is None:
            content = inside(data, box)
            for inner in inner_boxes(content):
                if inner.kind == b"ihdr":
                    if declared is not None:
                        raise Doubt("two image headers")
                    height, width = struct.unpack(">II", in_box(content, inner.start, 8))
                    declared = width, height
        elif box.kind == b"jp2c":
            if take(data, box.start, 2) != b"\xff\x4f":
                raise Doubt("no code stream")
            size = _codestream(data, box.start + 2)
            if declared != (size.width, size.height):
                raise Doubt("the header and the code stream disagree about the size")
            return size
    raise Doubt("no code stream")


def _codestream(data: bytes, at: int) -> Size:
    if take(data, at, 2) != b"\xff\x51":
        raise Doubt("the code stream does not begin with a size")
    _, _, right, bottom, left, top = struct.unpack(">HHIIII", take(data, at + 2, 20))
    return Size(right - left, bottom - top)
