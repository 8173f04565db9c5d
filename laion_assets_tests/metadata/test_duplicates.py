"""URLs that several parts have are found exactly, however the rows are spread over parts and buckets."""

import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_assets.metadata.duplicates import DUPLICATES_SCHEMA, DuplicateCounts, find_duplicates

_Part = list[tuple[str, str | None]]


def _find(
    parts: dict[str, _Part], folder: Path, *, rows_per_bucket: int = 1000
) -> tuple[DuplicateCounts, pl.DataFrame]:
    sources = {}
    for key, pairs in parts.items():
        path = folder / f"{key}.parquet"
        # Rows were left out in between: row numbers are not positions.
        records = [{"row": 3 * n, "url": url, "caption": caption} for n, (url, caption) in enumerate(pairs)]
        pl.DataFrame(records, schema={"row": pl.UInt32, "url": pl.String, "caption": pl.String}).write_parquet(path)
        sources[key] = partial(pl.scan_parquet, path)
    target = folder / "duplicate_urls.out"
    counts = find_duplicates(sources, target, rows_per_bucket=rows_per_bucket)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(f"{key}.parquet" for key in parts), target.name])
    return counts, pl.read_parquet(target)


def test_a_url_in_several_parts_is_listed_with_the_row_to_keep(tmp_path: Path) -> None:
    parts: dict[str, _Part] = {
        "part-00000": [("http://a", "one"), ("http://only-here", "x"), ("http://b", "same")],
        "part-00001": [
            ("http://b", "same"),
            ("http://a", "two"),
            ("http://twice-here", "y"),
            ("http://twice-here", "y"),
        ],
        "part-00002": [("http://a", "one"), ("http://b", "same")],
    }
    counts, listed = _find(parts, tmp_path)
    assert counts == DuplicateCounts(parts=3, rows=9, urls=2, url_rows=6, pairs=2, pair_rows=5)
    assert (counts.extra_url_rows, counts.extra_pair_rows) == (4, 3)
    assert listed.schema == pl.Schema(DUPLICATES_SCHEMA)
    assert listed.rows() == [
        ("part-00000", 0, "http://a", "part-00000", 0, 3, 3, "part-00000", 0, 2),
        ("part-00000", 6, "http://b", "part-00000", 6, 3, 3, "part-00000", 6, 3),
        ("part-00001", 0, "http://b", "part-00000", 6, 3, 3, "part-00000", 6, 3),
        ("part-00001", 3, "http://a", "part-00000", 0, 3, 3, "part-00001", 3, 1),
        ("part-00002", 0, "http://a", "part-00000", 0, 3, 3, "part-00000", 0, 2),
        ("part-00002", 3, "http://b", "part-00000", 6, 3, 3, "part-00000", 6, 3),
    ]


def test_parts_without_a_common_url_give_an_empty_list(tmp_path: Path) -> None:
    counts, listed = _find({"a": [("http://1", None), ("http://1", None)], "b": [("http://2", "x")], "c": []}, tmp_path)
    assert counts == DuplicateCounts(parts=3, rows=3)
    assert listed.schema == pl.Schema(DUPLICATES_SCHEMA)
    assert listed.height == 0


@settings(max_examples=40, deadline=None)
@given(
    parts=st.dictionaries(
        st.sampled_from(["p0", "p1", "p2", "p10"]),
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.sampled_from("xy"))), max_size=12),
        min_size=1,
    ),
    rows_per_bucket=st.integers(1, 40),
)
def test_the_list_is_what_comparing_all_rows_gives(parts: dict[str, _Part], rows_per_bucket: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        counts, listed = _find(parts, Path(folder), rows_per_bucket=rows_per_bucket)
    rows = [(key, 3 * n, url, caption) for key in sorted(parts) for n, (url, caption) in enumerate(parts[key])]
    by_url, by_pair = defaultdict(list), defaultdict(list)
    for part, row, url, caption in rows:
        by_url[url].append((part, row))
        by_pair[url, caption].append((part, row))
    expected = []
    for part, row, url, caption in rows:
        url_parts, pair_parts = len({key for key, _ in by_url[url]}), len({key for key, _ in by_pair[url, caption]})
        if url_parts > 1:
            expected.append(
                (part, row, url, *by_url[url][0], url_parts, len(by_url[url]), *by_pair[url, caption][0], pair_parts)
            )
    assert listed.rows() == expected
    assert counts.rows == len(rows)
    assert counts.urls == len({line[2] for line in expected})
    assert counts.url_rows == len(expected)
    assert counts.pairs == len({line[7:9] for line in expected if line[9] > 1})


def test_the_list_is_the_same_bytes_for_any_size_of_bucket(tmp_path: Path) -> None:
    parts: dict[str, _Part] = {
        f"p{n}": [(f"http://{(n * 7 + i) % 50}", f"{i % 3}") for i in range(40)] for n in range(4)
    }
    written = []
    for number, rows_per_bucket in enumerate((1000, 7)):
        folder = tmp_path / str(number)
        folder.mkdir()
        _find(parts, folder, rows_per_bucket=rows_per_bucket)
        written.append((folder / "duplicate_urls.out").read_bytes())
    assert written[0] == written[1]


def test_progress_is_told_part_by_part(tmp_path: Path) -> None:
    pl.DataFrame({"row": [0], "url": ["a"], "caption": ["b"]}).write_parquet(tmp_path / "p")
    told: list[str] = []
    sources = dict.fromkeys(("p1", "p0"), partial(pl.scan_parquet, tmp_path / "p"))
    find_duplicates(sources, tmp_path / "out", on_part=told.append)
    assert told == ["p0", "p1"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"not parquet")
    with pytest.raises(pl.exceptions.PolarsError):
        find_duplicates({"p": partial(pl.scan_parquet, tmp_path / "p")}, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
