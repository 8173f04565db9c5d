"""Bringing one part here whole: resumed where it stopped, never two versions in one file, verified, then renamed.

Where the bytes come from is an `Origin`'s business; this module owns the ``.partial`` file and the decision that what
arrived is what was published.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from laion_assets.sources.patience import Patience
from laion_assets.sources.published import ChecksumError, Fetched, OnProgress, PublishedPart, SourceError

# Progress that forgives earlier failures; less than this per attempt and a server could keep us busy for ever.
_PROGRESS_BYTES = 1 << 20
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Stream:
    """Bytes on their way.

    Attributes:
        start: Offset of the first byte: the one asked for, or 0 when the origin starts over.
        total_bytes: Size of the whole file, where the origin says so.
        validator: The origin's mark of this version, strong enough to put bytes of two answers together; else ``None``.
        chunks: The bytes.
    """

    start: int
    total_bytes: int | None
    validator: str | None
    chunks: Iterator[bytes]


class Origin(Protocol):
    """Something that can be read from an offset."""

    def open(self, start: int, validator: str | None) -> contextlib.AbstractContextManager[Stream]:
        """Begin to read at ``start`` if the file still is the version ``validator`` names, else at 0.

        Raises:
            SourceError: It cannot be read, now or ever.
        """


@dataclass(frozen=True)
class _Mark:
    """What the bytes of a ``.partial`` file are the beginning of.

    Attributes:
        uri: Where they are from.
        sha256: Of the whole file, where the source tells it.
        total_bytes: Size of the whole file, where anyone tells it.
        validator: The origin's mark of the version.
        boot: The run of this machine in which they were written: a power cut may leave holes, which only a checksum
            would find.
    """

    uri: str
    sha256: str | None
    total_bytes: int | None
    validator: str | None
    boot: str


def download(
    origin: Origin,
    part: PublishedPart,
    destination: Path,
    *,
    patience: Patience,
    on_progress: OnProgress | None = None,
    verify: Callable[[Path], None] | None = None,
) -> Fetched:
    """Bring a part to ``destination``.

    Args:
        origin: Where to read.
        part: What is expected.
        destination: Appears when whole and verified; ``.partial`` and ``.partial.json`` lie beside it until then.
        patience: How long to keep trying.
        on_progress: Called after each chunk.
        verify: A further test of the whole file, which raises `ChecksumError`.

    Raises:
        ChecksumError: Twice in a row, what arrived whole was not what was published.
        SourceError: The origin cannot be read.
        OSError: The disk is full, or not ours to write.
    """
    began = time.monotonic()
    destination.parent.mkdir(parents=True, exist_ok=True)
    held = _already_here(part, destination)
    if held is not None:
        return Fetched(held.size_bytes, held.sha256, held.size_bytes, time.monotonic() - began)
    growing = _Partial(destination, part)
    growing.resume()
    failures = 0
    mismatches = 0
    while True:
        before = growing.size_bytes
        try:
            if not growing.whole:
                growing.grow(origin, patience, on_progress)
            growing.verify(verify)
        except ChecksumError:
            # Damage on the way happens; bytes put together over several runs deserve the doubt too.
            growing.discard()
            mismatches += 1
            if mismatches > 1:
                raise
        except SourceError as error:
            failures = 1 if growing.size_bytes - before >= _PROGRESS_BYTES else failures + 1
            patience.pause(failures, error)
        else:
            break
    growing.finish()
    return Fetched(growing.size_bytes, growing.sha256, growing.resumed_from_bytes, time.monotonic() - began)


def sha256_of(path: Path) -> str:
    """Lower-case hex SHA-256 of a file."""
    return str(_hash(path).hexdigest())


class _Partial:
    """A file on its way: its bytes so far, their hash, and the mark that says what they are the beginning of."""

    def __init__(self, destination: Path, part: PublishedPart) -> None:
        self._destination = destination
        self._part = part
        self._bytes = destination.with_name(destination.name + ".partial")
        self._mark_file = destination.with_name(destination.name + ".partial.json")
        self._new_mark_file = destination.with_name(destination.name + ".partial.json.new")
        self._mark = self._expected(None, None)
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.resumed_from_bytes = 0
        """How many of the bytes are from an earlier run."""

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""
        return self._hash.hexdigest()

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, as far as anyone said how long the file is."""
        expected = self._part.size_bytes if self._part.size_bytes is not None else self._mark.total_bytes
        return expected is not None and self.size_bytes == expected and self._bytes.is_file()

    def resume(self) -> None:
        """Take up what an earlier run left, if it is the beginning of the same file."""
        try:
            mark = _Mark(**json.loads(self._mark_file.read_bytes()))
            size_bytes = self._bytes.stat().st_size
        except (OSError, ValueError, TypeError):
            return
        part = self._part
        same = mark == self._expected(mark.total_bytes, mark.validator)
        if part.sha256 is not None:
            same = mark.sha256 == part.sha256  # whatever it was called, and whatever else the source says
        elif part.etag is not None:
            same &= mark.validator == part.etag
        else:
            # A whole file is not asked for again, so nobody would tell us that it has changed.
            same &= mark.validator is not None and size_bytes != mark.total_bytes
        if not same:
            self.discard()
            return
        self._mark = mark
        self._hash = _hash(self._bytes)
        self.size_bytes = self.resumed_from_bytes = size_bytes

    def grow(self, origin: Origin, patience: Patience, on_progress: OnProgress | None) -> None:
        """Read to the end of the file."""
        vouched_for = self._part.sha256 is not None or self._mark.validator is not None
        with origin.open(self.size_bytes if vouched_for else 0, self._mark.validator) as stream:
            self._accept(stream)
            expected = self._mark.total_bytes
            self._refuse_if_no_room(expected)
            watch = _Slowness(self._part.uri, patience)
            with self._bytes.open("ab") as file:
                for chunk in stream.chunks:
                    file.write(chunk)
                    self._hash.update(chunk)
                    self.size_bytes += len(chunk)
                    if expected is not None and self.size_bytes > expected:
                        break
                    if on_progress is not None:
                        on_progress(self.size_bytes, expected)
                    watch.saw(len(chunk))
        if expected is not None and self.size_bytes < expected:
            raise SourceError(
                f"{self._part.uri}: the connection ended after {self.size_bytes:,} of {expected:,} bytes. "
                "Run again; what arrived is kept.",
                retryable=True,
            )

    def verify(self, further: Callable[[Path], None] | None) -> None:
        """Compare what arrived with what was published."""
        part = self._part
        if part.size_bytes is not None and self.size_bytes != part.size_bytes:
            raise ChecksumError(_mismatch(part, f"{self.size_bytes:,} bytes", f"{part.size_bytes:,}"))
        if self.sha256 != part.sha256 and (stand_in := _stand_in(part, self._bytes)) is not None:
            self.discard()
            raise stand_in
        if part.sha256 is not None and self.sha256 != part.sha256:
            raise ChecksumError(_mismatch(part, f"sha256 {self.sha256}", part.sha256))
        if further is not None:
            further(self._bytes)

    def discard(self) -> None:
        """Forget everything."""
        self._bytes.unlink(missing_ok=True)
        self._mark_file.unlink(missing_ok=True)
        self._mark = self._expected(None, None)
        self._hash = hashlib.sha256()
        self.size_bytes = self.resumed_from_bytes = 0

    def finish(self) -> None:
        """Give the file its name."""
        handle = os.open(self._bytes, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self._bytes.replace(self._destination)
        self._mark_file.unlink(missing_ok=True)
        self._new_mark_file.unlink(missing_ok=True)

    def _accept(self, stream: Stream) -> None:
        """Make sure that what comes continues what is here, or start over."""
        part = self._part
        total = stream.total_bytes if stream.total_bytes is not None else part.size_bytes
        if part.size_bytes is not None and total != part.size_bytes:
            self.discard()
            raise SourceError(
                f"{part.uri}: listed with {part.size_bytes:,} bytes, served with {total:,}: it changed in between, "
                "or is damaged at the source. Run again to list it anew.",
                retryable=True,
            )
        if stream.start not in (0, self.size_bytes):
            raise SourceError(
                f"{part.uri}: asked for bytes from {self.size_bytes:,}, answered from {stream.start:,}. "
                "Remove the proxy in between, or report it to the publisher.",
                retryable=True,
            )
        mark = self._expected(total, stream.validator)
        continues = stream.start == self.size_bytes and self.size_bytes > 0
        # With a checksum to come, only its word counts; without one, two versions must never meet in one file.
        if continues and part.sha256 is None and mark != self._mark:
            self.discard()
            raise SourceError(f"{part.uri}: changed at the source while it was fetched. Run again.", retryable=True)
        if not continues:
            self.discard()
            self._bytes.write_bytes(b"")
        self._mark = mark
        self._new_mark_file.write_text(json.dumps(asdict(mark)))
        self._new_mark_file.replace(self._mark_file)

    def _refuse_if_no_room(self, expected: int | None) -> None:
        if expected is None:
            return
        missing = expected - self.size_bytes
        if shutil.disk_usage(self._bytes.parent).free < missing:
            raise OSError(errno.ENOSPC, f"No space left on device for {missing:,} more bytes", str(self._bytes))

    def _expected(self, total_bytes: int | None, validator: str | None) -> _Mark:
        return _Mark(self._part.uri, self._part.sha256, total_bytes, validator, _boot())


class _Slowness:
    """Gives up on a stream that drips, as curl's ``--speed-limit`` does."""

    def __init__(self, shown: str, patience: Patience) -> None:
        self._shown = shown
        self._patience = patience
        self._since = time.monotonic()
        self._bytes = 0

    def saw(self, size_bytes: int) -> None:
        """Count bytes that came."""
        self._bytes += size_bytes
        elapsed = time.monotonic() - self._since
        if elapsed < self._patience.slow_for_s:
            return
        if self._bytes < elapsed * self._patience.slowest_bytes_per_s:
            raise SourceError(
                f"{self._shown}: {self._bytes:,} bytes in {elapsed:.0f} s. Run again later; what arrived is kept.",
                retryable=True,
            )
        self._since, self._bytes = time.monotonic(), 0


def _boot() -> str:
    """What changes when this machine starts anew; nothing where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _already_here(part: PublishedPart, destination: Path) -> Fetched | None:
    """What an earlier run finished and could not hand over, if a checksum vouches for it."""
    if not destination.is_file():
        return None
    if part.sha256 is not None and sha256_of(destination) == part.sha256:
        return Fetched(destination.stat().st_size, part.sha256)
    destination.unlink()
    return None


def _stand_in(part: PublishedPart, path: Path) -> SourceError | None:
    """Name the usual things that come with status 200 in place of a data file."""
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<!doctype xhtml")):
        return SourceError(
            f"{part.uri}: a web page came instead of the file. "
            "Open the address in a browser: it may want a sign-in, or a network here may intercept it."
        )
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return SourceError(
            f"{part.uri}: a Git LFS pointer is there instead of the file. Run `git lfs pull` where it is published."
        )
    return None


def _mismatch(part: PublishedPart, found: str, published: str) -> str:
    return (
        f"{part.uri}: {found} arrived where the publisher gives {published}, and fetching it again changed nothing. "
        "Nothing was kept; report it to the publisher."
    )


def _hash(path: Path) -> Any:  # noqa: ANN401 (hashlib's class has no public name)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest
