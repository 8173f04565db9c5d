"""Which rows of a part are taken, and what the funnel says about the others."""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from laion_assets.metadata.row_hashes import row_hash
from laion_assets.subsets.selection import ROWS_SCHEMA, FunnelStep, select, selected_by, version_of_rows
from laion_assets.subsets.spec import CapSpec, PlanSpec, SubsetSpec
from laion_assets_tests.subsets.conftest import valid_rows


def taken(rows: pl.DataFrame, subset: SubsetSpec) -> list[int]:
    return select(rows.lazy(), subset, part="part-00000").rows["row"].to_list()


def test_without_conditions_every_row_is_taken_in_the_published_order() -> None:
    rows = valid_rows(50).sample(50, shuffle=True, seed=1)
    selection = select(rows.lazy(), SubsetSpec(name="all"), part="part-00000")
    assert selection.rows["row"].to_list() == list(range(50))
    assert dict(selection.rows.schema) == ROWS_SCHEMA


def test_the_funnel_counts_what_each_condition_removes_alone_and_in_order() -> None:
    rows = valid_rows(6, declared_width=[500, 500, 1600, 1600, 1600, 1600], punsafe=[0.9, 0.0, 0.9, 0.0, None, 0.0])
    subset = SubsetSpec(name="x", where={"big": "short_side >= 1024", "safe": "punsafe < 0.5"}, duplicates="keep")
    funnel = select(rows.lazy(), subset, part="part-00000").funnel
    assert funnel.rows_in == 6
    assert funnel.steps == (
        FunnelStep("big", "short_side >= 1024", removed_alone=2, removed=2, unknown=0, left=4),
        FunnelStep("safe", "punsafe < 0.5", removed_alone=3, removed=2, unknown=1, left=2),
    )
    assert funnel.rows_left == 2


def test_funnels_of_parts_add_up() -> None:
    subset = SubsetSpec(name="x", where={"big": "short_side >= 1024"})
    first = select(valid_rows(3, declared_width=[1, 2, 3000]).lazy(), subset, part="a").funnel
    second = select(valid_rows(2, declared_width=[1, 3000]).lazy(), subset, part="b").funnel
    both = first + second
    assert (both.rows_in, both.steps[0].removed, both.rows_left) == (5, 3, 2)


def test_an_unknown_value_fails_a_predicate_unless_it_is_told_to_pass() -> None:
    rows = valid_rows(3, pwatermark=[0.1, None, 0.9])
    where = {"clean": "pwatermark < 0.8"}
    assert taken(rows, SubsetSpec(name="x", where=where)) == [0]
    assert taken(rows, SubsetSpec(name="x", where=where, nulls_pass=["clean"])) == [0, 1]


def test_not_a_number_is_unknown_and_not_larger_than_every_threshold() -> None:
    rows = valid_rows(3, similarity=[0.4, float("nan"), None])
    assert taken(rows, SubsetSpec(name="x", where={"fits": "similarity > 0.3"})) == [0]


def test_languages_have_thresholds_of_their_own() -> None:
    rows = valid_rows(
        6, language=["en", "en", "de", "de", None, "nolang"], similarity=[0.29, 0.27, 0.27, 0.25, 0.3, 0.25]
    )
    assert taken(rows, SubsetSpec(name="x", languages={"en": 0.28, "other": 0.26})) == [0, 2, 4]
    assert taken(rows, SubsetSpec(name="x", languages={"en": 0.28})) == [0]
    assert taken(rows, SubsetSpec(name="x", languages={"de": None})) == [2, 3]


def test_a_host_is_excluded_with_its_subdomains_and_nothing_that_merely_ends_like_it() -> None:
    rows = valid_rows(
        5,
        url=[
            "https://shop.example/a.jpg",
            "https://cdn.shop.example/b.jpg",
            "https://myshop.example/c.jpg",
            "https://user@SHOP.example:8443/d.jpg",
            "https://other.example/shop.example/e.jpg",
        ],
    )
    assert taken(rows, SubsetSpec(name="x", exclude_hosts=["shop.example"])) == [2, 4]


def test_listed_urls_are_left_out_whichever_hash_lists_them(tmp_path: Path) -> None:
    rows = valid_rows(4)
    urls = rows["url"].to_list()
    listing = tmp_path / "opted_out.txt"
    listing.write_text(
        f"# opted out\n{hashlib.sha256(urls[1].encode()).hexdigest()}\n\n{hashlib.md5(urls[3].encode()).hexdigest()}\n"  # noqa: S324
    )
    assert taken(rows, SubsetSpec(name="x", exclude_url_hashes=str(listing))) == [0, 2]


def test_a_list_that_holds_something_else_than_hashes_is_refused(tmp_path: Path) -> None:
    listing = tmp_path / "urls.txt"
    listing.write_text("https://example.org/a.jpg\n")
    with pytest.raises(ValueError, match="neither md5 nor sha256"):
        taken(valid_rows(1), SubsetSpec(name="x", exclude_url_hashes=str(listing)))


def test_what_rows_are_selected_by_is_known_when_code_is_loaded_as_far_as_no_network_is_asked(tmp_path: Path) -> None:
    listing = tmp_path / "opted_out.txt"
    listed = SubsetSpec(name="x", exclude_url_hashes=str(listing))
    absent = version_of_rows(listed)
    listing.write_text("# none\n")
    empty = version_of_rows(listed)
    assert empty == selected_by(listed) == select(valid_rows(1).lazy(), listed, part="part-00000").selected_by
    listing.write_text(f"{'0' * 32}\n")
    assert len({absent, empty, version_of_rows(listed)}) == 3
    assert version_of_rows(SubsetSpec(name="x", exclude_url_hashes="http://127.0.0.1:9/never_asked")) != absent


def test_the_size_of_a_cap_decides_about_no_part_alone() -> None:
    def digest(**fields: Any) -> str:  # noqa: ANN401 (any field)
        return selected_by(SubsetSpec(name="x", **fields))

    assert digest(cap=CapSpec(rows=5)) == digest(cap=CapSpec(rows=6), description="other", plan=PlanSpec(free_share=1))
    others: list[dict[str, Any]] = [
        {},
        {"cap": CapSpec(rows=5)},
        {"cap": CapSpec(rows=5, seed=1)},
        {"where": {"a": "row > 1"}},
    ]
    assert len({digest(**fields) for fields in others}) == 4


def test_of_repeated_rows_the_first_that_passes_is_kept() -> None:
    rows = valid_rows(4, row_hash=[7, 7, 7, 8], declared_width=[10, 2000, 2000, 2000])
    subset = SubsetSpec(name="x", where={"big": "short_side >= 1024"})
    selection = select(rows.lazy(), subset, part="part-00000")
    assert selection.rows["row"].to_list() == [1, 3]
    assert selection.funnel.steps[-1] == FunnelStep("duplicates", "first with its row_hash", 2, 1, 0, 2)


def test_rows_with_the_same_url_and_other_captions_are_duplicates_only_if_asked() -> None:
    rows = valid_rows(3, url=["https://a.example/1", "https://a.example/1", "https://a.example/2"])
    assert taken(rows, SubsetSpec(name="x")) == [0, 1, 2]
    assert taken(rows, SubsetSpec(name="x", duplicates="drop_same_url")) == [0, 2]


def test_rows_without_a_hash_are_nobodys_duplicates() -> None:
    assert taken(valid_rows(3, row_hash=[None, None, 5]), SubsetSpec(name="x")) == [0, 1, 2]


def test_the_score_of_a_row_depends_on_seed_part_and_position_alone() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=10, seed=3))
    whole = select(valid_rows(1000).lazy(), subset, part="part-00000").rows
    some = select(valid_rows(1000).tail(300).lazy(), subset, part="part-00000").rows
    assert some["score"].to_list() == whole["score"].to_list()[700:]
    assert 0.45 < float(whole["score"].mean()) < 0.55  # type: ignore[arg-type]
    assert whole["score"].n_unique() == 1000
    elsewhere = select(valid_rows(1000).lazy(), subset, part="part-00001").rows
    assert elsewhere["score"].to_list() != whole["score"].to_list()


def test_the_best_rows_have_the_lowest_score_and_unknown_ones_the_highest() -> None:
    rows = valid_rows(4, similarity=[0.2, 0.5, None, 0.3])
    subset = SubsetSpec(name="x", cap=CapSpec(rows=2, best_by="similarity"))
    assert select(rows.lazy(), subset, part="part-00000").rows.sort("score")["row"].to_list() == [1, 3, 0, 2]


def test_similarities_of_two_models_are_ranked_by_how_far_they_are_above_the_least_of_their_language() -> None:
    """0.33 in English is less than 0.32 elsewhere, 6016 is no similarity, and a row without a language is elsewhere."""
    rows = valid_rows(
        6, language=["en", "de", "en", None, "en", "nolang"], similarity=[0.33, 0.32, 0.40, 0.35, 6016, 0.27]
    )
    cap = CapSpec(rows=2, best_by="similarity")

    def ranked(**languages: float | None) -> list[int]:
        subset = SubsetSpec(name="x", cap=cap, languages=languages)
        return select(rows.lazy(), subset, part="part-00000").rows.sort("score")["row"].to_list()

    assert ranked(en=0.28, other=0.26) == [2, 3, 1, 0, 5, 4]
    assert ranked() == ranked(en=None, other=None) == [2, 3, 0, 1, 5, 4]
    with pytest.raises(
        ValidationError, match=r"languages\.other: the cap ranks similarities by how far they are above"
    ):
        ranked(en=0.28, other=None)


def test_a_published_column_that_is_declared_is_kept_with_the_rows() -> None:
    rows = valid_rows(2).with_columns(pl.Series("aesthetic", [4.0, 6.0]))
    subset = SubsetSpec(name="x", where={"nice": "aesthetic > 5"}, extra_columns={"aesthetic": "number"})
    selection = select(rows.lazy(), subset, part="part-00000")
    assert selection.rows["aesthetic"].to_list() == [6.0]


def test_rows_whose_hash_is_not_published_are_told_apart_by_url_and_caption() -> None:
    same: dict[str, Any] = {"url": ["http://a/1.jpg", "http://a/1.jpg", "http://a/1.jpg"], "caption": ["x", "x", "y"]}
    rows = valid_rows(3, row_hash=[None, None, None], **same)
    assert taken(rows, SubsetSpec(name="x")) == [0, 2]
    published = valid_rows(3, row_hash=[row_hash("http://a/1.jpg", "x"), None, None], **same)
    assert taken(published, SubsetSpec(name="x")) == [0, 2], "the hash is the one that is published"
