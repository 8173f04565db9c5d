"""Parts in a folder of this machine."""

import hashlib
import os
from pathlib import Path

import pytest

from laion_assets.sources.fetching import open_source
from laion_assets.sources.files import _LocalOrigin
from laion_assets.sources.published import ChecksumError, Source, SourceError
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests.sources.conftest import QUICK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "published [2023] 50%"
    for name in (
        "a/part-00001.parquet",
        "part-00000.parquet",
        "readme.txt",
        ".hidden.parquet",
        ".git/part-00009.parquet",
    ):
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_bytes(name.encode() * 1000)
    return found


def source(uri: str | Path, **more: str) -> Source:
    return open_source(SourceSpec(uri=str(uri), **more), patience=QUICK)


def test_a_folder_is_all_the_data_files_in_it(folder: Path, tmp_path: Path) -> None:
    for uri in (folder, f"{folder}/", f"file://{str(folder).replace('%', '%25').replace(' ', '%20')}"):
        found = source(uri).list_parts().parts
        assert [part.path for part in found] == ["a/part-00001.parquet", "part-00000.parquet"]
    opened = source(folder)
    for part in opened.list_parts().parts:
        opened.fetch(part, tmp_path / "out" / part.file_name)
        assert (tmp_path / "out" / part.file_name).read_bytes() == (folder / part.path).read_bytes()


def test_a_relative_path_is_taken_from_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert [part.key for part in source("a").list_parts().parts] == ["part-00001"]
    assert [part.key for part in source("part-{00000..00000}.parquet").list_parts().parts] == ["part-00000"]


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("plain/**/*.parquet", ["a/part-00001.parquet", "part-00000.parquet"]),
        ("plain/*.parquet", ["part-00000.parquet"]),
        ("plain/*/*.parquet", ["a/part-00001.parquet"]),
        ("plain/part-0000[0-3].parquet", ["part-00000.parquet"]),
        ("plain/{a/,}part-*.parquet", ["a/part-00001.parquet", "part-00000.parquet"]),
        ("plain/part-00000.parquet", ["part-00000.parquet"]),
    ],
)
def test_a_glob_chooses(folder: Path, tmp_path: Path, glob: str, paths: list[str]) -> None:
    folder.rename(tmp_path / "plain")
    assert [part.path for part in source(tmp_path / glob).list_parts().parts] == paths


def test_checksums_beside_the_files_are_used(folder: Path, tmp_path: Path) -> None:
    content = (folder / "part-00000.parquet").read_bytes()
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(content).hexdigest()}  part-00000.parquet\n")
    (folder / "a/part-00001.parquet.sha256").write_text("0" * 64)
    opened = source(folder)
    broken, whole = opened.list_parts().parts
    assert opened.fetch(whole, tmp_path / "x").sha256 == whole.sha256 == hashlib.sha256(content).hexdigest()
    with pytest.raises(ChecksumError, match=r"arrived where the publisher gives 0{64}"):
        opened.fetch(broken, tmp_path / "y")


@pytest.mark.parametrize("name", ["SHA256SUMS", "part-00000.parquet.sha256"])
def test_checksums_that_cannot_be_read_do_not_pass_for_none(folder: Path, name: str) -> None:
    (folder / name).symlink_to(folder / name)  # a loop: whoever asks is refused, root too
    with pytest.raises(SourceError, match=rf"{name}: the checksums cannot be read \(Too many levels"):
        source(folder / "part-00000.parquet").list_parts()


def test_a_list_of_checksums_is_read_once_for_all_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"part-{number:05d}.parquet" for number in range(20)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    (folder / "SHA256SUMS").write_text("".join(f"{number:064x}  {name}\n" for number, name in enumerate(names)))
    read, read_text = [], Path.read_text

    def reading(path: Path, *arguments: str) -> str:
        read.append(path.name)
        return read_text(path, *arguments)

    monkeypatch.setattr(Path, "read_text", reading)
    parts = source(folder / "part-*.parquet").list_parts().parts
    assert [part.sha256 for part in parts] == [f"{number:064x}" for number in range(20)]
    assert read.count("SHA256SUMS") == 1


def test_what_can_be_no_list_of_checksums_is_none(folder: Path) -> None:
    (folder / "SHA256SUMS").mkdir()
    longest = folder / f"part-{'1' * 242}.parquet"
    longest.write_bytes(b"rows")
    opened = source(longest)
    assert opened.list_parts().parts[0].sha256 is None


def test_a_changed_file_is_not_glued_to_what_was_copied_before(folder: Path, tmp_path: Path) -> None:
    path = folder / "part-00000.parquet"
    opened = source(path)
    before = opened.list_parts().parts[0]
    destination = tmp_path / "x"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened.fetch(before, destination, on_progress=stop)
    new = b"n" * path.stat().st_size
    path.write_bytes(new)
    os.utime(path, ns=(1, 1))
    fetched = opened.fetch(opened.list_parts().parts[0], destination)
    assert destination.read_bytes() == new
    assert fetched.resumed_from_bytes == 0


def test_a_file_is_read_from_where_it_was_left_only_if_it_is_the_same(folder: Path) -> None:
    origin = _LocalOrigin(folder / "part-00000.parquet")
    with origin.open(0, None) as stream:
        mark = stream.validator
    with origin.open(10, mark) as stream:
        assert (stream.start, next(stream.chunks)) == (10, (folder / "part-00000.parquet").read_bytes()[10:])
    with origin.open(10, "another") as stream:
        assert stream.start == 0


def test_a_link_to_nothing_is_no_part(folder: Path) -> None:
    (folder / "part-00002.parquet").symlink_to(folder / "gone.parquet")
    assert [part.key for part in source(folder).list_parts().parts] == ["part-00001", "part-00000"]


def test_a_link_to_itself_is_one_sentence(folder: Path) -> None:
    (folder / "part-00002.parquet").symlink_to(folder / "part-00002.parquet")
    with pytest.raises(SourceError, match=r"part-00002\.parquet: cannot be looked at \(Too many levels"):
        source(folder).list_parts()


def test_one_part_is_found_by_its_key(folder: Path) -> None:
    assert source(folder).find_part("part-00001").path == "a/part-00001.parquet"
    with pytest.raises(SourceError, match="no part 'part-00002' among the 2"):
        source(folder).find_part("part-00002")


def test_a_file_that_shrank_since_it_was_listed_is_not_taken(folder: Path, tmp_path: Path) -> None:
    opened = source(folder / "part-00000.parquet")
    part = opened.list_parts().parts[0]
    (folder / "part-00000.parquet").write_bytes(b"short")
    with pytest.raises(SourceError, match="it changed in between"):
        opened.fetch(part, tmp_path / "x")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere/*.parquet", "there is no folder .*nowhere"),
        ("*.tsv", r"no part matches; .* holds .*readme\.txt"),
        ("readme.txt/x", "there is no folder"),
    ],
)
def test_nothing_there_is_said_plainly(folder: Path, tmp_path: Path, path: str, words: str) -> None:
    folder.rename(tmp_path / "plain")
    with pytest.raises(SourceError, match=words):
        source(tmp_path / "plain" / path).list_parts()


def test_an_empty_folder_holds_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no file at all"):
        source(tmp_path / "empty").list_parts()


def test_a_file_that_vanished_is_named(folder: Path, tmp_path: Path) -> None:
    opened = source(folder)
    part = opened.list_parts().parts[0]
    Path(part.uri).unlink()
    with pytest.raises(SourceError, match=r"cannot be read \(No such file or directory\)"):
        opened.fetch(part, tmp_path / "x")


def test_two_files_with_the_same_key_are_refused(folder: Path) -> None:
    (folder / "a/part-00000.parquet").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"a/part-00000\.parquet and part-00000\.parquet would both be part"):
        source(folder).list_parts()


def test_a_name_that_is_not_there_is_not_looked_for_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deepest folder that is there may be the root of everything."""
    monkeypatch.setattr("laion_assets.sources.files._files_below", None)
    with pytest.raises(SourceError, match=r"no part matches; .* holds .*part-00000\.parquet"):
        source(folder / "part-00000.parque").list_parts()
