"""Writes what a sandbox publishes: the parts, the answer key, the table of pages; and finds it again in the cache.

A folder per fingerprint. It is written beside its final name and renamed when whole, so a killed writer leaves
nothing that looks finished.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from laion_assets.sandbox.encoded import EncodedImages
from laion_assets.sandbox.pages import Pages
from laion_assets.sandbox.spec import Ports, SandboxSpec

PART_NAME = "part-{:05d}-5d6701c4-b238-4c0a-84e4-fe8e9daea963-c000.snappy.parquet"
ROW_GROUPS = 4
ABANDONED_AFTER_S = 3600

README = """---
pretty_name: A sandbox dataset in the format of LAION-High-Resolution
license: cc-by-4.0
tags: [sandbox]
---

# Made up

Rows, URLs and captions here are generated on this machine by `laion-assets sandbox`. Nothing of it is real, and
every URL leads back to this machine.
"""


@dataclass(frozen=True)
class PublishedFile:
    """One file of the hub's repository."""

    path: str
    size: int
    sha256: str
    git_oid: str
    lfs: bool


@dataclass(frozen=True)
class Publication:
    """A generated folder: ``repository/`` is what the hub serves."""

    folder: Path
    files: tuple[PublishedFile, ...]

    @property
    def repository(self) -> Path:
        """Where the hub's files lie."""
        return self.folder / "repository"

    @property
    def truth_file(self) -> Path:
        """The answer key."""
        return self.folder / "truth.parquet"

    def pages(self) -> Pages:
        """The table of pages."""
        return Pages.load(self.folder / "pages.npz")


def publish(
    spec: SandboxSpec, ports: Ports, *, folder: Path, encoded: EncodedImages, progress: Callable[[str], None]
) -> Publication:
    """The publication of a spec in ``folder``, generated unless it is there already."""
    final = folder / spec.fingerprint(web_port=ports.web, tls_port=ports.tls)
    manifest = final / "manifest.json"
    if not manifest.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        scratch = Path(tempfile.mkdtemp(prefix="writing-", dir=folder))
        try:
            _write(spec, ports, scratch, encoded, progress)
            try:
                scratch.rename(final)
            except OSError:
                if not manifest.is_file():
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    files = tuple(PublishedFile(**entry) for entry in json.loads(manifest.read_text()))
    return Publication(final, files)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left; a living one touches its folder with every part."""
    for scratch in folder.glob("writing-*"):
        with contextlib.suppress(OSError):
            if time.time() - scratch.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(scratch, ignore_errors=True)


def _write(
    spec: SandboxSpec, ports: Ports, folder: Path, encoded: EncodedImages, progress: Callable[[str], None]
) -> None:
    import polars as pl

    from laion_assets.sandbox.images import Images
    from laion_assets.sandbox.pages import make_pages
    from laion_assets.sandbox.rows import make_defects, make_part
    from laion_assets.sandbox.truth import part_truth

    repository = folder / "repository"
    repository.mkdir()
    pages = make_pages(spec)
    pages.save(folder / "pages.npz")
    file_bytes = Images(pages, encoded).file_bytes()
    defects = make_defects(spec)
    truths = []
    names = []
    for number in range(spec.parts):
        part = make_part(spec, pages, ports, number, defects)
        names.append(PART_NAME.format(number))
        part.table.write_parquet(
            repository / names[-1], compression="snappy", row_group_size=max(1, -(-spec.rows_per_part // ROW_GROUPS))
        )
        truths.append(part_truth(spec, pages, file_bytes, number, part))
        folder.touch()
        progress(f"part {number + 1} of {spec.parts} written")
    pl.concat(truths).write_parquet(folder / "truth.parquet")
    (repository / "README.md").write_text(README)
    (repository / ".gitattributes").write_text("*.parquet filter=lfs diff=lfs merge=lfs -text\n")
    files = [describe(repository, name, lfs=True) for name in names]
    files += [describe(repository, name, lfs=False) for name in (".gitattributes", "README.md")]
    (folder / "manifest.json").write_text(json.dumps([vars(file) for file in files]))


def describe(repository: Path, name: str, *, lfs: bool) -> PublishedFile:
    """Size and checksums of a file of the repository."""
    path = repository / name
    sha256 = _sha256(path)
    size = path.stat().st_size
    if lfs:
        # What git holds of an LFS file is this pointer.
        blob = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    else:
        blob = path.read_bytes()
    git_oid = hashlib.sha1(b"blob %d\x00" % len(blob) + blob, usedforsecurity=False).hexdigest()
    return PublishedFile(name, size, sha256, git_oid, lfs)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
