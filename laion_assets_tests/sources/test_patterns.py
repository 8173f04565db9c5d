"""How the paths of a source become the parts of a dataset."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_assets.lake.lake import Lake
from laion_assets.sources.patterns import expand_braces, matcher, part_key, static_prefix
from laion_assets.sources.published import Listing, PublishedPart, SourceError
from laion_assets.sources.spec import SourceSpec

DEFAULT_KEY = SourceSpec(uri="x").part_key


def test_braces_expand_as_in_a_shell() -> None:
    numbered = expand_braces("https://h/part-{00000..00127}.parquet")
    assert (len(numbered), numbered[0], numbered[-1]) == (
        128,
        "https://h/part-00000.parquet",
        "https://h/part-00127.parquet",
    )
    assert expand_braces("{9..11}") == ["9", "10", "11"]
    assert expand_braces("{08..10}") == ["08", "09", "10"]
    assert expand_braces("{2..0}") == ["2", "1", "0"]
    assert expand_braces("a{b,c}{0..1}d") == ["ab0d", "ab1d", "ac0d", "ac1d"]
    assert expand_braces("plain") == ["plain"]
    assert expand_braces("{alone}{}") == ["{alone}{}"]


@pytest.mark.parametrize("pattern", ["{0..100000}", "{000..999}{000..999}"])
def test_a_range_without_end_is_refused(pattern: str) -> None:
    with pytest.raises(SourceError, match="Narrow the range"):
        expand_braces(pattern)


@pytest.mark.parametrize(
    ("pattern", "matches", "misses"),
    [
        ("**/*.parquet", ["a.parquet", "x/a.parquet", "x/y/a.parquet"], ["a.tsv", "a.parquet.tmp"]),
        ("*.parquet", ["a.parquet"], ["x/a.parquet"]),
        ("x/**", ["x/a", "x/y/a"], ["y/a"]),
        ("part-0000?.tsv", ["part-00001.tsv"], ["part-00010.tsv", "part-0000/.tsv"]),
        ("part-[0-1]*.tsv", ["part-0.tsv", "part-12.tsv"], ["part-2.tsv"]),
        ("part-[!0]*.tsv", ["part-2.tsv"], ["part-0.tsv"]),
        ("[[]x[]].csv", ["[x].csv"], ["x.csv"]),
        ("[z-a].csv", ["[z-a].csv"], ["z.csv"]),
        ("[^0]*.csv", ["1.csv"], ["0.csv"]),
        ("{a,b}/*.csv", ["a/x.csv", "b/x.csv"], ["c/x.csv"]),
        ("part-{000..002}.csv", ["part-000.csv", "part-002.csv"], ["part-003.csv"]),
        ("a+b(c).csv", ["a+b(c).csv"], ["aab(c).csv"]),
        ("", ["a.parquet", "x/a.jsonl.gz", "a.tsv"], ["README.md", ".gitattributes", "x/.a.parquet", ".x/a.parquet"]),
        ("data", ["data/a.parquet", "data/x/a.csv", "data"], ["a.parquet", "data/readme.md", "database/a.csv"]),
        ("a.weird", ["a.weird"], ["b.weird"]),
        ("é*.csv", ["été.csv"], ["ete.csv"]),
    ],
)
def test_a_glob_matches_whole_paths(pattern: str, matches: list[str], misses: list[str]) -> None:
    compiled = matcher(pattern)
    assert [path for path in matches if not compiled.match(path)] == []
    assert [path for path in misses if compiled.match(path)] == []


@given(st.text(alphabet="ab/*?[]{},.!^\\-0", max_size=15))
def test_any_glob_compiles(pattern: str) -> None:
    try:
        matcher(pattern).match("a/b.parquet")
    except re.error as error:  # pragma: no cover
        raise AssertionError(pattern) from error


def test_the_folders_in_front_of_a_glob_are_known() -> None:
    assert static_prefix("a/b/*.parquet") == "a/b"
    assert static_prefix("*.parquet") == ""
    assert static_prefix("a/b.parquet") == "a"
    assert static_prefix("a{b,c}/d/*.parquet") == ""


@pytest.mark.parametrize(
    ("path", "expression", "key"),
    [
        ("part-00042-5d6701c4-c000.snappy.parquet", DEFAULT_KEY, "part-00042"),
        ("data/2023/part-00042.parquet", r"(\d{4}/part-\d{5})", "2023-part-00042"),
        ("0123456789abcdef0123456789abcdef.parquet", DEFAULT_KEY, "0123456789abcdef0123456789abcdef"),
        ("x/cc12m.tsv", DEFAULT_KEY, "cc12m"),
        ("train.jsonl.gz", DEFAULT_KEY, "train"),
        ("a..b c%d.csv", DEFAULT_KEY, "a-b-c-d"),
        ("no_extension", DEFAULT_KEY, "no_extension"),
        ("été.csv", DEFAULT_KEY, "t"),
        ("...", DEFAULT_KEY, "part"),
        ("part-00001", r"part(x)?", "part-00001"),
    ],
)
def test_the_key_of_a_part(path: str, expression: str, key: str) -> None:
    assert part_key(path, expression) == key


@given(st.text(min_size=1, max_size=300))
def test_whatever_a_file_is_called_its_name_in_the_lake_is_safe(path: str) -> None:
    part = PublishedPart(key=part_key(path, DEFAULT_KEY), uri="", path=path)
    uri = Lake("/lake").uri(["raw"], part.file_name)
    assert uri.startswith("/lake/raw/")
    assert Lake("/lake").uri(["shards", part.key], "00000.tar")


def test_long_names_that_differ_at_the_end_have_different_keys() -> None:
    keys = {part_key("x" * 300 + end + ".csv", DEFAULT_KEY) for end in "ab"}
    assert len(keys) == 2
    assert max(map(len, keys)) == 100


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/part-1.snappy.PARQUET", "k.parquet"),
        ("a.tsv", "k.tsv"),
        ("a.jsonl.gz", "k.jsonl.gz"),
        ("a.gz", "k.gz"),
        ("a", "k.data"),
        ("a.b/c", "k.data"),
        ("a.x y", "k.data"),
    ],
)
def test_a_file_keeps_its_extension(path: str, name: str) -> None:
    assert PublishedPart(key="k", uri="", path=path).file_name == name


def test_a_part_that_is_not_published_any_more_is_named() -> None:
    listing = Listing("hf://x", "c", (PublishedPart("part-00000", "u", "p"),))
    assert listing.part("part-00000").uri == "u"
    with pytest.raises(SourceError, match=r"hf://x: no part 'part-00009' among the 1 published now \(part-00000, …\)"):
        listing.part("part-00009")
