"""CSV, TSV and JSON lines are parts like any other: no row lost, no value guessed."""

import gzip
import json
from pathlib import Path

import pytest

from laion_assets.metadata.errors import DamagedPartError, SchemaMismatchError
from laion_assets_tests.metadata.conftest import Pass, one_pass

_HEADERLESS = {"url": ["#1"], "caption": ["#2"]}


def _pass(folder: Path, name: str, content: bytes, columns: dict[str, list[str]] | None = None) -> Pass:
    path = folder / name
    path.write_bytes(content)
    outcome = one_pass(path, columns=columns)
    assert sorted(found.name for found in folder.iterdir()) == sorted([name, "valid.parquet", "quarantined.parquet"])
    return outcome


def _urls_and_captions(outcome: Pass) -> list[tuple[object, ...]]:
    return outcome.valid.select("row", "url", "caption").rows()


def test_a_headerless_tsv_is_read_by_position(tmp_path: Path) -> None:
    content = 'http://a/1\ta "quoted" caption\nhttp://a/2\t"open quote\nhttp://a/3\tümläut'.encode()
    outcome = _pass(tmp_path, "cc12m.tsv", content, _HEADERLESS)
    assert _urls_and_captions(outcome) == [
        (0, "http://a/1", 'a "quoted" caption'),
        (1, "http://a/2", '"open quote'),
        (2, "http://a/3", "ümläut"),
    ]
    assert outcome.valid.width == 12, "no extra column for what lines do not have"
    assert "width_missing" in outcome.profile["rules_not_applicable"]


def test_a_line_with_too_many_or_too_few_fields_is_quarantined_whole(tmp_path: Path) -> None:
    content = b"http://a/1\tone\nhttp://a/2\ttwo\tthree\tfour\nhttp://a/3\nhttp://a/4\tlast\n"
    outcome = _pass(tmp_path, "cc12m.tsv", content, _HEADERLESS)
    assert [row for row, *_ in _urls_and_captions(outcome)] == [0, 3]
    assert outcome.quarantined.drop("part").rows() == [
        (1, ["too_many_fields"], "http://a/2", "two", "three\tfour"),
        (2, ["caption_missing"], "http://a/3", None, None),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path, end: str, bom: str, name: str) -> None:
    separator = "," if name.endswith("csv") else "\t"
    lines = [
        ["URL", "Text", "WIDTH", "height"],
        ["http://a/1", "a caption", "1600", "1200"],
        ["http://a/2", "b", "1024.0", ""],
    ]
    text = bom + end.join(separator.join(line) for line in lines) + end
    outcome = _pass(tmp_path, name, text.encode())
    assert outcome.valid.select("row", "url", "caption", "declared_width", "declared_height").rows() == [
        (0, "http://a/1", "a caption", 1600, 1200)
    ]
    assert outcome.quarantined.get_column("reasons").to_list() == [["height_missing"]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_the_header_may_be_below_empty_lines(tmp_path: Path, end: str, name: str) -> None:
    separator = "," if name.endswith("csv") else "\t"
    text = end.join(["", "", f"url{separator}text", f"http://a/1{separator}a caption", ""])
    outcome = _pass(tmp_path, name, text.encode())
    assert _urls_and_captions(outcome) == [(0, "http://a/1", "a caption")]
    assert outcome.quarantined.is_empty()


def test_csv_fields_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    content = b'url,text\nhttp://a/1,"one, ""two""\nthree"\nhttp://a/2,plain\nhttp://a/3,x,too,many\n'
    outcome = _pass(tmp_path, "rows.csv", content)
    assert _urls_and_captions(outcome) == [(0, "http://a/1", 'one, "two"\nthree'), (1, "http://a/2", "plain")]
    assert outcome.quarantined.get_column("reasons").to_list() == [["too_many_fields"]]


def test_json_lines_may_have_members_in_any_order_type_and_number(tmp_path: Path) -> None:
    lines = [
        {"img_path": "http://a/1", "prompt": "one", "width": 1600, "height": 1200},
        {"prompt": "two", "height": "1200", "img_path": "http://a/2", "width": 1600.0, "extra": {"a": [1]}},
        {"prompt": "three", "img_path": "http://a/3", "width": None, "height": 1200, "late": True},
        {"img_path": "http://a/4", "prompt": ["not", "text"], "width": 1600.5, "height": 1},
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode() + b"\n\n"
    outcome = _pass(tmp_path, "rows.jsonl", content, {"url": ["img_path"]})
    assert outcome.valid.select("row", "url", "caption", "declared_width", "extra", "late").rows() == [
        (0, "http://a/1", "one", 1600, None, None),
        (1, "http://a/2", "two", 1600, '{"a": [1]}', None),
    ]
    assert outcome.quarantined.select("row", "reasons", "prompt").rows() == [
        (2, ["width_missing"], "three"),
        (3, ["not_castable"], '["not", "text"]'),
    ]


def test_an_emoji_cut_in_two_by_json_is_kept_as_spelled(tmp_path: Path) -> None:
    content = (
        rb'{"url": "http://a/1", "text": "cut \ud83d"}'
        b"\n"
        rb'{"url": "http://a/2", "text": "whole \ud83d\ude00"}'
    )
    outcome = _pass(tmp_path, "rows.jsonl", content)
    assert _urls_and_captions(outcome) == [(0, "http://a/1", r"cut \ud83d"), (1, "http://a/2", "whole \U0001f600")]


@pytest.mark.parametrize("name", ["rows.tsv.gz", "rows.jsonl.gz", "rows.csv.gz"])
def test_gzipped_text_is_unpacked(tmp_path: Path, name: str) -> None:
    separator = "\t" if "tsv" in name else ","
    text = (
        f"url{separator}text\nhttp://a/1{separator}one\n"
        if "json" not in name
        else '{"url": "http://a/1", "text": "one"}\n'
    )
    outcome = _pass(tmp_path, name, gzip.compress(text.encode()))
    assert _urls_and_captions(outcome) == [(0, "http://a/1", "one")]


def test_a_caption_of_a_million_characters_is_a_caption(tmp_path: Path) -> None:
    outcome = _pass(tmp_path, "rows.tsv", b"http://a/1\t" + b"x" * 1_000_000 + b"\n", _HEADERLESS)
    assert outcome.valid.get_column("caption").str.len_chars().to_list() == [1_000_000]
    assert outcome.rules == {"caption_too_long": 1}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("rows.tsv", b"", "the file is empty, 0 bytes"),
        ("rows.tsv", b"\n\r\n", "the file has no line with text in it"),
        ("rows.tsv", b"<!DOCTYPE html>\n<html>", "an HTML page came in place of the file"),
        ("rows.csv", b"url,text\n", "the file has its columns but zero rows"),
        ("rows.csv", b"url,text\nhttp://a/\xff\xfe,b\n", "cannot be read as CSV"),
        ("rows.tsv", b"url\ttext\nhttp://a/\xff\xfe\tb\n", "cannot be read as TSV"),
        ("rows.jsonl", b'{"url": "http://a/1"}\nnot json\n', "line 2 is not JSON"),
        ("rows.jsonl", b'{"url": "http://a/1"}\n[1]\n', "line 2 is JSON, but no object"),
        ("rows.jsonl", b'{"url": ' + b"[" * 100_000, "cannot be read as JSONL (maximum recursion depth"),
        ("rows.csv", b"url,text\rhttp://a/1,b\r", "cannot be read as CSV (new-line character"),
        ("rows.csv.gz", gzip.compress(b"url,text\nhttp://a/1,b\n" * 999, mtime=0)[:-20], "cannot be read as CSV"),
    ],
)
def test_damaged_text_fails_with_one_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DamagedPartError) as caught:
        one_pass(path)
    assert str(caught.value).startswith(f"{name} (part-00000): {sentence}")
    assert "\n" not in str(caught.value)
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_a_text_file_without_the_columns_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"link to image,title\nhttp://a/1,b\n")
    with pytest.raises(SchemaMismatchError, match=r"Found 'link to image' \(String\), 'title' \(String\)"):
        one_pass(path)
