"""Which values repeat an earlier one; ``test_rules`` has the rules made of it."""

import polars as pl
import pytest

from laion_assets.metadata.repeats import is_repeated


@pytest.mark.parametrize(
    "values",
    [
        pl.Series("url", [], dtype=pl.String()),
        pl.Series("url", ["http://a/1", "http://a/2"]),
        pl.Series("url", [f"http://a/{row * row % 997}" for row in range(1000)]),
        pl.Series("hash", [None, 3, None, 3, 2**63 - 1, 4, -(2**63), 2**63 - 1], dtype=pl.Int64()),
    ],
    ids=["nothing", "all differ", "many repeat", "numbers and nulls"],
)
def test_a_value_is_repeated_where_an_earlier_one_is_the_same(values: pl.Series) -> None:
    assert is_repeated(values).to_list() == (~values.is_first_distinct()).to_list()
