"""What the dataset as a whole decides: duplicates over parts, and the cap."""

import math

import numpy as np
import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.subsets.cut import Cut, StalePlanError, make_cut
from laion_assets.subsets.selection import select
from laion_assets.subsets.spec import CapSpec, SubsetSpec
from laion_assets_tests.subsets.conftest import valid_rows


def parts_of(subset: SubsetSpec, frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {key: select(frame.lazy(), subset, part=key).rows for key, frame in frames.items()}


def cut_of(
    subset: SubsetSpec, parts: dict[str, pl.DataFrame], *, expected: int | None = None
) -> tuple[Cut, dict[str, pl.DataFrame]]:
    cut, repeated = make_cut({key: rows.lazy() for key, rows in parts.items()}, subset, expected_parts=expected)
    return cut, {key: cut.apply(key, rows, repeated) for key, rows in parts.items()}


def three_parts(subset: SubsetSpec, rows: int = 400) -> dict[str, pl.DataFrame]:
    keys = [f"part-{index:05d}" for index in range(3)]
    return parts_of(subset, {key: valid_rows(rows, part=key) for key in keys})


def test_without_a_cap_all_rows_are_planned_in_the_published_order() -> None:
    subset = SubsetSpec(name="x")
    cut, planned = cut_of(subset, three_parts(subset))
    assert cut.planned == 1200
    assert planned["part-00001"]["row"].to_list() == list(range(400))


def test_a_cap_is_exact_over_all_parts() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=500))
    cut, planned = cut_of(subset, three_parts(subset))
    assert cut.planned == sum(rows.height for rows in planned.values()) == 500
    assert all(120 < rows.height < 210 for rows in planned.values())


def test_a_uniform_cap_keeps_the_rows_with_the_lowest_scores_of_all() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=500))
    parts = three_parts(subset)
    _, planned = cut_of(subset, parts)
    expected = pl.concat(parts.values()).sort("score").head(500).select("part", "row").sort("part", "row")
    assert pl.concat(planned.values()).select("part", "row").sort("part", "row").equals(expected)


def test_a_higher_cap_only_adds_rows_at_the_end_of_each_part() -> None:
    less, more = (SubsetSpec(name="x", cap=CapSpec(rows=rows)) for rows in (500, 700))
    _, before = cut_of(less, three_parts(less))
    _, after = cut_of(more, three_parts(more))
    for key, rows in before.items():
        assert after[key].head(rows.height).equals(rows)


def test_equals_at_the_threshold_are_told_apart_by_part_and_row() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=5, best_by="similarity"), duplicates="keep")
    frames = {key: valid_rows(4, part=key, similarity=[0.9, 0.5, 0.5, 0.5]) for key in ("a", "b")}
    cut, planned = cut_of(subset, parts_of(subset, frames))
    assert {key: sorted(rows["row"].to_list()) for key, rows in planned.items()} == {"a": [0, 1, 2, 3], "b": [0]}
    assert cut.planned == 5


def test_while_parts_are_missing_the_cap_is_taken_in_proportion() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=600))
    parts = three_parts(subset)
    whole, _ = cut_of(subset, parts, expected=3)
    some, planned = cut_of(subset, {"part-00000": parts["part-00000"]}, expected=3)
    assert (whole.planned, some.planned) == (600, 200)
    final = set(cut_of(subset, parts)[1]["part-00000"]["row"])
    assert len(set(planned["part-00000"]["row"]) & final) >= 170


def test_a_row_repeated_in_another_part_is_planned_once() -> None:
    subset = SubsetSpec(name="x")
    frames = {"a": valid_rows(3, part="a", row_hash=[1, 2, 3]), "b": valid_rows(3, part="b", row_hash=[3, 4, 1])}
    cut, planned = cut_of(subset, parts_of(subset, frames))
    assert planned["a"]["row"].to_list() == [0, 1, 2]
    assert planned["b"]["row"].to_list() == [1]
    assert (cut.selected, cut.repeated, cut.planned) == (6, 2, 4)


def test_repeated_urls_are_found_over_parts_too() -> None:
    subset = SubsetSpec(name="x", duplicates="drop_same_url")
    same = ["https://a.example/1", "https://a.example/2"]
    frames = {
        "a": valid_rows(2, part="a", url=same),
        "b": valid_rows(2, part="b", url=[same[1], "https://a.example/3"]),
    }
    _, planned = cut_of(subset, parts_of(subset, frames))
    assert planned["b"]["row"].to_list() == [1]


def test_a_cap_counts_only_what_is_left_without_repeated_rows() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=50))
    shared = list(range(60))
    frames = {key: valid_rows(60, part=key, row_hash=shared) for key in ("a", "b")}
    cut, planned = cut_of(subset, parts_of(subset, frames))
    assert cut.planned == planned["a"].height == 50
    assert planned["b"].height == 0


def test_slicing_the_hashes_finds_the_same_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    subset = SubsetSpec(name="x")
    random = np.random.default_rng(5)
    frames = {
        key: valid_rows(500, part=key, row_hash=random.integers(-300, 300, 500).tolist()) for key in ("a", "b", "c")
    }
    parts = parts_of(subset, frames)
    _, at_once = make_cut({key: rows.lazy() for key, rows in parts.items()}, subset)
    monkeypatch.setattr("laion_assets.subsets.cut._ROWS_AT_ONCE", 100)
    _, in_slices = make_cut({key: rows.lazy() for key, rows in parts.items()}, subset)
    assert at_once.height > 100
    assert in_slices.equals(at_once)


def test_a_cut_survives_being_stored() -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=100))
    cut, _ = cut_of(subset, three_parts(subset))
    assert Cut.from_json(cut.to_json()) == cut


@pytest.mark.parametrize(
    ("known", "last"),
    [([0.4, None, None, None], None), ([math.inf] * 4, math.inf), ([0.4, 0.3, 0.2, 0.1], 0.3)],
    ids=["rows without a value", "values without end", "ordinary values"],
)
def test_a_best_by_cut_is_stored_in_the_lake_wherever_it_falls(
    lake: Lake, known: list[float | None], last: float | None
) -> None:
    cap = CapSpec(rows=2, best_by="aesthetic")
    subset = SubsetSpec(name="x", cap=cap, extra_columns={"aesthetic": "number"}, duplicates="keep")
    rows = valid_rows(4, part="a").with_columns(pl.Series("aesthetic", known, dtype=pl.Float64))
    parts = parts_of(subset, {"a": rows})
    cut, planned = cut_of(subset, parts)
    assert cut.threshold == (math.inf if last is None else -last, "a", 1)
    uri = lake.uri(["d", "x", "plan"], "cut.json")
    lake.write_json(uri, cut.to_json())
    read = Cut.from_json(lake.read_json(uri))
    assert read == cut
    _, repeated = make_cut({key: rows.lazy() for key, rows in parts.items()}, subset)
    assert read.apply("a", parts["a"], repeated)["row"].to_list() == planned["a"]["row"].to_list() == [0, 1]


def test_a_plan_made_before_the_rows_is_noticed() -> None:
    subset = SubsetSpec(name="x")
    parts = three_parts(subset)
    cut, repeated = make_cut({key: rows.lazy() for key, rows in parts.items()}, subset)
    with pytest.raises(StalePlanError, match="part-00001: the plan was made before its rows"):
        cut.apply("part-00001", parts["part-00001"].head(100), repeated)
    with pytest.raises(StalePlanError):
        cut.apply("part-00099", parts["part-00001"], repeated)


@pytest.mark.parametrize("best_by", [None, "similarity"])
@pytest.mark.parametrize("cap", [1, 7, 399, 650, 1199])
def test_the_cap_is_that_of_sorting_everything(cap: int, best_by: str | None) -> None:
    """Scores of both signs, many equal, some unknown."""
    random = np.random.default_rng(cap)
    subset = SubsetSpec(name="x", cap=CapSpec(rows=cap, best_by=best_by))
    values = [None, -0.3, 0.0, 0.25, 0.25, 0.5, 1.0]
    frames = {
        key: valid_rows(400, part=key, similarity=[values[index] for index in random.integers(0, 7, 400)])
        for key in ("a", "b", "c")
    }
    parts = parts_of(subset, frames)
    cut, planned = cut_of(subset, parts)
    expected = pl.concat(parts.values()).sort("score", "part", "row").head(cap).select("part", "row")
    found = pl.concat(planned.values()).select("part", "row")
    assert found.sort("part", "row").equals(expected.sort("part", "row"))
    assert cut.planned == cap
