"""No key, name or URI leads out of the lake."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_assets.lake.errors import UnsafePathError
from laion_assets.lake.lake import Lake

KEY = ["laion_hr", "raw_metadata"]


def test_a_part_lies_under_its_asset() -> None:
    assert Lake("/data/lake").uri(KEY, "part-00000.parquet") == "/data/lake/laion_hr/raw_metadata/part-00000.parquet"
    assert Lake("s3://bucket/a/b/").uri(KEY, "x.json") == "s3://bucket/a/b/laion_hr/raw_metadata/x.json"


def test_a_name_may_have_folders() -> None:
    assert Lake("/data").uri(["laion_hr", "vlm", "shards"], "part-00000/00000.tar").endswith("/part-00000/00000.tar")


def test_a_base_may_be_written_in_several_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert {Lake(f"file://{tmp_path}/lake").base_uri, Lake("lake").base_uri, Lake("~/lake/").base_uri} == {
        str(tmp_path / "lake")
    }
    assert Lake(f"file://{tmp_path}/a%20b").base_uri == str(tmp_path / "a b")


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "/a", "a\\b", "a\x00b", "a\nb", "a\x7fb"],
        *[".hidden", ".scratch-00", "a/.scratch-00/b", "*.parquet", "a?b", "a#b", "a%2e%2e", "[a]", "{a}", "a b", "ä"],
        *["a\u202eb", "\ud800", "~", "-rf", "a:b", "file://a", "x" * 201],
    ],
)
def test_an_unsafe_name_is_refused(name: str) -> None:
    lake = Lake("/data/lake")
    with pytest.raises(UnsafePathError, match="not a safe file name"):
        lake.uri(KEY, name)
    with pytest.raises(UnsafePathError):
        lake.uri([*KEY, name], "x")
    with pytest.raises(UnsafePathError):
        lake.list_names([name])


@pytest.mark.parametrize("key", [[], "laion_hr"])
def test_what_is_no_key_is_refused(key: list[str]) -> None:
    with pytest.raises(UnsafePathError, match="not an asset key"):
        Lake("/data/lake").uri(key, "x")


@given(segments=st.lists(st.text(max_size=12), min_size=1, max_size=4), name=st.text(max_size=30))
def test_whatever_the_text_the_path_stays_inside(segments: list[str], name: str) -> None:
    lake = Lake("/data/lake")
    try:
        uri = lake.uri(segments, name)
    except UnsafePathError:
        return
    assert os.path.normpath(uri) == uri
    assert uri.startswith("/data/lake/")
    assert uri.isprintable()


@pytest.mark.parametrize(
    "uri",
    [
        *[
            "/etc/passwd",
            "/data/lake",
            "/data/lake2/x",
            "/data/lake/../x",
            "/data/lake//x",
            "/data/lake/a/.scratch-1/x",
        ],
        *["s3://bucket/x", "", "relative"],
    ],
)
def test_no_method_takes_a_uri_outside_the_lake(uri: str) -> None:
    lake = Lake("/data/lake")
    for method in (lake.exists, lake.size_bytes, lake.read_bytes, lake.read_json, lake.delete, lake.scan_parquet):
        with pytest.raises(UnsafePathError):
            method(uri)
    with pytest.raises(UnsafePathError):
        lake.write_bytes(uri, b"")


@pytest.mark.parametrize("base", ["", "  ", "gs://bucket", "https://host/x", "file://host/x", "s3://", "s3://b/../c"])
def test_a_base_that_is_no_place_for_a_lake_is_refused(base: str) -> None:
    with pytest.raises(UnsafePathError):
        Lake(base)
