"""The plan in a lake: written, read back, and held against the disk."""

import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.subsets.cut import StalePlanError
from laion_assets.subsets.forecast import HostLimits
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.plan import (
    Plan,
    make_plan,
    planned_rows,
    read_forecast,
)
from laion_assets.subsets.rows import write_rows
from laion_assets.subsets.selection import select
from laion_assets.subsets.spec import CapSpec, SubsetSpec
from laion_assets_tests.subsets.conftest import probes_of, valid_rows


def store_part(lake: Lake, subset: SubsetSpec, part: str, rows: pl.DataFrame) -> None:
    selection = select(rows.lazy(), subset, part=part)
    write_rows(lake, "d", subset.name, part, selection)


def plan_of(lake: Lake, subset: SubsetSpec, parts: int = 2, rows: int = 300) -> Plan:
    frames = {f"part-{index:05d}": valid_rows(rows, part=f"part-{index:05d}") for index in range(parts)}
    for part, frame in frames.items():
        store_part(lake, subset, part, frame)
    probes = probes_of(pl.concat([frame.head(200) for frame in frames.values()]))
    lake.write_parquet(lake.uri(["d", "dimension_probes"], "dimension_probes.parquet"), probes)
    return make_plan(lake, "d", subset, keeping=Keeping(1024), limits=HostLimits(20.0, 4), expected_parts=parts)


def test_rows_are_counted_exactly_and_probes_are_those_of_planned_rows(lake: Lake) -> None:
    subset = SubsetSpec(name="x", where={"some": "row % 3 = 0"})
    plan = plan_of(lake, subset)
    assert plan.forecast.rows == 200
    assert plan.forecast.probes == 134
    assert (plan.funnel.rows_in, plan.funnel.rows_left) == (600, 200)
    assert read_forecast(lake, "d", "x") == plan.forecast


def test_under_a_cap_only_probes_of_rows_within_it_count(lake: Lake) -> None:
    plan = plan_of(lake, SubsetSpec(name="x", cap=CapSpec(rows=100)))
    assert plan.forecast.rows == 100
    assert 40 <= plan.forecast.probes <= 90


def test_the_planned_rows_of_all_parts_are_the_plan(lake: Lake) -> None:
    plan = plan_of(lake, SubsetSpec(name="x", cap=CapSpec(rows=100)))
    rows = [planned_rows(lake, "d", "x", f"part-{index:05d}").height for index in range(2)]
    assert sum(rows) == plan.forecast.rows == 100


def test_a_cap_that_reaches_rows_without_a_value_can_be_planned(lake: Lake) -> None:
    """The rest of the cap is filled with rows of unknown similarity, in their order."""
    subset = SubsetSpec(name="x", cap=CapSpec(rows=5, best_by="similarity"))
    store_part(lake, subset, "part-00000", valid_rows(20, similarity=[None] * 17 + [0.1, 0.3, 0.2]))
    lake.write_parquet(
        lake.uri(["d", "dimension_probes"], "dimension_probes.parquet"), probes_of(valid_rows(20), outcome=["ok"] * 20)
    )
    plan = make_plan(lake, "d", subset, keeping=Keeping(1024), limits=HostLimits(20.0, 4), expected_parts=1)
    assert plan.forecast.rows == 5
    assert planned_rows(lake, "d", "x", "part-00000")["row"].to_list() == [18, 19, 17, 0, 1]


def test_the_busiest_host_is_known_exactly(lake: Lake) -> None:
    plan = plan_of(lake, SubsetSpec(name="x"))
    assert plan.forecast.busiest_host == "img5.example.org"
    assert plan.forecast.busiest_host_share == pytest.approx(86 / 600)


def test_the_same_rows_and_probes_give_the_same_bytes(lake: Lake) -> None:
    subset = SubsetSpec(name="x", cap=CapSpec(rows=100))
    plan_of(lake, subset)
    names = ["cut.json", "plan.json", "repeated.parquet"]
    first = [lake.read_bytes(lake.uri(["d", "x", "plan"], name)) for name in names]
    plan_of(lake, subset)
    assert [lake.read_bytes(lake.uri(["d", "x", "plan"], name)) for name in names] == first


def test_rows_selected_after_the_plan_are_not_downloaded_by_it(lake: Lake) -> None:
    subset = SubsetSpec(name="x")
    plan_of(lake, subset)
    store_part(lake, subset, "part-00001", valid_rows(299, part="part-00001"))
    as_many = valid_rows(300, part="part-00000", caption=["another caption"] * 300)
    store_part(lake, subset, "part-00000", as_many)
    for part in ("part-00000", "part-00001"):
        with pytest.raises(StalePlanError, match=f"{part}: .* Materialise the subset's plan again"):
            planned_rows(lake, "d", "x", part)


def test_a_plan_without_any_selected_part_says_what_to_do(lake: Lake) -> None:
    with pytest.raises(StalePlanError, match="Materialise rows for a part first"):
        make_plan(lake, "d", SubsetSpec(name="x"), keeping=Keeping(1), limits=HostLimits(None, 1))


def test_a_part_whose_rows_all_fell_out_is_planned_with_none(lake: Lake) -> None:
    plan = plan_of(lake, SubsetSpec(name="x", where={"none": "short_side > 100000"}))
    assert plan.forecast.rows == 0
    assert planned_rows(lake, "d", "x", "part-00000").height == 0
    assert plan.forecast.bytes_to_store.high == 0.0
