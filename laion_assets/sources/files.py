"""Parts on this machine's disks or in a bucket: a folder, a file, or a glob over either."""

import contextlib
import errno
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from laion_assets.lake.s3 import s3_errors, s3_files, s3_finding
from laion_assets.sources.checksums import CHECKSUM_LIST, CHECKSUM_SUFFIX, MAX_CHECKSUM_FILE_BYTES, checksums_by_name
from laion_assets.sources.http_origin import HttpOrigin
from laion_assets.sources.patience import DEFAULT_PATIENCE, Patience
from laion_assets.sources.patterns import has_magic, matcher, part_key, refuse_repeated_keys, static_prefix
from laion_assets.sources.published import Fetched, Listing, OnProgress, PublishedPart, SourceError
from laion_assets.sources.spec import SourceSpec
from laion_assets.sources.transfer import Stream, download

_READ_BYTES = 1 << 20
# Nothing is there, or nothing can be: a folder of that name, a name longer than names may be.
_NO_SUCH_FILE = {errno.ENOENT, errno.EISDIR, errno.ENAMETOOLONG}

_ReadChecksums = Callable[[Path], Mapping[str, str]]


@dataclass(frozen=True)
class LocalSource:
    """Files in a folder of this machine."""

    spec: SourceSpec
    patience: Patience = DEFAULT_PATIENCE

    def list_parts(self) -> Listing:
        """All matching files, hidden ones left out."""
        folder, pattern = self._folder_and_pattern()
        wanted = matcher(pattern)
        if not folder.is_dir():
            raise SourceError(f"{self.spec.uri}: there is no folder {folder}. Correct the source URI.")
        if pattern and (folder / pattern).is_file():
            names = [pattern]
        elif pattern and not has_magic(pattern) and "{" not in pattern:
            names = sorted(path.name for path in folder.iterdir())  # a name that is not there: perhaps a misspelt one
        else:
            names = sorted(_files_below(folder))
        checksums_in = functools.cache(_checksums_in)  # a list is read once, however many parts it speaks of
        found = (self._part(folder, name, checksums_in) for name in names if name == pattern or wanted.match(name))
        parts = [part for part in found if part]
        if not parts:
            there = ", ".join(names[:5]) or "no file at all"
            raise SourceError(f"{self.spec.uri}: no part matches; {folder} holds {there}. Correct the source URI.")
        return Listing(self.spec.uri, None, refuse_repeated_keys(self.spec.uri, parts))

    def find_part(self, key: str) -> PublishedPart:
        """One part."""
        return self.list_parts().part(key)

    def fetch(self, part: PublishedPart, destination: Path, *, on_progress: OnProgress | None = None) -> Fetched:
        """Copy a part."""
        origin = _LocalOrigin(Path(part.uri))
        return download(origin, part, destination, patience=self.patience, on_progress=on_progress)

    def _folder_and_pattern(self) -> tuple[Path, str]:
        """The deepest folder that is really there, and what is asked for below it.

        A folder called ``data [old]`` is a folder, not a pattern.
        """
        uri = self.spec.uri
        path = unquote(urlsplit(uri).path) if uri.startswith("file://") else str(Path(uri).expanduser())
        # abspath, as resolve() would give the files names the user never wrote.
        segments = os.path.abspath(path).strip("/").split("/")  # noqa: PTH100
        folder = Path("/")
        while segments and (folder / segments[0]).is_dir():
            folder /= segments.pop(0)
        if static := static_prefix("/".join(segments)):
            folder /= static  # is not there, and the error should say so
            segments = segments[static.count("/") + 1 :]
        return folder, "/".join(segments)

    def _part(self, folder: Path, name: str, checksums_in: _ReadChecksums) -> PublishedPart | None:
        """A file as it is published; none when it went away since it was listed, or is a link to nothing."""
        path = folder / name
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(
                f"{path}: cannot be looked at ({error.strerror}). Check that it is readable for you."
            ) from None
        return PublishedPart(
            key=part_key(name, self.spec.part_key),
            uri=str(path),
            path=name,
            size_bytes=status.st_size,
            sha256=_checksum_beside(path, checksums_in),
            etag=_validator(status),
        )


@dataclass(frozen=True)
class BucketSource:
    """Objects under a prefix of an S3 bucket, public ones without credentials too."""

    spec: SourceSpec
    patience: Patience = DEFAULT_PATIENCE

    def list_parts(self) -> Listing:
        """All matching objects."""
        return self.patience.insist(self._list)

    def find_part(self, key: str) -> PublishedPart:
        """One part."""
        return self.list_parts().part(key)

    def fetch(self, part: PublishedPart, destination: Path, *, on_progress: OnProgress | None = None) -> Fetched:
        """Bring a part here, through a signed address: S3's own ranges and etags make it resumable."""
        origin = HttpOrigin(locate=lambda: self._signed(part.uri), shown=part.uri, silence_s=self.patience.silence_s)
        return download(origin, part, destination, patience=self.patience, on_progress=on_progress)

    def _list(self) -> Listing:
        uri = self.spec.uri
        bucket, _, pattern = uri.removeprefix("s3://").partition("/")
        folder = "/".join(segment for segment in (bucket, static_prefix(pattern)) if segment)
        wanted = matcher(pattern)
        objects: dict[str, Any] = self._ask(lambda files: files.find(folder, detail=True))
        names = sorted(name.removeprefix(f"{bucket}/") for name in objects)
        found = [name for name in names if wanted.match(name)]
        if not found:
            there = ", ".join(names[:5]) or "no object at all"
            raise SourceError(f"{uri}: no part matches; s3://{folder} holds {there}. Correct the source URI.")
        checksums = self._checksums(bucket, found, set(names))
        parts = [
            PublishedPart(
                key=part_key(name, self.spec.part_key),
                uri=f"s3://{bucket}/{name}",
                path=name,
                size_bytes=int(objects[f"{bucket}/{name}"]["size"]),
                sha256=checksums.get(name),
                etag=objects[f"{bucket}/{name}"].get("ETag"),
            )
            for name in found
        ]
        return Listing(uri, None, refuse_repeated_keys(uri, parts))

    def _checksums(self, bucket: str, found: list[str], names: set[str]) -> dict[str, str]:
        """Checksums by object name, from the checksum files among the listed ones."""
        checksums = {}
        for beside in sorted({f"{name.rpartition('/')[0]}/{CHECKSUM_LIST}".lstrip("/") for name in found} & names):
            folder = beside.rpartition("/")[0]
            for name, checksum in checksums_by_name(self._text(bucket, beside)).items():
                checksums[f"{folder}/{name}".lstrip("/")] = checksum
        for name in found:
            if name not in checksums and name + CHECKSUM_SUFFIX in names:
                own = checksums_by_name(self._text(bucket, name + CHECKSUM_SUFFIX))
                checksums[name] = next(iter(own.values()), "")
        return {name: checksum for name, checksum in checksums.items() if checksum}

    def _text(self, bucket: str, name: str) -> str:
        content: bytes = self._ask(
            lambda files: files.cat_file(f"{bucket}/{name}", start=0, end=MAX_CHECKSUM_FILE_BYTES)
        )
        return content.decode("utf-8", "replace")

    def _signed(self, uri: str) -> str:
        return str(self._ask(lambda files: files.url(uri, expires=6 * 3600)))

    def _ask(self, call: Any) -> Any:  # noqa: ANN401 (s3fs has no types)
        try:
            return call(s3_files())
        except s3_errors() as error:
            finding = s3_finding(self.spec.uri, error)
            if not finding.no_credentials:
                raise SourceError(f"{self.spec.uri}: {finding.sentence}", retryable=finding.retryable) from None
        try:
            return call(s3_files(anonymous=True))
        except s3_errors() as error:
            finding = s3_finding(self.spec.uri, error)
            raise SourceError(
                f"{self.spec.uri}: without credentials, {finding.sentence} Set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY if the bucket is not public.",
                retryable=finding.retryable,
            ) from None


@dataclass(frozen=True)
class _LocalOrigin:
    path: Path

    @contextlib.contextmanager
    def open(self, start: int, validator: str | None) -> Iterator[Stream]:
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise SourceError(
                f"{self.path}: cannot be read ({error.strerror}). Check that it is still there and readable for you."
            ) from None
        with file:
            status = os.fstat(file.fileno())
            now = _validator(status)
            if validator != now:
                start = 0
            file.seek(start)
            yield Stream(start, status.st_size, now, iter(lambda: file.read(_READ_BYTES), b""))


def _validator(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def _files_below(folder: Path) -> Iterator[str]:
    """Paths relative to the folder, hidden ones left out."""
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(where).relative_to(folder)
        yield from ((below / name).as_posix() for name in names if not name.startswith("."))


def _checksum_beside(path: Path, checksums_in: _ReadChecksums) -> str | None:
    """The checksum that the publisher put beside a file, if any."""
    listed = checksums_in(path.parent / CHECKSUM_LIST).get(path.name)
    return listed or next(iter(checksums_in(path.with_name(path.name + CHECKSUM_SUFFIX)).values()), None)


def _checksums_in(file: Path) -> Mapping[str, str]:
    """What a file of checksums says, nothing where there is none.

    Raises:
        SourceError: It is there and cannot be read: parts must not pass for parts without checksums.
    """
    try:
        return checksums_by_name(file.read_text("utf-8", "replace"))
    except OSError as error:
        if error.errno in _NO_SUCH_FILE:
            return {}
        raise SourceError(
            f"{file}: the checksums cannot be read ({error.strerror}). Make it readable for you, or remove it."
        ) from None
