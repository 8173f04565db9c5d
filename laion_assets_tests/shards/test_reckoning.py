"""The plan held against what came."""

from dataclasses import replace

import pytest

from laion_assets.shards.index import Index, ShardEntry
from laion_assets.shards.layout import ShardStats
from laion_assets.shards.reckoning import Reckoned, reckon, sentence, to_json
from laion_assets.subsets.forecast import HostLimits, Interval, make_forecast
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.spec import PlanSpec
from laion_assets_tests.subsets.conftest import probes_of, valid_rows

STATS = ShardStats.from_json(
    {
        **dict.fromkeys(ShardStats.__dataclass_fields__, 0),
        "count": 100,
        "successes": 80,
        "tar_bytes": 32_500_000,
        "transferred_bytes": 36_000_000,
        "status_dict": {},
        "outcomes": {"ok": 80, "not_found": 20},
        "formats": {"jpeg": 80},
    }
)
PROBES = probes_of(
    valid_rows(500),
    outcome=["ok", "ok", "ok", "ok", "not_found"] * 100,
    file_bytes=[400_000, 400_000, 400_000, 400_000, None] * 100,
)
FORECAST = make_forecast(PROBES, {"a": 1000}, keeping=Keeping(1024), assumed=PlanSpec(), limits=HostLimits(None, 1000))


def index_of(*shards: ShardStats) -> Index:
    return Index(tuple(ShardEntry("part-00000", number, stats) for number, stats in enumerate(shards)))


def test_each_figure_is_inside_or_how_far_off() -> None:
    images, transfer, store, _ = reckon(FORECAST, index_of(*[STATS] * 10))
    assert (images.actual, images.inside) == (800.0, True)
    assert images.off_by == pytest.approx(0.0)
    assert (transfer.figure, transfer.inside) == ("bytes to transfer", False)
    assert transfer.off_by == pytest.approx(360e6 / 320.8e6 - 1, abs=0.001)
    assert store.inside


def test_while_parts_are_missing_the_plan_of_the_others_counts() -> None:
    images = reckon(FORECAST, index_of(STATS))[0]
    assert images.planned.estimate == pytest.approx(80)
    assert images.planned.low < 80 - 7  # ten times less of 1000 rows' interval would be 78 to 82
    assert images.inside


def test_hours_count_once_what_went_on_at_the_same_time() -> None:
    shards = [
        replace(STATS, start_time=start, end_time=end) for start, end in [(0, 100), (50, 150), (60, 70), (200, 230)]
    ]
    assert index_of(*shards).hours * 3600 == pytest.approx(180)


def test_a_figure_is_said_in_one_line() -> None:
    assert (
        sentence(Reckoned("bytes to store", Interval(2e6, 1e6, 3e6), 2.5e6))
        == "MB to store: 2.5 of 2.0 planned (1.0 to 3.0), 25.0% more"
    )
    assert (
        sentence(Reckoned("images", Interval(10, 9, 11), 8)) == "images: 8 of 10 planned (9 to 11), 20.0% less, outside"
    )


def test_where_nothing_was_planned_nothing_is_off() -> None:
    unplanned = Reckoned("images", Interval(0.0, 0.0, 0.0), 5)
    assert (to_json(unplanned)["high"], to_json(unplanned)["off_by"], to_json(unplanned)["inside"]) == (
        0.0,
        None,
        False,
    )
