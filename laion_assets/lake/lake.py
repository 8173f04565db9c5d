"""The lake: a path per asset and name, and files that are either not there or whole.

Every byte the platform keeps goes through here, to a local folder or to S3 by the same calls. What the bytes mean is
the business of the room that wrote them.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from laion_assets.lake.errors import LakeError, UnsafePathError, is_no_room
from laion_assets.lake.parquet import write_parquet
from laion_assets.lake.stores import LocalStore, S3Store, Store, free_bytes

# Letters, digits and what part names need: means the same on every filesystem, in S3, in a URL and in a glob.
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@-]{0,199}\Z", re.ASCII)


@dataclass(frozen=True)
class Lake:
    """Where our bytes live.

    Attributes:
        base_uri: A folder (``/abs/folder``, ``file:///abs/folder``, or relative to the working directory) or
            ``s3://bucket/prefix``, for which the usual ``AWS_…`` variables hold, ``AWS_ENDPOINT_URL`` among them.

    Example:
        >>> lake = Lake("/data/lake")
        >>> lake.uri(["laion_hr", "raw_metadata"], "part-00000.parquet")
        '/data/lake/laion_hr/raw_metadata/part-00000.parquet'
    """

    base_uri: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_uri", _normal_base(self.base_uri))

    def uri(self, asset: Sequence[str], name: str) -> str:
        """Where a file of an asset lies.

        Args:
            asset: The asset's key, segment by segment.
            name: File name, or a relative path with ``/`` for assets that keep folders.

        Raises:
            UnsafePathError: A segment is empty, starts with a dot, or is not made of letters, digits and ``._=+@-``.
        """
        return "/".join([self._folder(asset), *_checked(name.split("/"), name)])

    def exists(self, uri: str) -> bool:
        """Whether a finished file is there."""
        return self._store(uri).exists(uri)

    def size_bytes(self, uri: str) -> int:
        """Size of a finished file in bytes."""
        with self._must_exist(uri):
            return self._store(uri).size_bytes(uri)

    def list_names(self, asset: Sequence[str], suffix: str = "") -> list[str]:
        """Names of the finished files directly under an asset, sorted; never scratch."""
        folder = self._folder(asset)
        return sorted(name for name in self._store().list_names(folder) if name.endswith(suffix))

    @contextlib.contextmanager
    def publish(self, uri: str) -> Iterator[Path]:
        """Write one file so that readers see all of it or nothing.

        Yields:
            A local path to write. When the block ends well the file becomes visible at ``uri``, replacing one that was
            there; when it raises, or the process dies, nothing changes and nothing is left.

        Example:
            >>> with lake.publish(uri) as path:
            ...     frame.sink_parquet(path)
        """
        with self._publishing([uri], resumable=False) as paths:
            yield paths[0]

    @contextlib.contextmanager
    def publish_many(self, uris: Sequence[str]) -> Iterator[list[Path]]:
        """Write several files in one pass; as ``publish``, for each of them.

        They become visible in the order given, so that the last one vouches for the others.
        """
        with self._publishing(uris, resumable=False) as paths:
            yield paths

    @contextlib.contextmanager
    def publish_resumable(self, uri: str) -> Iterator[Path]:
        """As ``publish``, but what was written is still there the next time when this time fails or dies.

        The path is the same every time and lies in a folder of its own, in which the writer may keep files that help it
        resume. Another living writer of the same file gets a private, empty folder instead.
        """
        with self._publishing([uri], resumable=True) as paths:
            yield paths[0]

    def write_bytes(self, uri: str, content: bytes) -> int:
        """Publish bytes; returns how many."""
        with self.publish(uri) as path:
            path.write_bytes(content)
        return len(content)

    def read_bytes(self, uri: str) -> bytes:
        """All bytes of a finished file."""
        with self.local_file(uri) as path:
            return path.read_bytes()

    def write_json(self, uri: str, value: Any) -> int:  # noqa: ANN401 (anything JSON can hold)
        """Publish a value as JSON, the same bytes for the same value; returns how many."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
        return self.write_bytes(uri, text.encode())

    def read_json(self, uri: str) -> Any:  # noqa: ANN401 (anything JSON can hold)
        """The value in a JSON file."""
        content = self.read_bytes(uri)
        try:
            return json.loads(content)
        except ValueError as error:
            raise LakeError(f"{uri}: not JSON ({error}). Materialise its asset again.") from error

    def write_parquet(self, uri: str, frame: pl.DataFrame) -> int:
        """Publish a frame as parquet, the same bytes for the same rows; returns how many bytes."""
        with self.publish(uri) as path:
            write_parquet(frame, path)
            return path.stat().st_size

    def scan_parquet(self, uri: str | Sequence[str]) -> pl.LazyFrame:
        """Lazy rows of one file, or of several in the order given."""
        uris = [uri] if isinstance(uri, str) else list(uri)
        if not uris:
            raise LakeError(
                "nothing to read: no file of the asset is in the lake. Materialise at least one part first."
            )
        store = self._store(*uris)
        for one in uris if isinstance(store, LocalStore) else uris[:1]:  # on S3 each look is a request
            if not store.exists(one):
                raise LakeError(_absent(one))
        # No glob: a base folder may well be called "data [old]".
        return pl.scan_parquet(uris, glob=False, storage_options=store.storage_options())

    @contextlib.contextmanager
    def local_file(self, uri: str) -> Iterator[Path]:
        """The file on this machine: itself when the lake is local, else a copy that lives as long as the block."""
        with contextlib.ExitStack() as stack:
            with self._must_exist(uri):
                path = stack.enter_context(self._store(uri).local_file(uri))
            yield path

    def delete(self, uri: str) -> None:
        """Remove a file; nothing happens when there is none."""
        self._store(uri).delete(uri)

    def _folder(self, asset: Sequence[str]) -> str:
        if isinstance(asset, str) or not asset:
            raise UnsafePathError(f"{asset!r} is not an asset key. Give a list such as ['laion_hr', 'raw_metadata'].")
        return "/".join([self.base_uri, *_checked(asset, "/".join(asset))])

    def _store(self, *uris: str) -> Store:
        for uri in uris:
            inside = uri.removeprefix(self.base_uri + "/")
            if inside == uri:
                raise UnsafePathError(f"{uri!r} is not in the lake at {self.base_uri}. Make URIs with lake.uri().")
            _checked(inside.split("/"), uri)
        return S3Store() if self.base_uri.startswith("s3://") else LocalStore()

    @contextlib.contextmanager
    def _publishing(self, uris: Sequence[str], *, resumable: bool) -> Iterator[list[Path]]:
        if len(set(uris)) != len(uris) or not uris:
            raise LakeError(f"cannot publish {list(uris)}: give each file once, and at least one.")
        store = self._store(*uris)
        folder: Path | None = None
        try:
            # The last file's folder, since that is the file that must not fail to appear.
            with store.scratch(uris[-1], resumable=resumable) as folder:
                paths = [_scratch_path(folder, position, uri) for position, uri in enumerate(uris)]
                yield paths
                for path, uri in zip(paths, uris, strict=True):
                    if not path.is_file():
                        raise LakeError(f"{uri}: nothing was written to {path.name}, so nothing was published.")
                store.reveal(list(zip(paths, uris, strict=True)))
        except (OSError, pl.exceptions.PolarsError, MemoryError) as error:
            if not is_no_room(error):
                raise
            place = folder.parent if folder else Path(self.base_uri)
            raise LakeError(
                f"{uris[-1]}: no room to write it, {_free(place)} free at {place}. "
                "Free some space or point the lake elsewhere, then run again; nothing half-written was left."
            ) from error

    @contextlib.contextmanager
    def _must_exist(self, uri: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise LakeError(_absent(uri)) from error


def _scratch_path(folder: Path, position: int, uri: str) -> Path:
    """Names may repeat between assets, so each file but the first gets a folder of its own."""
    if position:
        folder = folder / str(position)
        folder.mkdir(exist_ok=True)
    return folder / uri.rsplit("/", 1)[-1]


def _checked(segments: Sequence[str], whole: str) -> Sequence[str]:
    for segment in segments:
        if not isinstance(segment, str) or not _SEGMENT.match(segment):
            raise UnsafePathError(
                f"{whole!r}: {segment!r} is not a safe file name. Use letters, digits and ._=+@-, at most 200, "
                "not starting with a dot or a dash."
            )
    return segments


def _normal_base(base_uri: str) -> str:
    scheme, separator, rest = base_uri.partition("://")
    if not separator:
        if not base_uri.strip():
            raise UnsafePathError("the lake has an empty base URI. Give a folder or s3://bucket/prefix.")
        return os.path.abspath(Path(base_uri).expanduser())  # noqa: PTH100 (resolve() would follow symlinks)
    if scheme == "file":
        parts = urlsplit(base_uri)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise UnsafePathError(f"{base_uri!r} names another machine. Write file:///folder with three slashes.")
        return os.path.abspath(unquote(parts.path))  # noqa: PTH100
    if scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        segments = [segment for segment in prefix.split("/") if segment]
        _checked([bucket, *segments], base_uri)
        return "/".join([f"s3://{bucket}", *segments])
    raise UnsafePathError(f"{base_uri!r}: a lake lies in a local folder or in s3://bucket/prefix, not in {scheme}://.")


def _absent(uri: str) -> str:
    return f"{uri} is not in the lake. Materialise its asset for this part first."


def _free(place: Path) -> str:
    try:
        return f"{free_bytes(place) / 1e6:,.1f} MB"
    except OSError:
        return "an unknown amount"
