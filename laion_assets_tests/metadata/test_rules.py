"""Each rule and its Great Expectations twin say the same about a frame full of corner cases; rules are data."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from laion_assets.metadata.derived import DERIVED, has_control_characters
from laion_assets.metadata.errors import RuleError
from laion_assets.metadata.gx_engine import run_suite
from laion_assets.metadata.marks import marks_of
from laion_assets.metadata.repeats import Repeats
from laion_assets.metadata.rule import Rule
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.rules import RULES
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec
from laion_assets_tests.metadata.conftest import Pass, rows

_URLS = [
    "https://example.org/a.jpg",
    "https://example.org/a.jpg",
    "HTTP://EXAMPLE.ORG",
    "hTTps://user:pw@host:8080/x",
    "http://[::1]:80/",
    "http://10.0.0.1/",
    None,
    "",
    " ",
    " http://example.org/",
    "ftp://example.org/a.jpg",
    "data:image/png;base64,AAAA",
    "//example.org/a.jpg",
    "http:/example.org",
    "http://",
    "http:///path",
    "https://?q",
    "https://#f",
    "https://user@/x",
    "https://user:pw@:80/",
    "https://a@b@/x",
    "https://a@b@example.org/x",
    "http://example.org\\@",
    "http://./x",
    "https://:80/",
    "https://@",
    "http://\x00",
    "https://example.org/\x00",
    "https://example.org/a\tb",
    "https://example.org/a\n",
    "https://example.org/\x7f",
    "https://example.org/\x85",
    "https://example.org/a b",
    "https://exämple.org/ü",
    "https://example.org/" + "x" * 7980,
    "https://example.org/" + "x" * 7981,
    "https://example.org/" + "ü" * 7980,
    "https://" + "\u2028",
    "UNLIKELY",
    "NSFW",
    "UNLIKELY\n",
    "1104",
    "-3.5",
    "١١٠٤",  # digits, but not ASCII ones
]
_CAPTIONS = [
    "a red bicycle",
    None,
    "",
    " ",
    "\t\n",
    "\x00",
    "\u200b\u200b",
    "\ufeff",
    "\u3000",
    "\u2028",
    "\x1c\x1f",
    "\u00a0",
    "\u180e",  # no longer a space in Unicode
    ".",
    "IMG_1234.JPG",
    "photo.jpeg\n",
    "my photo.png",
    "x.webp",
    "x.jpg.",
    ".gif",
    "https://example.org/a",
    "www.example.org",
    "www.example.org\n",
    "see https://example.org",
    "https://",
    "x" * 10_000,
    "x" * 10_001,
    "\U0001f6b2" * 10_000,
    "\U0001f6b2" * 10_001,
]
_SIDES = [1024, 1023, 1, 0, -1, -(2**31), 2**31 - 1, 65_500, 65_501, None, 5120, 5121, 2500]
_SCORES = [0.0, 1.0, -0.0, 0.5, -1.0, 1.0000001, -1.0000001, 6016.0, float("inf"), float("-inf"), None, 1e-300]


def _corner_cases() -> pl.DataFrame:
    """Canonical rows: every corner case of every column, and sizes in all pairs."""
    pairs = [(width, height) for width in _SIDES for height in _SIDES]
    n = max(len(pairs), len(_URLS), len(_CAPTIONS))

    def filled(values: Sequence[Any]) -> list[Any]:
        return [values[i % len(values)] for i in range(n)]

    frame = pl.DataFrame(
        {
            "url": filled(_URLS),
            "caption": filled(_CAPTIONS),
            "declared_width": [width for width, _ in pairs],
            "declared_height": [height for _, height in pairs],
            "similarity": filled(_SCORES),
            "language": filled(["en", "nolang", None, "1104", "UNLIKELY", "zh-CN", "12.5", "1104\n", "٣"]),
            "pwatermark": filled(_SCORES),
            "punsafe": filled(_SCORES[::-1]),
            "license": filled(["?", None, "640", "cc-by-4.0", "-1.5", "1e3"]),
            "__overflow__": filled([None, "", "more"]),
        },
        schema_overrides={
            "declared_width": pl.Int32,
            "declared_height": pl.Int32,
            "pwatermark": pl.Float32,
            "punsafe": pl.Float32,
        },
    )
    derived = frame.with_columns(expression.alias(name) for name, (_, expression) in DERIVED.items())
    return derived.with_columns(Repeats(more_slices=False).mark(frame))


def test_every_rule_and_its_great_expectations_twin_pick_the_same_rows() -> None:
    import pandas as pd

    frame = _corner_cases()
    marks = marks_of(RULES, frame)
    # Through objects: numbers with gaps must not become floats.
    cells = {name: pd.Series(frame.get_column(name).to_list(), dtype="object") for name in frame.columns}
    table = pd.DataFrame(cells).astype({name: _pandas(dtype) for name, dtype in frame.schema.items()})
    suite = []
    for rule in RULES:
        assert rule.twin is not None, rule.name
        kwargs = {key: rule.limit if value == "{limit}" else value for key, value in rule.twin.kwargs.items()}
        suite.append({"type": rule.twin.type, "kwargs": kwargs, "meta": {"rule": rule.name}})
    result = run_suite(
        table, suite, suite_name="twins", table_name="corner cases", result_format={"result_format": "COMPLETE"}
    )
    disagreements = {}
    for one in result.results:
        assert not one.exception_info.get("raised_exception"), one.exception_info
        assert one.expectation_config is not None
        name = one.expectation_config.meta["rule"]
        theirs = set(one.result["unexpected_index_list"] or [])
        ours = set(marks[name].arg_true().to_list())
        assert ours, f"no corner case breaks {name}"
        if ours != theirs:
            columns = sorted(next(rule for rule in RULES if rule.name == name).columns)
            disagreements[name] = [frame.select(columns).row(index) for index in sorted(ours ^ theirs)]
    assert len(result.results) == len(RULES)
    assert disagreements == {}


def _pandas(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "Int64"
    if dtype.is_float():
        return "Float64"
    return "boolean" if isinstance(dtype, pl.Boolean) else "object"


def test_sound_rows_break_no_rule(passed: Callable[..., Pass]) -> None:
    outcome = passed(rows({}, {"LANGUAGE": "nolang"}, {"WIDTH": 1024, "HEIGHT": 65_500 // 13}))
    assert outcome.rules == {}
    assert outcome.valid.get_column("flags").to_list() == [[], [], []]


def test_a_row_carries_all_its_reasons_in_the_order_of_the_rules(passed: Callable[..., Pass]) -> None:
    outcome = passed(rows({}, {"URL": "UNLIKELY", "TEXT": " ", "HEIGHT": None, "WIDTH": -1, "LANGUAGE": "1104"}))
    assert outcome.quarantined.get_column("reasons").to_list() == [
        ["url_not_http", "caption_blank", "height_missing", "width_not_positive", "shifted_url", "shifted_language"]
    ]


def test_a_url_whose_host_is_missing_behind_anything_is_quarantined(passed: Callable[..., Pass]) -> None:
    without = ["http://", "http:///x", "https://?q", "https://#f", "https://:80/", "https://@", "https://user@/x",
               "https://user:pw@", "https://user:pw@:80/", "https://a@b@/x", "http://./x", "http://\\x"]  # fmt: skip
    outcome = passed(rows(*({"URL": url} for url in without)))
    assert outcome.quarantined.get_column("reasons").to_list() == [["url_without_host"]] * len(without)
    having = ["http://a", "https://user:pw@a.example:80/@", "http://a@b@[::1]/", "http://a.example\\@", "http://a?@"]
    assert passed(rows(*({"URL": url} for url in having))).valid.get_column("url").to_list() == having


def test_the_minimum_side_of_the_expectations_is_the_limit_of_below_minimum(passed: Callable[..., Pass]) -> None:
    book = rulebook(expectations=ExpectationsSpec(minimum_side_px=1201))
    assert passed(rows({}, {"HEIGHT": 1201}), book=book).rules == {"below_minimum": 1}


def test_yaml_adds_tunes_and_switches_off_rules(passed: Callable[..., Pass]) -> None:
    spec = RulesSpec.model_validate(
        {
            "add": [
                {
                    "name": "short_caption",
                    "reason": "fewer words than a sentence",
                    "severity": "quarantine",
                    "tolerance": 0.2,
                    "breaks": "caption_words < {limit}",
                    "limit": 2,
                }
            ],
            "tune": {"url_too_long": {"limit": 30}, "below_minimum": {"severity": "quarantine", "limit": 2000}},
            "switch_off": ["punsafe_missing"],
        }
    )
    frame = rows(
        {"TEXT": "one"}, {"URL": f"https://example.org/{'x' * 20}"}, {"punsafe": None, "WIDTH": 2000, "HEIGHT": 2000}
    )
    outcome = passed(frame, book=rulebook(spec))
    assert outcome.quarantined.get_column("reasons").to_list() == [
        ["below_minimum", "short_caption"],
        ["url_too_long", "below_minimum"],
    ]
    assert outcome.valid.get_column("flags").to_list() == [[]]


def test_a_rule_may_look_at_a_column_that_only_this_dataset_publishes(passed: Callable[..., Pass]) -> None:
    rule = Rule(name="odd_licence", reason="?", severity="flag", tolerance=1, breaks="license = '?'")
    frame = rows({}, {}).with_columns(LICENSE=pl.Series(["?", "cc0"]))
    outcome = passed(frame, book=rulebook(RulesSpec(add=[rule])))
    assert outcome.valid.select("license", "flags").rows() == [("?", ["odd_licence"]), ("cc0", [])]


def test_rules_about_columns_that_are_not_published_do_not_apply_and_the_profile_says_so(
    passed: Callable[..., Pass],
) -> None:
    outcome = passed(rows({}, {"URL": "ftp://x"}).select("URL", "TEXT"))
    assert outcome.valid.height == 1
    assert outcome.valid.row(0, named=True)["declared_width"] is None
    inapplicable = outcome.profile["rules_not_applicable"]
    assert {"width_missing", "below_minimum", "punsafe_missing", "shifted_language"} <= set(inapplicable)
    assert not {"url_missing", "caption_blank", "repeated_url_caption"} & set(inapplicable)
    assert not set(inapplicable) & {one["rule"] for one in outcome.profile["rule_counts"]}


def _added(**changes: str) -> dict[str, Any]:
    rule = {"name": "mine", "reason": "r", "severity": "flag", "tolerance": 0, "breaks": "url IS NULL"}
    return {"add": [{**rule, **changes}]}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"switch_off": ["url_mising"]}, "there is no rule url_mising. Did you mean url_missing?"),
        ({"tune": {"below_minimun": {"limit": 3}}}, "Did you mean below_minimum?"),
        ({"tune": {"url_missing": {"limit": 3}}}, "compares with no number"),
        ({"tune": {"url_missing": {"tolerance": 3}}}, "less than or equal to 1"),
        (_added(name="url_missing"), "there already is a rule url_missing"),
        (_added(breaks="url IS IS"), "not a Polars SQL expression"),
        (_added(breaks="url > {limit}"), "Give it a limit"),
        (_added(severity="drop"), "quarantine"),
        (_added(breaks="declared_width"), "rule mine: 'declared_width' is Int32, not true or false"),
        (_added(breaks="caption + 1 > declared_width"), "rule mine: .* cannot be evaluated"),
        (_added(breaks=""), "breaks is not a Polars SQL expression"),
        (_added(cleared_by=""), "cleared_by is not a Polars SQL expression"),
        (_added(cleared_by="caption IS NULL"), "rule mine: cleared_by looks at caption, which breaks does not look at"),
        (_added(cleared_by="url IS IS"), "cleared_by is not a Polars SQL expression"),
        (_added(cleared_by="url > {limit}"), "rule mine: cleared_by uses {limit}, but there is none. Give it a limit"),
        (_added(cleared_by="url"), "rule mine: 'url' is String, not true or false"),
        (_added(cleared_by="url + 1 > 2"), "rule mine: .* cannot be evaluated"),
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence(spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence.replace("?", r"\?")):
        RulesSpec.model_validate(spec)


def test_a_rule_that_cannot_be_evaluated_on_a_published_column_is_named(passed: Callable[..., Pass]) -> None:
    rule = Rule(name="mine", reason="r", severity="flag", tolerance=1, breaks="LENGTH(likes) > 3")
    with pytest.raises(RuleError, match=r"rule mine: 'LENGTH\(likes\) > 3' cannot be evaluated \(.+\)\."):
        passed(rows({}).with_columns(likes=pl.Series([5])), book=rulebook(RulesSpec(add=[rule])))


def test_a_rule_that_compares_rows_cannot_quarantine() -> None:
    with pytest.raises(ValueError, match="repeated_url compares a row with the rows before it"):
        rulebook(RulesSpec.model_validate({"tune": {"repeated_url": {"severity": "quarantine"}}}))


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8", max_codepoint=0x2FF)), max_size=20), st.integers(0, 5))
def test_control_characters_are_found_where_a_regular_expression_finds_them(texts: list[str | None], cut: int) -> None:
    column = pl.Series("url", texts, dtype=pl.String).slice(cut)
    expected = column.str.contains("[\\x00-\\x1f\\x7f-\\x9f]").to_list()
    assert has_control_characters(column).to_list() == expected


def test_a_control_character_is_found_wherever_a_block_of_bytes_ends() -> None:
    texts = ["x" * length for length in (65_535, 1, 70_000, 3)]
    for row, text in enumerate(texts):
        for changed in (f"\x85{text}", f"{text}\n"):
            column = pl.Series("url", [*texts[:row], changed, *texts[row + 1 :]])
            assert has_control_characters(column).arg_true().to_list() == [row]


_PIECES = [
    *(
        "http://",
        "https://",
        "HTTP://",
        "http:",
        "/",
        "@",
        "?",
        "#",
        "\\",
        ".",
        "[::1]",
        "www.",
        "a",
        "Z",
        "é",
        "x.jpg",
    ),
    *(" ", "\t", "\n", "\x00", "\u3000", "!", "~", "\x7f", "SAFE", "UNLIKELY", "1", "-", "en"),
]


@given(st.lists(st.none() | st.lists(st.sampled_from(_PIECES), max_size=7).map("".join), max_size=30))
@example(["http://a\n@", "http://a@", "https://a@/x", "https://a@b.example/x", "http://a b", "https://a", "a b.jpg"])
def test_no_row_that_breaks_a_rule_is_cleared_of_it(texts: list[str | None]) -> None:
    column = pl.Series(texts, dtype=pl.String)
    frame = pl.DataFrame({"url": column, "caption": column, "language": column})
    clearing = [rule.model_copy(update={"limit": rule.limit and 3.0}) for rule in RULES if rule.cleared_by]
    assert len(clearing) == 9
    evaluated_everywhere = [rule.model_copy(update={"cleared_by": None}) for rule in clearing]
    found, expected = marks_of(clearing, frame), marks_of(evaluated_everywhere, frame)
    assert {name: mark.to_list() for name, mark in found.items()} == {
        name: mark.to_list() for name, mark in expected.items()
    }


def test_most_rows_are_cleared_without_looking_closer() -> None:
    usual = pl.DataFrame({"url": "https://example.org/a.jpg", "caption": "a red bicycle", "language": "en"})
    for rule in RULES:
        if rule.cleared_by:
            always = rule.model_copy(update={"breaks": "true"})
            assert marks_of([always], usual)[rule.name].to_list() == [False]
            assert marks_of([always.model_copy(update={"cleared_by": None})], usual)[rule.name].to_list() == [True]


def test_a_rule_is_cleared_with_its_own_limit() -> None:
    frame = pl.DataFrame({"caption": ["four", "fives", None]})
    breaks, cleared_by = "CHAR_LENGTH(caption) > {limit}", "OCTET_LENGTH(caption) <= {limit}"
    longer = Rule(
        name="longer", reason="r", severity="flag", tolerance=1, breaks=breaks, cleared_by=cleared_by, limit=3
    )
    rules = [longer.model_copy(update={"name": str(limit), "limit": limit}) for limit in (3, 4, 5)]
    marks = {name: mark.to_list() for name, mark in marks_of(rules, frame).items()}
    assert marks == {"3": [True, True, False], "4": [False, True, False], "5": [False, False, False]}


def test_a_rule_about_no_column_is_about_every_row() -> None:
    frame = pl.DataFrame({"caption": ["a", "x", "x"]})
    rule = Rule(name="mine", reason="r", severity="flag", tolerance=1, breaks="caption = 'x'", cleared_by="false")
    assert marks_of([rule], frame)["mine"].to_list() == [False, True, True]
    always = rule.model_copy(update={"breaks": "true"})
    assert marks_of([always], frame)["mine"].to_list() == [True, True, True]
    assert marks_of([always.model_copy(update={"cleared_by": None})], frame)["mine"].to_list() == [True, True, True]
    assert marks_of([always, rule], frame.clear())["mine"].to_list() == []
