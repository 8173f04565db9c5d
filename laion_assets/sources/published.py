"""What a source says about its parts, and what goes wrong between it and us.

These are the words that other rooms share with this one. How each kind of source is asked lives in the module named
after it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

_COMPRESSION_SUFFIXES = {".gz", ".bz2", ".zst", ".xz"}
_SAFE_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}\Z")

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes held so far and the bytes in all, where those are known."""


class SourceError(RuntimeError):
    """A source cannot give what was asked; the message names the thing, the finding and the next step.

    Attributes:
        retryable: Whether asking again later, with nothing changed on our side, can help.
        retry_after_s: How long the source asked us to wait first.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ChecksumError(SourceError):
    """Whole bytes arrived, and they are not those the publisher gives the checksum or the size of."""


@dataclass(frozen=True)
class PublishedPart:
    """One published metadata file.

    Attributes:
        key: The partition key: short, and safe as a file name.
        uri: Where it is published, for people and records; holds no credentials and no signature.
        path: Its path within the source.
        size_bytes: Size, where the source tells it.
        sha256: Lower-case hex, where the source tells it.
        etag: The source's own mark of this version of the file, where it has one.
        revision: The commit the listing was pinned to, where the source has commits.
    """

    key: str
    uri: str
    path: str
    size_bytes: int | None = None
    sha256: str | None = None
    etag: str | None = None
    revision: str | None = None

    @property
    def file_name(self) -> str:
        """What the part is called in the lake: its key with the published file's extension."""
        return self.key + suffix_of(self.path)


@dataclass(frozen=True)
class Listing:
    """All parts of a source at one moment, in the order of their paths."""

    source_uri: str
    revision: str | None
    parts: tuple[PublishedPart, ...]

    def part(self, key: str) -> PublishedPart:
        """The part with this key.

        Raises:
            SourceError: The source does not publish such a part (any more).
        """
        for part in self.parts:
            if part.key == key:
                return part
        raise no_such_part(self.source_uri, key, [part.key for part in self.parts])


def no_such_part(source_uri: str, key: str, known: Sequence[str]) -> SourceError:
    """The error for a partition that the source does not publish (any more)."""
    return SourceError(
        f"{source_uri}: no part {key!r} among the {len(known)} published now ({', '.join(known[:3])}, …). "
        "Remove the partition, or point the source at the revision that had it."
    )


@dataclass(frozen=True)
class Fetched:
    """How a part came to us.

    Attributes:
        size_bytes: Size of the whole file.
        sha256: Of the whole file, as it lies on our disk.
        resumed_from_bytes: Bytes that were already here from an earlier attempt.
        seconds: From asking to verified, waits included.
    """

    size_bytes: int
    sha256: str
    resumed_from_bytes: int = 0
    seconds: float = field(default=0.0, compare=False)


class Source(Protocol):
    """A place where parts are published."""

    def list_parts(self) -> Listing:
        """All parts, at one revision where the source has revisions.

        Raises:
            SourceError: The source cannot be listed, lists nothing that matches, or two files would be the same part.
        """

    def find_part(self, key: str) -> PublishedPart:
        """One part as it is published now, asking the source for no more than that takes.

        Raises:
            SourceError: As `list_parts`, or there is no such part (any more).
        """

    def fetch(self, part: PublishedPart, destination: Path, *, on_progress: OnProgress | None = None) -> Fetched:
        """Bring a part to ``destination``, byte for byte as published, or leave nothing there.

        Killed or failed half-way, the next call with the same destination goes on from the ``.partial`` file beside it.

        Raises:
            ChecksumError: What arrived is not what was published.
            SourceError: The part cannot be had.
        """


def suffix_of(path: str) -> str:
    """The extension that says how a file is written: ``.parquet``, ``.tsv``, ``.jsonl.gz``; ``.data`` without one."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    if not suffixes or not _SAFE_SUFFIX.match(suffixes[-1]):
        return ".data"
    if suffixes[-1] in _COMPRESSION_SUFFIXES and len(suffixes) > 1 and _SAFE_SUFFIX.match(suffixes[-2]):
        return suffixes[-2] + suffixes[-1]
    return suffixes[-1]
