"""Boxes: ISO/IEC 14496-12, and JPEG 2000 (ISO/IEC 15444-1, annex I)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from laion_assets.probes.formats.prefix import Doubt, Short, take

MAX_BOXES = 4096


@dataclass(frozen=True)
class Box:
    """One box, by where its content lies."""

    kind: bytes
    start: int
    """Of the content."""
    end: int | None
    """Of the content; None where the box runs to the end of the file."""


def boxes(data: bytes, start: int, end: int | None) -> Iterator[Box]:
    """The boxes between two positions. Runs off the prefix with the word how much is needed for the next box's head."""
    at = start
    for _ in range(MAX_BOXES):
        if end is not None and at >= end:
            return
        if end is not None and at + 8 > end:
            raise Doubt("a box sticks out of its parent")
        length, kind = struct.unpack(">I4s", take(data, at, 8))
        head = 8
        if length == 1:
            length, head = int.from_bytes(take(data, at + 8, 8), "big"), 16
        if length == 0:
            yield Box(kind, at + head, end)
            return
        if length < head or (end is not None and at + length > end):
            raise Doubt("a box sticks out of its parent")
        yield Box(kind, at + head, at + length)
        at += length
    raise Doubt(f"more than {MAX_BOXES} boxes in a row")


def inner_boxes(content: bytes, start: int = 0) -> Iterator[Box]:
    """The boxes in the content of a box that is all there, so that running off it is a contradiction."""
    try:
        yield from boxes(content, start, len(content))
    except Short:
        raise Doubt("a box sticks out of its parent") from None


def inside(data: bytes, box: Box) -> bytes:
    """The content of a box, which must all be there."""
    if box.end is None:
        raise Doubt(f"a {box.kind!r} box without an end")
    return take(data, box.start, box.end - box.start)


def in_box(content: bytes, start: int, count: int) -> bytes:
    """Like ``take``, for the content of a box that is all there: running off it is a contradiction, not a lack."""
    if start + count > len(content):
        raise Doubt("a box is too short for what it must hold")
    return content[start : start + count]


def int_in_box(content: bytes, start: int, count: int) -> int:
    """A big-endian number in the content of a box that is all there."""
    return int.from_bytes(in_box(content, start, count), "big")
