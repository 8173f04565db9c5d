"""AVIF and HEIF: ISO/IEC 23008-12, MIAF, AV1 image file format."""

from dataclasses import dataclass

from laion_assets.probes.formats.boxes import MAX_BOXES, boxes, in_box, inner_boxes, inside, int_in_box
from laion_assets.probes.formats.prefix import Doubt, Size


def brands_of(data: bytes) -> frozenset[bytes]:
    """The brands of a file type box, as far as they are there: the major one and the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 512)
    return frozenset({data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))})


@dataclass(frozen=True)
class _Item:
    kind: bytes
    size: tuple[int, int]
    quarter_turns: int
    """Anticlockwise, of the rotation the file asks for."""
    mirror_axis: int | None
    cropped: bool


def read_avif_size(data: bytes) -> Size:
    """The size libavif decodes: the primary item's or the sequence's; it leaves crop and rotation to others."""
    major, brands = data[8:12], brands_of(data)
    item: _Item | None = None
    track: tuple[int, int] | None = None
    for box in boxes(data, 0, None):
        if box.kind == b"meta" and item is None:
            item = _primary_item(inside(data, box))
        elif box.kind == b"moov" and track is None:
            track = _track_size(inside(data, box))
        if item is not None and (track is not None or major == b"avif" or b"avis" not in brands):
            break
        if track is not None and b"avif" not in brands:
            break
    if track is not None and major != b"avif":
        if item is not None and item.size != track:
            raise Doubt("the picture and the sequence in one file differ in size")
        return Size(*track, None if item is None else _orientation(item))
    if item is None:
        raise Doubt("no primary picture")
    if item.kind not in (b"av01", b"grid"):
        raise Doubt(f"the primary picture is a {item.kind!r}")
    return Size(*item.size, _orientation(item))


def read_heif_size(data: bytes) -> Size:
    """The primary item where nothing turns or crops it: decoders that do and decoders that do not then agree."""
    for box in boxes(data, 0, None):
        if box.kind == b"meta":
            item = _primary_item(inside(data, box))
            if item.kind not in (b"hvc1", b"grid"):
                raise Doubt(f"the primary picture is a {item.kind!r}")
            if item.cropped or item.quarter_turns % 2:
                raise Doubt("cropped or turned by the decoder")
            return Size(*item.size, _orientation(item))
        if box.kind == b"moov":
            raise Doubt("a sequence")
    raise Doubt("no primary picture")


_EXIF_OF_TURN = {(0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
                 (0, 0): 4, (0, 1): 2, (1, 0): 5, (1, 1): 7, (2, 0): 2, (2, 1): 4, (3, 0): 7, (3, 1): 5}  # fmt: skip
"""EXIF orientation for (anticlockwise quarter turns, axis mirrored about afterwards), as libavif maps them."""


def _orientation(item: _Item) -> int | None:
    return _EXIF_OF_TURN.get((item.quarter_turns, item.mirror_axis))


def _primary_item(meta: bytes) -> _Item:
    found: dict[bytes, bytes] = {}
    for box in inner_boxes(meta, 4):
        if box.kind in (b"pitm", b"iinf", b"iprp", b"iref"):
            if box.kind in found:
                raise Doubt(f"two {box.kind!r} boxes")
            found[box.kind] = meta[box.start : box.end]
    if not found.keys() >= {b"pitm", b"iinf", b"iprp"}:
        raise Doubt("the file's directory is incomplete")
    pitm = found[b"pitm"]
    primary = int_in_box(pitm, 4, 2 if int_in_box(pitm, 0, 1) == 0 else 4)
    if primary in _thumbnails(found.get(b"iref", bytes(4))):
        raise Doubt("the primary picture is a thumbnail of another")
    return _item(primary, _item_kind(found[b"iinf"], primary), found[b"iprp"])


def _thumbnails(iref: bytes) -> set[int]:
    """The items that refer to another as its thumbnail."""
    id_bytes = 2 if int_in_box(iref, 0, 1) == 0 else 4
    return {int_in_box(iref, box.start, id_bytes) for box in inner_boxes(iref, 4) if box.kind == b"thmb"}


def _item_kind(iinf: bytes, primary: int) -> bytes:
    for box in inner_boxes(iinf, 6 if int_in_box(iinf, 0, 1) == 0 else 8):
        if box.kind != b"infe":
            continue
        entry = iinf[box.start : box.end]
        version = int_in_box(entry, 0, 1)
        id_bytes = {2: 2, 3: 4}.get(version)
        if id_bytes is None:
            raise Doubt(f"an item of version {version}")
        if int_in_box(entry, 4, id_bytes) == primary:
            return in_box(entry, 6 + id_bytes, 4)
    raise Doubt("the primary picture is not listed")


def _item(primary: int, kind: bytes, iprp: bytes) -> _Item:
    properties: list[tuple[bytes, bytes]] = []
    associated: list[int] = []
    seen = False
    for box in inner_boxes(iprp):
        content = iprp[box.start : box.end]
        if box.kind == b"ipco":
            properties = [(inner.kind, content[inner.start : inner.end]) for inner in inner_boxes(content)]
        elif box.kind == b"ipma":
            found = _associations(content, primary)
            if found is not None and seen:
                raise Doubt("two lists of properties for one picture")
            if found is not None:
                associated, seen = found, True
    size: tuple[int, int] | None = None
    turns, mirror, cropped = 0, None, False
    for index in associated:
        if index == 0:
            continue
        if index > len(properties):
            raise Doubt("a property that is not there")
        name, content = properties[index - 1]
        if name == b"ispe":
            if size is not None:
                raise Doubt("two sizes for one picture")
            size = int_in_box(content, 4, 4), int_in_box(content, 8, 4)
        elif name == b"irot":
            turns = int_in_box(content, 0, 1) & 3
        elif name == b"imir":
            mirror = int_in_box(content, 0, 1) & 1
        elif name == b"clap":
            cropped = True
    if size is None:
        raise Doubt("the primary picture has no size")
    return _Item(kind, size, turns, mirror, cropped)


def _associations(ipma: bytes, primary: int) -> list[int] | None:
    """The 1-based property indices of one item, or None where this box says nothing about it."""
    version, wide = int_in_box(ipma, 0, 1), int_in_box(ipma, 3, 1) & 1
    id_bytes, index_bytes = (2 if version == 0 else 4), (2 if wide else 1)
    at = 8
    for _ in range(min(MAX_BOXES, int_in_box(ipma, 4, 4))):
        item = int_in_box(ipma, at, id_bytes)
        count = int_in_box(ipma, at + id_bytes, 1)
        at += id_bytes + 1
        indices = in_box(ipma, at, count * index_bytes)
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
    for box in inner_boxes(moov):
        if box.kind != b"trak":
            continue
        trak = moov[box.start : box.end]
        for inner in inner_boxes(trak):
            if inner.kind == b"tkhd":
                header = trak[inner.start : inner.end]
                at = 88 if int_in_box(header, 0, 1) == 1 else 76
                sizes.add((int_in_box(header, at, 4) >> 16, int_in_box(header, at + 4, 4) >> 16))
    if len(sizes) > 1:
        raise Doubt("tracks of different sizes")
    return next(iter(sizes), None)
