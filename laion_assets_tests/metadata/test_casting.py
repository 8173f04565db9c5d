"""Types drift between publications; values do not change on the way, or their row is quarantined."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from laion_assets_tests.metadata.conftest import PUBLISHED_SCHEMA, Pass, rows


def _with_type(name: str, dtype: pl.DataType, values: list[Any]) -> pl.DataFrame:
    frame = rows(*({} for _ in values))
    return frame.with_columns(pl.Series(name, values, dtype=dtype))


def test_a_pandas_round_trip_changes_nothing(passed: Callable[..., Pass]) -> None:
    frame = rows({}, {"punsafe": None}, {"WIDTH": None})
    drifted = frame.with_columns(
        pl.col("WIDTH").cast(pl.Float64).fill_null(float("nan")),
        pl.col("HEIGHT").cast(pl.Float64),
        pl.col("punsafe").cast(pl.Float64).fill_null(float("nan")),
        __index_level_0__=pl.Series([5, 6, 7]),
    )
    plain, round_trip = passed(frame), passed(drifted)
    assert round_trip.valid.equals(plain.valid)
    assert round_trip.rules == plain.rules == {"width_missing": 1, "punsafe_missing": 1}


@pytest.mark.parametrize(
    ("dtype", "values", "kept"),
    [
        (pl.Float64(), [1600.0, 1024.5, float("inf"), float("-inf"), 3e9, 1e300], [1600]),
        (pl.Int64(), [1600, 2**31, -(2**31) - 1, 2**62], [1600]),
        (pl.UInt64(), [1600, 2**63], [1600]),
        (pl.Decimal(12, 2), ["1600.00", "1600.50"], [1600]),
        (
            pl.String(),
            ["1600", " 1600 ", "1600.0", "1.6e3", "tall", "1600.5", "99999999999", "0x640"],
            [1600, 1600, 1600, 1600],
        ),
    ],
)
def test_a_size_that_is_no_whole_number_of_px_is_not_cut_off_but_quarantined(
    passed: Callable[..., Pass], dtype: pl.DataType, values: list[Any], kept: list[int]
) -> None:
    outcome = passed(_with_type("WIDTH", dtype, values))
    assert outcome.valid.get_column("declared_width").to_list() == kept
    assert outcome.quarantined.get_column("reasons").to_list() == [["not_castable"]] * (len(values) - len(kept))
    original = pl.Series("WIDTH", values, dtype=dtype)[len(kept) :]
    assert outcome.quarantined.get_column("WIDTH").equals(original), "as published"
    assert outcome.profile["cast_losses"] == [{"name": "declared_width", "count": len(values) - len(kept)}]


def test_missing_text_and_nan_are_missing_values_not_lost_ones(passed: Callable[..., Pass]) -> None:
    outcome = passed(_with_type("WIDTH", pl.String(), ["", " ", "nan", "NaN", None]))
    assert outcome.rules == {"width_missing": 5}


@pytest.mark.parametrize(("dtype", "spelled"), [(pl.String(), "{}"), (pl.String(), "{}.0"), (pl.Decimal(20, 0), "{}")])
def test_a_hash_of_nineteen_digits_survives_text_and_decimals(
    passed: Callable[..., Pass], dtype: pl.DataType, spelled: str
) -> None:
    values = [2**63 - 1, -(2**63), 9007199254740993]
    outcome = passed(_with_type("hash", dtype, [spelled.format(value) for value in values]))
    assert outcome.valid.get_column("row_hash").to_list() == values


def test_scores_are_rounded_to_their_canonical_width_and_nan_is_missing(passed: Callable[..., Pass]) -> None:
    outcome = passed(_with_type("punsafe", pl.Float64(), [0.1, 1e39, float("nan"), float("inf")]))
    assert outcome.quarantined.get_column("row").to_list() == [1], "1e39 does not fit into 32 bits"
    assert outcome.valid.get_column("punsafe").to_list() == [pytest.approx(0.1), None, float("inf")]
    assert outcome.valid.get_column("flags").to_list() == [[], ["punsafe_missing"], ["punsafe_out_of_range"]]


def test_bytes_are_text_when_they_are_utf8(passed: Callable[..., Pass]) -> None:
    good = passed(_with_type("TEXT", pl.Binary(), ["ein Füller".encode(), None]))
    assert good.valid.get_column("caption").to_list() == ["ein Füller"]
    bad = passed(_with_type("TEXT", pl.Binary(), ["ein Füller".encode("latin-1"), b"ok", "ü".encode()]))
    assert bad.valid.get_column("caption").to_list() == ["ok", "ü"]
    assert bad.quarantined.get_column("reasons").to_list() == [["not_castable"]]
    assert bad.quarantined.get_column("TEXT").to_list() == ["ein Füller".encode("latin-1")]


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["en", "de"])])
def test_coded_text_is_text(passed: Callable[..., Pass], dtype: pl.DataType) -> None:
    outcome = passed(_with_type("LANGUAGE", dtype, ["en", "de", None]))
    assert outcome.valid.get_column("language").to_list() == ["en", "de", None]


def test_a_column_of_nothing_but_nulls_may_have_no_type(passed: Callable[..., Pass]) -> None:
    outcome = passed(_with_type("punsafe", pl.Null(), [None, None]))
    assert outcome.valid.get_column("punsafe").to_list() == [None, None]
    assert outcome.rules == {"punsafe_missing": 2}


def test_narrower_types_fit_without_a_look_at_the_values(passed: Callable[..., Pass]) -> None:
    frame = rows({}).with_columns(pl.col("WIDTH").cast(pl.Int16), pl.col("similarity").cast(pl.Float32))
    assert frame.schema != pl.Schema(PUBLISHED_SCHEMA)
    assert passed(frame).valid.select("declared_width", "similarity").row(0) == (1600, pytest.approx(0.31))
