"""TIFF 6.0 and BigTIFF."""

import re
import struct

from laion_assets.probes.formats.exif import ORIENTATION_TAG
from laion_assets.probes.formats.prefix import Doubt, Size, take

_BYTE, _SHORT, _LONG, _UNDEFINED, _LONG8 = 1, 3, 4, 7, 16
_NEW_SUBFILE_TYPE, _IMAGE_WIDTH, _IMAGE_LENGTH, _XMP, _DNG_VERSION = 254, 256, 257, 700, 50706
_READ = frozenset({_NEW_SUBFILE_TYPE, _IMAGE_WIDTH, _IMAGE_LENGTH, ORIENTATION_TAG})
_MAX_ENTRIES = 4096
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def read_size(data: bytes) -> Size:
    """The first directory, wherever it lies, unless it is one of a thumbnail."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[2:4]
    if big:
        offset_bytes, zero, directory = struct.unpack(order + "HHQ", take(data, 4, 12))
        if (offset_bytes, zero) != (8, 0):
            raise Doubt("not a BigTIFF we know")
        count_form, entry_form, entry_bytes = order + "Q", order + "HHQ", 20
    else:
        (directory,) = struct.unpack(order + "I", take(data, 4, 4))
        if take(data, 8, 2) == b"CR":
            raise Doubt("a camera's raw file, whose first picture is a preview")
        count_form, entry_form, entry_bytes = order + "H", order + "HHI", 12
    count_bytes = struct.calcsize(count_form)
    if directory < 8:
        raise Doubt("no directory")
    (entries,) = struct.unpack(count_form, take(data, directory, count_bytes))
    if entries > _MAX_ENTRIES:
        raise Doubt(f"a directory of {entries} entries")
    table = take(data, directory + count_bytes, entries * entry_bytes)
    found: dict[int, int] = {}
    xmp: tuple[int, int] | None = None
    value_bytes = 8 if big else 4
    for at in range(0, len(table), entry_bytes):
        tag, type_, count = struct.unpack_from(entry_form, table, at)
        if tag == _DNG_VERSION:
            raise Doubt("a camera's raw file, whose first picture may be a preview")
        if tag == _XMP and xmp is None and count > value_bytes:
            if type_ not in (_BYTE, _UNDEFINED):
                raise Doubt("XMP of an odd type")
            (start,) = struct.unpack_from(order + ("Q" if big else "I"), table, at + entry_bytes - value_bytes)
            xmp = start, count
        if tag not in _READ:
            continue
        form = {_SHORT: "H", _LONG: "I", _LONG8: "Q" if big else None}.get(type_)
        if form is None or count != 1 or tag in found:
            raise Doubt(f"tag {tag} of the directory is malformed")
        (found[tag],) = struct.unpack_from(order + form, table, at + entry_bytes - value_bytes)
    if found.get(_NEW_SUBFILE_TYPE, 0) & 1:
        raise Doubt("the first picture is a reduced copy of another")
    if _IMAGE_WIDTH not in found or _IMAGE_LENGTH not in found:
        raise Doubt("a directory without a size")
    orientation = found.get(ORIENTATION_TAG)
    if orientation is None and xmp is not None:
        # Pillow looks there if the directory does not say.
        said = _XMP_ORIENTATION.search(take(data, *xmp))
        orientation = int(said[1]) if said else None
    # Decoders disagree with the file here: Pillow and OpenCV exchange width and height while decoding.
    if orientation is not None and 5 <= orientation <= 8:
        raise Doubt("stored on its side: decoders exchange width and height")
    return Size(
        found[_IMAGE_WIDTH],
        found[_IMAGE_LENGTH],
        orientation if orientation is not None and 1 <= orientation <= 4 else None,
    )
