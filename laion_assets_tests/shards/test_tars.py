"""Reading tars: those that are whole, and those that are not."""

import io
import tarfile
from pathlib import Path

import pytest

from laion_assets.shards.tars import TarError, read_members


def write_tar(path: Path, members: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path.read_bytes()


MEMBERS = {"000.jpg": b"j" * 1000, "000.json": b"{}", "000.txt": b"", "001.jpg": b"k" * 512}


def names(path: Path) -> list[tuple[str, bytes]]:
    return [(member.name, bytes(member.content)) for member in read_members(path)]


def test_every_member_is_read_with_its_content(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", MEMBERS)
    assert dict(names(tmp_path / "x.tar")) == MEMBERS


def test_members_of_a_sample_share_what_is_before_the_first_dot(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", {"000.seg.png": b"x"})
    (member,) = [(member.key, member.suffix) for member in read_members(tmp_path / "x.tar")]
    assert member == ("000", "seg.png")


@pytest.mark.parametrize(
    ("keep", "finding"),
    [
        (0, "empty"),
        (700, "ends beyond the file"),
        (512 + 1024 + 100, "without an end of archive"),
        (4096 + 512, "half an end"),
    ],
)
def test_a_tar_that_ends_early_is_refused(tmp_path: Path, keep: int, finding: str) -> None:
    content = write_tar(tmp_path / "x.tar", MEMBERS)
    (tmp_path / "x.tar").write_bytes(content[:keep])
    with pytest.raises(TarError, match=finding):
        names(tmp_path / "x.tar")


def test_a_damaged_header_is_refused(tmp_path: Path) -> None:
    content = bytearray(write_tar(tmp_path / "x.tar", MEMBERS))
    content[3] ^= 1
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(TarError, match="wrong checksum at byte 0"):
        names(tmp_path / "x.tar")


def test_a_link_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("../../etc/passwd")
        info.type = tarfile.SYMTYPE
        tar.addfile(info)
    with pytest.raises(TarError, match="not a plain file"):
        names(tmp_path / "x.tar")
