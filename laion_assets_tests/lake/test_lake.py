"""What holds for every lake, local or in a bucket."""

import json
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl
import pytest

from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake

KEY = ["laion_hr", "raw_metadata"]


def scratch_in(tmp_path: Path) -> list[str]:
    """Everything that is neither published nor a folder for it."""
    return sorted(
        str(path) for path in tmp_path.rglob("*") if "/." in str(path) or (path.is_file() and "/scratch/" in str(path))
    )


def publish(lake: Lake, *uris: str) -> None:
    with lake.publish_many(uris) as paths:
        for path in paths:
            path.write_bytes(b"x")


def write_and_fail(publication: AbstractContextManager[Path], name: str = "x.bin") -> None:
    """Write half a file under this name in the scratch folder, then fail."""
    with publication as path:
        path.with_name(name).write_bytes(b"half")
        raise ZeroDivisionError


def test_what_is_published_can_be_read(lake: Lake) -> None:
    uri = lake.uri(KEY, "part-00000.bin")
    assert not lake.exists(uri)
    assert lake.write_bytes(uri, b"abc") == 3
    assert lake.exists(uri)
    assert lake.size_bytes(uri) == 3
    assert lake.read_bytes(uri) == b"abc"
    with lake.local_file(uri) as path:
        assert path.read_bytes() == b"abc"
        assert path.name == "part-00000.bin"


def test_publishing_again_replaces(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.bin")
    lake.write_bytes(uri, b"old and longer")
    lake.write_bytes(uri, b"new")
    assert lake.read_bytes(uri) == b"new"


def test_names_are_sorted_and_only_of_files_directly_there(lake: Lake) -> None:
    for name in ("b.parquet", "a.parquet", "c.json", "folder/d.parquet"):
        lake.write_bytes(lake.uri(KEY, name), b"x")
    assert lake.list_names(KEY) == ["a.parquet", "b.parquet", "c.json"]
    assert lake.list_names(KEY, ".parquet") == ["a.parquet", "b.parquet"]
    assert lake.list_names([*KEY, "folder"]) == ["d.parquet"]
    assert lake.list_names(["nothing", "here"]) == []
    assert not lake.exists(lake.uri(KEY, "folder"))


def test_files_that_begin_with_a_dot_are_never_listed(lake: Lake) -> None:
    import fsspec

    lake.write_bytes(lake.uri(KEY, "a.parquet"), b"x")
    for name in (".scratch-0.parquet", ".DS_Store"):
        with fsspec.open(f"{lake.base_uri}/{'/'.join(KEY)}/{name}", "wb", use_listings_cache=False) as file:
            file.write(b"x")
    assert lake.list_names(KEY) == ["a.parquet"]


def test_a_name_that_begins_like_another_is_another(lake: Lake) -> None:
    lake.write_bytes(lake.uri(KEY, "part-00001.parquet"), b"x")
    assert not lake.exists(lake.uri(KEY, "part-0000"))
    assert lake.list_names(["laion_hr", "raw"]) == []


def test_a_block_that_raises_publishes_nothing_and_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    uri = lake.uri(KEY, "x.bin")
    lake.write_bytes(uri, b"before")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(lake.publish(uri))
    assert lake.read_bytes(uri) == b"before"
    assert scratch_in(tmp_path) == []


def test_while_it_is_written_a_file_is_invisible(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.bin")
    with lake.publish(uri) as path:
        path.write_bytes(b"all of it")
        assert not lake.exists(uri)
        assert lake.list_names(KEY) == []
    assert lake.list_names(KEY) == ["x.bin"]


def test_a_block_that_writes_nothing_is_an_error(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.bin")
    with pytest.raises(LakeError, match=r"x\.bin: nothing was written"), lake.publish(uri):
        pass
    assert not lake.exists(uri)


def test_several_files_of_one_pass_become_visible_together(lake: Lake, tmp_path: Path) -> None:
    uris = [lake.uri(["laion_hr", asset], "part-00000.parquet") for asset in ("valid", "quarantined", "profile")]
    with lake.publish_many(uris) as paths:
        for number, path in enumerate(paths):
            path.write_bytes(bytes([number]))
        assert not any(lake.exists(uri) for uri in uris)
    assert [lake.read_bytes(uri) for uri in uris] == [b"\0", b"\1", b"\2"]
    assert scratch_in(tmp_path) == []


def test_several_files_are_published_all_or_none(lake: Lake) -> None:
    uris = [lake.uri(["laion_hr", asset], "part-00000.parquet") for asset in ("valid", "profile")]
    with pytest.raises(LakeError, match="nothing was written"), lake.publish_many(uris) as paths:
        paths[0].write_bytes(b"x")
    assert not any(lake.exists(uri) for uri in uris)


def test_the_last_file_of_a_pass_does_not_appear_without_the_others(local_lake: Lake) -> None:
    first, last = (local_lake.uri(KEY, name) for name in ("first.bin", "last.bin"))
    (Path(first) / "something in the way").mkdir(parents=True)
    with pytest.raises(LakeError, match=r"first\.bin: cannot be written"):
        publish(local_lake, first, last)
    assert not local_lake.exists(last)


def test_the_same_file_twice_in_one_pass_is_a_mistake(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.bin")
    with pytest.raises(LakeError, match="each file once"), lake.publish_many([uri, uri]):
        pass


def test_a_lake_where_a_file_is_in_the_way_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_bytes(b"")
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(LakeError, match=r"x\.bin: cannot be written \(.*lake\)\. Check that the lake's folder"):
        lake.write_bytes(lake.uri(KEY, "x.bin"), b"x")
    lake = Lake(str(tmp_path / "other"))
    lake.write_bytes(lake.uri(KEY, "x.bin/y.bin"), b"x")
    with pytest.raises(LakeError, match=r"x\.bin: cannot be written \(Is a directory"):
        lake.write_bytes(lake.uri(KEY, "x.bin"), b"x")
    assert lake.list_names([*KEY, "x.bin"]) == ["y.bin"]


def test_json_is_the_same_bytes_for_the_same_value(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.json")
    lake.write_json(uri, {"b": 1, "a": "ü"})
    first = lake.read_bytes(uri)
    lake.write_json(uri, {"a": "ü", "b": 1})
    assert lake.read_bytes(uri) == first
    assert lake.read_json(uri) == json.loads(first) == {"a": "ü", "b": 1}


def test_broken_json_is_named(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.json")
    lake.write_bytes(uri, b"{")
    with pytest.raises(LakeError, match=r"x\.json: not JSON"):
        lake.read_json(uri)


def test_frames_come_back_in_the_order_asked_for(lake: Lake) -> None:
    uris = [lake.uri(KEY, f"part-{number:05d}.parquet") for number in range(3)]
    for number, uri in enumerate(uris):
        written = lake.write_parquet(uri, pl.DataFrame({"row": [number * 2, number * 2 + 1]}))
        assert written == lake.size_bytes(uri)
    assert lake.scan_parquet(uris).collect()["row"].to_list() == [0, 1, 2, 3, 4, 5]
    assert lake.scan_parquet(uris[::-1]).collect()["row"].to_list() == [4, 5, 2, 3, 0, 1]
    assert lake.scan_parquet(uris[1]).filter(pl.col("row") > 2).collect()["row"].to_list() == [3]


def test_a_file_that_is_not_there_is_named_with_what_to_do(lake: Lake) -> None:
    uri = lake.uri(KEY, "part-00000.parquet")
    for read in (lake.size_bytes, lake.read_bytes, lake.read_json, lake.scan_parquet):
        with pytest.raises(LakeError, match=r"part-00000\.parquet is not in the lake\. Materialise"):
            read(uri)
    with pytest.raises(LakeError, match="Materialise at least one part"):
        lake.scan_parquet([])


def test_deleting_is_done_once_and_harmless_twice(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.bin")
    lake.write_bytes(uri, b"x")
    lake.delete(uri)
    lake.delete(uri)
    assert lake.list_names(KEY) == []


def test_an_unfinished_resumable_file_is_still_there_next_time(lake: Lake, tmp_path: Path) -> None:
    uri = lake.uri(KEY, "x.bin")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(lake.publish_resumable(uri), "x.bin.partial")
    assert lake.list_names(KEY) == []
    with lake.publish_resumable(uri) as path:
        assert path.with_name("x.bin.partial").read_bytes() == b"half"
        path.write_bytes(b"whole")
    assert lake.read_bytes(uri) == b"whole"
    assert scratch_in(tmp_path) == []


def test_two_writers_of_one_resumable_file_do_not_meet(lake: Lake) -> None:
    uri = lake.uri(KEY, "x.bin")
    with lake.publish_resumable(uri) as mine:
        mine.write_bytes(b"mine")
        with lake.publish_resumable(uri) as theirs:
            assert theirs.parent != mine.parent
            theirs.write_bytes(b"theirs")
        assert lake.read_bytes(uri) == b"theirs"
    assert lake.read_bytes(uri) == b"mine"


def test_a_resumable_file_with_nothing_to_resume_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lake.publish_resumable(lake.uri(KEY, "x.bin")):
        raise ZeroDivisionError
    assert scratch_in(tmp_path) == []
