"""The two places a lake can lie, behind one face: a local folder, or a bucket that speaks S3.

Only bytes and their visibility live here: what a path may look like is decided in ``lake``, what is inside a file by
whoever wrote it.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from laion_assets.lake import scratch
from laion_assets.lake.errors import LakeError, is_no_room
from laion_assets.lake.s3 import block_bytes, is_no_bucket, polars_storage_options, s3_errors, s3_files, s3_finding


class Store(Protocol):
    """What a lake needs of the place it lies in."""

    def exists(self, uri: str) -> bool:
        """Whether a finished file is there."""

    def size_bytes(self, uri: str) -> int:
        """Size of a finished file; FileNotFoundError without one."""

    def list_names(self, folder: str) -> list[str]:
        """Names of the finished files directly in a folder, in no particular order."""

    def scratch(self, uri: str, *, resumable: bool) -> contextlib.AbstractContextManager[Path]:
        """A local folder to write in until publication; publication may fail, or never happen."""

    def reveal(self, files: Sequence[tuple[Path, str]]) -> None:
        """Make written files visible, each at once and whole, in the order given."""

    def local_file(self, uri: str) -> contextlib.AbstractContextManager[Path]:
        """The file as one on this machine's disks."""

    def delete(self, uri: str) -> None:
        """Remove a file; nothing happens when there is none."""

    def storage_options(self) -> dict[str, str] | None:
        """What polars needs to know to read from here."""


class LocalStore:
    """A folder on a filesystem with atomic renames."""

    def exists(self, uri: str) -> bool:
        """Whether a finished file is there."""
        return Path(uri).is_file()

    def size_bytes(self, uri: str) -> int:
        """Size of a finished file; FileNotFoundError without one."""
        return Path(uri).stat().st_size

    def list_names(self, folder: str) -> list[str]:
        """Names of the finished files directly in a folder, in no particular order."""
        try:
            with os.scandir(folder) as entries:
                return [entry.name for entry in entries if not scratch.is_scratch(entry.name) and entry.is_file()]
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def scratch(self, uri: str, *, resumable: bool) -> Iterator[Path]:
        """A folder beside the file, so that a rename publishes it."""
        folder = Path(uri).parent
        with contextlib.ExitStack() as stack:
            with _writing(uri):
                _make_durably(folder)
                scratch.sweep(folder)
                opened = scratch.resumable(folder, Path(uri).name) if resumable else scratch.private(folder)
                path = stack.enter_context(opened)
            yield path

    def reveal(self, files: Sequence[tuple[Path, str]]) -> None:
        """Flush all bytes, then rename one by one, each rename durable before the next."""
        for written, uri in files:
            with _writing(uri):
                _flush(written)
        for written, uri in files:
            with _writing(uri):
                _make_durably(Path(uri).parent)
                _move(written, Path(uri))

    @contextlib.contextmanager
    def local_file(self, uri: str) -> Iterator[Path]:
        """The file itself."""
        path = Path(uri)
        path.stat()
        yield path

    def delete(self, uri: str) -> None:
        """Remove a file; nothing happens when there is none."""
        with contextlib.suppress(FileNotFoundError):
            Path(uri).unlink()
            _flush(Path(uri).parent)

    def storage_options(self) -> dict[str, str] | None:
        """Nothing: polars reads files by itself."""
        return None


class S3Store:
    """A bucket. An object becomes visible when its upload is complete, so uploading is publishing."""

    def __init__(self) -> None:
        self._files = s3_files()

    def exists(self, uri: str) -> bool:
        """Whether a finished object is there."""
        with _explained(uri):
            try:
                return bool(self._files.info(uri)["type"] == "file")
            except FileNotFoundError:
                return False

    def size_bytes(self, uri: str) -> int:
        """Size of a finished object; FileNotFoundError without one."""
        with _explained(uri):
            return int(self._files.info(uri)["size"])

    def list_names(self, folder: str) -> list[str]:
        """Names of the objects directly under a prefix, in no particular order."""
        with _explained(folder):
            try:
                entries = self._files.ls(folder, detail=True, refresh=True)
            except FileNotFoundError:
                return []
        names = [entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file"]
        return [name for name in names if name and not scratch.is_scratch(name)]

    @contextlib.contextmanager
    def scratch(self, uri: str, *, resumable: bool) -> Iterator[Path]:
        """A folder in this machine's temporary folder."""
        folder = scratch.temporary_folder()
        scratch.sweep(folder)
        with scratch.resumable(folder, uri) if resumable else scratch.private(folder) as path:
            yield path

    def reveal(self, files: Sequence[tuple[Path, str]]) -> None:
        """Upload one after the other."""
        for written, uri in files:
            with _explained(uri):
                self._files.put_file(str(written), uri, chunksize=block_bytes(written.stat().st_size))

    @contextlib.contextmanager
    def local_file(self, uri: str) -> Iterator[Path]:
        """A copy that lives as long as the block."""
        folder = scratch.temporary_folder()
        scratch.sweep(folder)
        with scratch.private(folder) as path:
            copy = path / uri.rsplit("/", 1)[-1]
            with _explained(uri):
                etag = None
                # Large objects come in several requests: one replaced in between would be glued from two.
                while etag != (now := self._files.info(uri)["ETag"]):
                    etag = now
                    self._files.get_file(uri, str(copy))
            yield copy

    def delete(self, uri: str) -> None:
        """Remove an object; nothing happens when there is none."""
        with _explained(uri), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(uri)

    def storage_options(self) -> dict[str, str] | None:
        """Endpoint and region; polars finds the credentials by itself."""
        return polars_storage_options()


@contextlib.contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn what S3 and its client can say into one sentence; that a file is not there stays FileNotFoundError."""
    try:
        yield
    except s3_errors() as error:
        absent = isinstance(error, FileNotFoundError) and not is_no_bucket(error)
        if absent or is_no_room(error):
            raise
        finding = s3_finding(uri, error)
        raise LakeError(f"{uri}: {finding.sentence}", retryable=finding.retryable) from error


@contextlib.contextmanager
def _writing(uri: str) -> Iterator[None]:
    """Say whose fault it is when a local folder cannot be written; that it is full is told elsewhere."""
    try:
        yield
    except OSError as error:
        if is_no_room(error):
            raise
        raise LakeError(
            f"{uri}: cannot be written ({error.strerror}: {error.filename}). "
            "Check that the lake's folder is there and yours to write."
        ) from error


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move(written: Path, target: Path) -> None:
    try:
        written.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Files of one pass share the last one's scratch, and somebody has put this one's folder on another disk.
        with scratch.private(target.parent) as beside:
            copy = beside / target.name
            shutil.copyfile(written, copy)
            _flush(copy)
            copy.replace(target)
    _flush(target.parent)


def _make_durably(folder: Path) -> None:
    """Make a folder and its missing parents so that they survive a power cut."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _flush(path.parent)


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user may still write where ``path`` lies."""
    return shutil.disk_usage(path).free
