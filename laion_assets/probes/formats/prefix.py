"""What reading a header from the first bytes of a file can come to, in every format: a size, a lack, or a doubt.

Formats live in the modules beside this one; how a format is recognised, and what callers see, in ``probes.header``.
"""

from dataclasses import dataclass


class Short(Exception):  # noqa: N818 - not an error: the prefix ends before what is read
    """Nothing can be said before the first ``at_least_bytes`` bytes of the file are there."""

    def __init__(self, at_least_bytes: int) -> None:
        self.at_least_bytes = at_least_bytes


class Doubt(Exception):  # noqa: N818 - not an error: the header is not one to believe
    """The header contradicts itself, is broken, or means different sizes to different decoders."""


@dataclass(frozen=True)
class Size:
    """What a header says.

    Attributes:
        width: Stored width in px, before any EXIF rotation.
        height: Stored height in px, before any EXIF rotation.
        exif_orientation: 1 to 8 where the bytes read so far say so, else None.
        file_bytes: What the file must have at least to be decodable, where the header proves it.
    """

    width: int
    height: int
    exif_orientation: int | None = None
    file_bytes: int = 0


def take(data: bytes, start: int, count: int) -> bytes:
    """Exactly ``count`` bytes from ``start``.

    Raises:
        Short: The prefix is too short for them.
    """
    end = start + count
    if end > len(data):
        raise Short(end)
    return data[start:end]
