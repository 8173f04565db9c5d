"""Hashes, sizes spelled in URLs and null shares by language: sound rows pass, each kind of damage is found."""

from collections.abc import Callable

import polars as pl
import pytest

from laion_assets.metadata.check_results import below_minimum_finding, hash_finding, swap_finding, union_finding
from laion_assets.metadata.positional_union import compare_null_shares
from laion_assets.metadata.row_hashes import check_hashes, row_hash, sampled_positions
from laion_assets.metadata.spelled_sizes import SwapFinding, compare_spelled_sizes
from laion_assets_tests.metadata.conftest import Pass, rows


def _hashed(urls: list[str], captions: list[str | None], hashes: list[int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"row": range(len(urls)), "url": urls, "caption": captions, "row_hash": hashes},
        schema={"row": pl.UInt32, "url": pl.String, "caption": pl.String, "row_hash": pl.Int64},
    )


def test_the_row_hash_is_the_first_half_of_mmh3_over_url_and_caption() -> None:
    # From the reference implementation of MurmurHash3_x64_128 with seed 0.
    assert row_hash("", "") == 0
    assert row_hash("hello", None) == row_hash("he", "llo") == -3758069500696749310
    assert row_hash("http://example.org/ü.jpg", "ein Füller") != row_hash("http://example.org/ü.jpg", "ein Fuller")


def test_rows_with_the_hash_of_url_and_caption_pass() -> None:
    pairs = [("http://a/1", "one"), ("http://a/2", "ümläut"), ("http://a/3", None)]
    frame = _hashed([url for url, _ in pairs], [text for _, text in pairs], [row_hash(*pair) for pair in pairs])
    finding = hash_finding(check_hashes(frame))
    assert finding.passed
    assert finding.sentence == "3 of 3 sampled rows have the hash of their URL and caption"


def test_a_caption_changed_after_publication_is_found() -> None:
    urls = [f"http://a/{n}" for n in range(100)]
    hashes: list[int | None] = [row_hash(url, "caption") for url in urls]
    frame = _hashed(urls, ["caption" if n % 10 else "tampered" for n in range(100)], hashes)
    finding = hash_finding(check_hashes(frame))
    assert not finding.passed
    assert finding.sentence == (
        "90 of 100 sampled rows have the hash of their URL and caption; rows 0, 10, 20, 30, 40 do not"
    )
    assert finding.figures["share_fitting"] == 0.9


def test_without_hashes_there_is_nothing_to_check() -> None:
    finding = hash_finding(check_hashes(_hashed(["http://a"], ["x"], [None])))
    assert finding.passed
    assert finding.sentence == "no row has a hash, so there is nothing to check"


def test_the_rows_looked_at_depend_on_seed_part_and_number_of_rows_alone() -> None:
    first = sampled_positions(1_330_000, part="part-00003")
    assert first == sampled_positions(1_330_000, part="part-00003")
    assert first[:3] == [549, 929, 4673], "the same with every version of Python"
    assert len(set(first)) == 1000
    assert first != sampled_positions(1_330_000, part="part-00004")
    assert first != sampled_positions(1_330_000, part="part-00003", seed=1)
    assert sampled_positions(3, part="p") == [0, 1, 2]


def _sized(*records: tuple[str, int, int]) -> pl.LazyFrame:
    return pl.LazyFrame(
        records, schema={"url": pl.String, "declared_width": pl.Int32, "declared_height": pl.Int32}, orient="row"
    )


def test_spelled_sizes_are_found_where_they_are_spelled_and_nowhere_else() -> None:
    found = compare_spelled_sizes(
        _sized(
            ("http://a/x-1600x1200.jpg", 1600, 1200),
            ("http://a/1600X1200", 1600, 1200),
            ("http://a/x_1200x1600_y.jpg", 1600, 1200),
            ("http://a/x-800x600.jpg", 1600, 1200),
            ("http://a/x-1600x1600.jpg", 1600, 1600),  # square: cannot tell
            ("http://a/0x1600x1200.jpg", 1600, 1200),  # 0x1600 is no size
            ("http://a/x-16x12.jpg", 1600, 1200),
            ("http://a/123456x1200.jpg", 1600, 1200),
            ("http://a/plain.jpg", 1600, 1200),
        )
    )
    assert found == SwapFinding(spelled=5, agreeing=3, swapped=1)


@pytest.mark.parametrize(
    ("agreeing", "swapped", "passes"),
    [(1023, 9, True), (9, 1023, False), (0, 0, True), (3, 1, True), (900, 100, False), (0, 1, True), (0, 3, False)],
)
def test_a_few_swapped_sizes_are_tolerated_and_few_matches_prove_nothing(
    agreeing: int, swapped: int, *, passes: bool
) -> None:
    finding = swap_finding(SwapFinding(agreeing + swapped + 50, agreeing, swapped))
    assert finding.passed is passes
    assert f"{agreeing:,} agree with the declared one and {swapped:,} after exchanging" in finding.sentence


def _nulls(**shares: tuple[int, int, int]) -> list[tuple[str | None, str, int, int]]:
    return [
        (None if language == "missing" else language, column, count, nulls)
        for language, (count, punsafe, pwatermark) in shares.items()
        for column, nulls in (("punsafe", punsafe), ("pwatermark", pwatermark), ("similarity", 0))
    ]


def test_one_order_of_columns_in_all_languages_passes() -> None:
    nulls = _nulls(
        en=(700_000, 7000, 20_000), nolang=(100_000, 1200, 2800), de=(100_000, 900, 3100), fr=(90_000, 950, 3000)
    )
    finding = union_finding(compare_null_shares(nulls))
    assert finding.passed
    assert [record["languages"] for record in finding.tables["null shares"]] == ["en", "en", "nolang", "nolang", "other languages", "other languages"]  # fmt: skip # noqa: E501
    assert finding.tables["null shares"][4]["rows"] == 190_000


def test_scores_that_change_places_with_the_language_are_found() -> None:
    nulls = _nulls(en=(700_000, 7000, 20_000), de=(100_000, 3000, 900))
    finding = union_finding(compare_null_shares(nulls))
    assert not finding.passed
    assert finding.sentence == ("pwatermark is null more often than punsafe in en, and less often in other languages")


def test_a_score_that_is_missing_in_one_language_alone_is_found() -> None:
    finding = union_finding(compare_null_shares(_nulls(en=(1000, 10, 10), nolang=(500, 500, 5), missing=(3, 0, 0))))
    assert not finding.passed
    assert "punsafe is null in every row of nolang" in finding.sentence


def test_a_difference_that_chance_explains_is_none() -> None:
    assert union_finding(compare_null_shares(_nulls(en=(1000, 10, 12), de=(1000, 12, 10)))).passed
    assert union_finding(compare_null_shares(_nulls(en=(1000, 10, 12), missing=(3, 3, 3)))).passed
    assert union_finding(compare_null_shares([])).passed


def test_rows_that_declare_less_than_the_minimum_are_counted(passed: Callable[..., Pass]) -> None:
    profile = passed(rows({}, {"WIDTH": 1023}, {"HEIGHT": 12}, {"WIDTH": 1024, "HEIGHT": 1024})).profile
    finding = below_minimum_finding(profile, 1024)
    assert not finding.passed
    assert finding.figures == {"rows_below_minimum": 2, "share_below_minimum": 0.5, "sized_rows": 4}
    assert below_minimum_finding(profile, 12).passed
