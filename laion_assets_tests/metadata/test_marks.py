"""Lists of names made of marks."""

import polars as pl
import pytest

from laion_assets.metadata.marks import names_of


@pytest.mark.parametrize("rules", [1, 7, 8, 9, 16, 17, 32, 33, 63, 64, 65, 130])
def test_a_row_has_the_names_of_its_marks_however_many_rules_there_are(rules: int) -> None:
    height = 500
    marks = {f"rule_{n}": pl.Series([row % (n + 2) == 0 for row in range(height)]) for n in range(rules)}
    expected = [[f"rule_{n}" for n in range(rules) if row % (n + 2) == 0] for row in range(height)]
    names = names_of(marks, height)
    assert names.dtype == pl.List(pl.String())
    assert names.to_list() == expected
