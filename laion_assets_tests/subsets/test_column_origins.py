"""From which validated columns those of a subset's rows come."""

import pytest

from laion_assets.subsets.column_origins import rows_origins
from laion_assets.subsets.spec import CapSpec, SubsetSpec


@pytest.mark.parametrize(
    ("best_by", "columns"),
    [
        (None, {"part", "row"}),
        ("aesthetic", {"aesthetic"}),
        ("short_side", {"declared_width", "declared_height"}),
    ],
)
def test_the_rank_of_a_row_comes_from_what_ranks_it(best_by: str | None, columns: set[str]) -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=1, best_by=best_by), extra_columns={"aesthetic": "number"})
    found = rows_origins(subset)
    assert found["score"] == columns
    assert found["aesthetic"] == {"aesthetic"}


def test_a_similarity_that_counts_from_the_least_of_its_language_comes_from_both() -> None:
    cap = CapSpec(rows=1, best_by="similarity")
    assert rows_origins(SubsetSpec(name="x", cap=cap))["score"] == {"similarity"}
    listed = SubsetSpec(name="x", cap=cap, languages={"en": 0.28, "other": 0.26})
    assert rows_origins(listed)["score"] == {"similarity", "language"}


def test_a_row_hash_that_was_not_published_comes_from_url_and_caption() -> None:
    assert rows_origins(SubsetSpec(name="x"))["row_hash"] == {"row_hash", "url", "caption"}
    assert rows_origins(SubsetSpec(name="x", duplicates="drop_same_url"))["row_hash"] == {"row_hash"}
