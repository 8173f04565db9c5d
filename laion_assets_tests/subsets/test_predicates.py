"""What may be said in a subset's YAML, and how a mistake in it is answered."""

import pytest
from pydantic import ValidationError

from laion_assets.subsets.columns import predicate_schema
from laion_assets.subsets.predicates import PredicateError, parse_predicate
from laion_assets.subsets.spec import CapSpec, SubsetSpec

SCHEMA = predicate_schema({})


def refusal(sql: str) -> str:
    with pytest.raises(PredicateError) as caught:
        parse_predicate("my_condition", sql, SCHEMA)
    return str(caught.value)


def test_an_unknown_column_is_refused_with_the_predicates_name_and_a_suggestion() -> None:
    assert refusal("pwatermrk < 0.8") == (
        "my_condition: no column 'pwatermrk', in 'pwatermrk < 0.8'. Did you mean 'pwatermark'?"
    )


def test_a_column_in_the_publishers_spelling_is_led_to_ours() -> None:
    assert "Did you mean 'similarity'?" in refusal("SIMILARITY > 0.3")


def test_a_column_like_no_other_is_answered_with_all_there_are() -> None:
    message = refusal("qqq = 1")
    assert "There are: part, row, url" in message
    assert "short_side" in message


@pytest.mark.parametrize("sql", ["short_side >=", "short_side > 5; DROP TABLE x", "", "SELECT 1", "short_side >> > 3"])
def test_a_syntax_error_is_refused_with_the_predicates_name(sql: str) -> None:
    assert refusal(sql).startswith("my_condition: ")


@pytest.mark.parametrize("sql", ["short_side", "short_side + 1", "url"])
def test_what_is_neither_true_nor_false_is_refused(sql: str) -> None:
    assert "not true or false" in refusal(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "short_side > AVG(short_side)",
        "SUM(short_side) > 5",
        "RANK() OVER (ORDER BY short_side) < 2",
        "SUM(short_side) OVER (PARTITION BY language) > 0",
        "COUNT(*) > 0 AND short_side > 0",
        "FIRST(url) = 'a'",
    ],
)
def test_what_looks_at_other_rows_is_refused(sql: str) -> None:
    assert "depends on other rows" in refusal(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "read_csv('/etc/passwd') = 1",
        "caption = 'x' OR EXISTS (select 1)",
        r"caption = E'\'' OR url IN (SELECT url FROM read_csv('/x'))",
        "url IN (SELECT url FROM read_parquet('/data/x.parquet'))",
        "true",
        "*",
    ],
)
def test_nothing_but_the_row_can_be_read(sql: str) -> None:
    assert refusal(sql).startswith("my_condition: ")


def test_a_regular_expression_that_is_none_is_refused_before_any_row_is_seen() -> None:
    assert "regex" in refusal("REGEXP_LIKE(url, '(')")


def test_types_that_cannot_be_compared_are_refused() -> None:
    assert "cannot compare" in refusal("url > 5")


def test_a_forbidden_word_inside_a_text_is_only_a_text() -> None:
    assert parse_predicate("fine", "caption LIKE '%select a table%'", SCHEMA).name == "fine"


@pytest.mark.parametrize(
    "sql",
    [
        "short_side >= 1024 AND pwatermark < 0.8",
        "aspect BETWEEN 0.33 AND 3.0",
        "NOT array_contains(flags, 'duplicate_url')",
        "array_length(flags) = 0",
        "url_host LIKE '%.example.org'",
        "caption_words >= 3 OR language IN ('ja', 'zh')",
        "megapixels < 50 AND long_side / short_side < 4",
        "COALESCE(punsafe, 1.0) < 0.5",
        "language IS NULL",
    ],
)
def test_ordinary_conditions_are_accepted(sql: str) -> None:
    assert parse_predicate("fine", sql, SCHEMA).sql == sql


def test_a_subset_with_a_bad_predicate_cannot_be_loaded() -> None:
    with pytest.raises(ValidationError, match=r"big: no column 'shrot_side'.*Did you mean 'short_side'"):
        SubsetSpec(name="x", where={"big": "shrot_side > 5"})


def test_nulls_pass_names_predicates_only() -> None:
    with pytest.raises(
        ValidationError, match=r"nulls_pass: \['safee'\] are not predicates. There are: safe, languages"
    ):
        SubsetSpec(name="x", where={"safe": "punsafe < 0.5"}, nulls_pass=["safee"])


def test_the_best_rows_are_best_by_a_number_that_exists() -> None:
    with pytest.raises(ValidationError, match="no numeric column 'similarty'"):
        SubsetSpec(name="x", cap=CapSpec(rows=10, best_by="similarty"))


def test_a_column_only_this_publisher_has_can_be_named_once_it_is_declared() -> None:
    with pytest.raises(ValidationError, match="no column 'aesthetic_score'"):
        SubsetSpec(name="x", where={"nice": "aesthetic_score > 5"})
    declared = SubsetSpec(name="x", where={"nice": "aesthetic_score > 5"}, extra_columns={"aesthetic_score": "number"})
    assert [predicate.name for predicate in declared.predicates()] == ["nice"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("languages", {"en": 6016.0}, "no cosine similarity"),
        ("exclude_hosts", ["https://example.org/"], "not a host name"),
        ("exclude_hosts", ["*.example.org"], "not a host name. Write example.org, without scheme; subdomains are incl"),
        ("exclude_hosts", ["example.org?all"], "not a host name"),
        ("exclude_hosts", ["."], "not a host name"),
        ("where", {"duplicates": "short_side > 1"}, "taken by a step of its own"),
        ("extra_columns", {"url": "text"}, "there already"),
    ],
)
def test_other_mistakes_say_what_to_write_instead(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SubsetSpec.model_validate({"name": "x", field: value})


def test_what_decides_about_rows_changes_the_digest_and_words_about_it_do_not() -> None:
    subset = SubsetSpec(name="x", where={"big": "short_side >= 1024"})
    assert subset.digest() == SubsetSpec(name="y", description="Other words.", where=subset.where).digest()
    assert subset.digest() != SubsetSpec(name="x", where={"big": "short_side >= 1025"}).digest()
    assert subset.digest() != SubsetSpec(name="x", where=subset.where, duplicates="keep").digest()
