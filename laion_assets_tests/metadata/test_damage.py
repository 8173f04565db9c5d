"""A part with any damage fails with one sentence that names file, part and finding, and leaves nothing behind."""

import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from laion_assets.metadata.errors import DamagedPartError, MetadataError
from laion_assets.metadata.reading import open_published
from laion_assets_tests.metadata.conftest import Pass, one_pass, rows


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A sound part."""
    path = tmp_path / "part-00007.parquet"
    rows(*({"TEXT": f"caption {n}"} for n in range(500))).write_parquet(path, compression="snappy")
    return path


def _sentence(path: Path) -> str:
    with pytest.raises(MetadataError) as caught:
        one_pass(path, part="part-00007")
    message = str(caught.value)
    assert message.startswith("part-00007.parquet (part-00007): ")
    assert "\n" not in message
    assert not path.with_name("valid.parquet").exists()
    assert not path.with_name("quarantined.parquet").exists()
    assert [found.name for found in path.parent.iterdir()] == [path.name], "no scratch is left"
    return message.removeprefix("part-00007.parquet (part-00007): ")


def test_an_empty_file(part: Path) -> None:
    part.write_bytes(b"")
    assert _sentence(part).startswith("the file is empty, 0 bytes.")


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off(part: Path, kept: float) -> None:
    content = part.read_bytes()
    part.write_bytes(content[: int(kept * len(content))])
    assert _sentence(part).startswith(f"the parquet file is cut off after {int(kept * len(content)):,} bytes")


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><html>", b"\n <HTML>", b"\xef\xbb\xbf<html>", b"<?xml version='1.0'?><Error>"]
)
def test_an_html_page_in_place_of_parquet(part: Path, page: bytes) -> None:
    part.write_bytes(page + b"<title>Sign in</title>" * 50)
    assert _sentence(part) == (
        "an HTML or XML page came in place of parquet, probably a login or error page of the hub. "
        "Check token and terms of the source, then fetch the part again."
    )


def test_a_git_lfs_pointer_in_place_of_the_file(part: Path) -> None:
    part.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    assert "Git LFS pointer" in _sentence(part)


def test_another_kind_of_file(part: Path) -> None:
    part.write_bytes(b"PK\x03\x04" + bytes(1000))
    assert _sentence(part).startswith(r"not a parquet file, it begins with b'PK\x03\x04")


def test_zero_rows(part: Path) -> None:
    rows({}).clear().write_parquet(part)
    assert _sentence(part).startswith("the file has its columns but zero rows.")


def test_renamed_columns(part: Path) -> None:
    pl.read_parquet(part).rename({"URL": "adresse"}).write_parquet(part)
    sentence = _sentence(part)
    assert sentence.startswith("no column for 'url' (looked for 'url' or 'image_url'")
    assert "Found 'adresse' (String), 'TEXT' (String)" in sentence


def test_wrong_types(part: Path) -> None:
    pl.read_parquet(part).with_columns(WIDTH=pl.lit([1, 2])).write_parquet(part)
    assert _sentence(part).startswith("column 'WIDTH' is List(")


def test_a_directory_of_the_right_name_is_no_file(part: Path) -> None:
    part.unlink()
    part.mkdir()
    with pytest.raises((MetadataError, OSError)):
        one_pass(part)


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_give_sound_accounting_or_one_sentence(part: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (no secret)
    content = bytearray(part.read_bytes())
    for _ in range(chance.choice([1, 4, 64])):
        content[chance.randrange(4, len(content) - 4)] ^= 1 << chance.randrange(8)
    part.write_bytes(content)
    outcome, message = _outcome_or_message(part)
    if outcome:
        assert outcome.valid.height + outcome.quarantined.height == outcome.profile["rows_in"]
    else:
        assert message.startswith("part-00007.parquet (part-00007): ")
        assert "\n" not in message
        assert [found.name for found in part.parent.iterdir()] == [part.name]


def _outcome_or_message(path: Path) -> tuple[Pass | None, str]:
    try:
        return one_pass(path, part="part-00007"), ""
    except MetadataError as error:
        return None, str(error)


def test_fewer_rows_than_the_file_announces(part: Path) -> None:
    with open_published(part, part="part-00007", scratch=part.parent) as table:
        announced = replace(table, rows=501)
        with pytest.raises(DamagedPartError, match=r"\(part-00007\): announces 501 rows and holds 500\."):
            list(announced.slices(200))


def test_a_page_in_the_middle_that_does_not_decode(part: Path) -> None:
    content = bytearray(part.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    part.write_bytes(content)
    assert _sentence(part).startswith("its bytes do not decode (")
