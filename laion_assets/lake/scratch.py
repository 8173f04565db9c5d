"""Scratch folders: where files grow before anyone may see them.

A scratch folder lies beside the file it is for, so that publishing is a rename within one filesystem, and its name
starts with a dot, so that no listing shows it. The writer holds a lock on it for as long as it lives; the kernel drops
the lock with the process, however it dies, so whoever can take the lock knows that the writer is dead and may sweep.
Publishing itself lives in ``stores``.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from laion_assets.lake.errors import is_no_room

PREFIX = ".scratch-"
RESUMABLE_PREFIX = ".resume-"
_LOCK = ".lock"

# A writer takes its lock microseconds after making its folder; a folder still without one after this is nobody's.
_UNLOCKED_GRACE_S = 60.0
# A download that nobody has resumed for this long will not be resumed.
RESUMABLE_KEPT_S = 7 * 24 * 3600.0

_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


@contextlib.contextmanager
def private(folder: Path) -> Iterator[Path]:
    """A fresh folder inside ``folder``, gone when the block ends, whichever way it ends."""
    while True:
        path = folder / f"{PREFIX}{secrets.token_hex(8)}"
        path.mkdir()
        lock = _lock(path)
        if lock is not None:
            break
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


@contextlib.contextmanager
def resumable(folder: Path, name: str) -> Iterator[Path]:
    """The same folder every time for one name: kept when the block fails or dies, gone when it ends well.

    While another living writer holds it, a private folder is given instead: correct, though it starts from nothing.
    """
    # A hash, because the name may already be as long as a file name can be.
    path = folder / f"{RESUMABLE_PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    path.mkdir(exist_ok=True)
    lock = _lock(path)
    if lock is None:
        with private(folder) as other:
            yield other
        return
    try:
        os.utime(path)
        yield path
        shutil.rmtree(path, ignore_errors=True)
    except BaseException as error:
        if is_no_room(error):  # what is kept would be in the way of whoever makes room
            shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        _remove_if_empty(path)
        os.close(lock)


def sweep(folder: Path) -> int:
    """Remove what dead writers left directly inside ``folder``; never touches a living writer's. Returns how many."""
    swept = 0
    try:
        paths = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return 0
    for path in paths:
        given_up = path.name.startswith(RESUMABLE_PREFIX) and _age_s(path) > RESUMABLE_KEPT_S
        if given_up or path.name.startswith(PREFIX):
            swept += _remove_if_dead(path)
    return swept


def is_scratch(name: str) -> bool:
    """Whether a file or folder name is not for readers."""
    return name.startswith(".")


def temporary_folder() -> Path:
    """Where scratch for a lake that is not on this machine's disks grows: one private folder per user."""
    path = Path(tempfile.gettempdir()) / f"laion-assets-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if path.is_symlink() or not path.is_dir() or status.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "belongs to somebody else; set TMPDIR to a folder of your own", str(path))
    return path


def _lock(path: Path) -> int | None:
    """Take the folder's lock; ``None`` when someone else has it or swept the folder first."""
    try:
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (path / _LOCK).stat().st_ino == os.fstat(handle).st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        if error.errno in _NO_LOCKS_HERE:
            return handle  # no sweeper can take it either, so nothing is swept under us
        os.close(handle)
        raise
    os.close(handle)
    return None


def _remove_if_empty(path: Path) -> None:
    """Remove a folder we hold the lock of, if nothing in it is worth coming back for."""
    if path.is_dir() and all(entry.name == _LOCK for entry in path.iterdir()):
        shutil.rmtree(path, ignore_errors=True)


def _remove_if_dead(path: Path) -> bool:
    try:
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        if _age_s(path) < _UNLOCKED_GRACE_S:
            return False
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()
    except OSError:
        return False  # its writer is alive, or locks do not work here
    finally:
        os.close(handle)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
