"""What a download needs on disk, held against what is free: where shards stay, and where they grow."""

from dataclasses import replace
from pathlib import Path

import pytest

from laion_assets.lake.lake import Lake
from laion_assets.subsets.forecast import Interval
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.room import Room, room_for
from laion_assets.subsets.spec import PlanSpec, SubsetSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests.subsets.test_plan import plan_of

KEEPING, WEB = Keeping(1024), WebSpec()
ROOM = Room("shards", "/lake", Interval(5000, 4000, 6000), 0, free_bytes=10_000, usable_share=0.5, way_out="Clean up.")


def test_what_fits_the_free_disk_may_be_downloaded_and_what_does_not_may_not(lake: Lake) -> None:
    subset = SubsetSpec(name="x")
    plan = plan_of(lake, subset)
    room = room_for(lake, "d", subset, plan.forecast, KEEPING, web=WEB)
    assert (room.fits, room.fits_at_most) == (True, True)
    assert room.needed == plan.forecast.bytes_to_store
    nothing = SubsetSpec(name="x", plan=PlanSpec(free_share=1e-9))
    room = room_for(lake, "d", nothing, plan.forecast, KEEPING, web=WEB)
    assert (room.fits, room.fits_at_most) == (False, False)


def test_what_is_expected_decides_and_the_high_end_is_told() -> None:
    assert (ROOM.fits, ROOM.fits_at_most) == (True, False)
    assert not replace(ROOM, free_bytes=9_999).fits
    assert replace(ROOM, free_bytes=12_000).fits_at_most
    assert not replace(ROOM, free_bytes=11_999).fits_at_most
    assert ROOM.sentence == (
        "0.00 GB of shards expected, 0.00 GB at most; 0.00 GB free in /lake, of which 50% may be used."
    )


def test_shards_that_are_there_need_no_further_room(lake: Lake) -> None:
    subset = SubsetSpec(name="x", plan=PlanSpec(free_share=1e-9))
    plan = plan_of(lake, subset)
    lake.write_bytes(lake.uri(["d", "x", "shards", "part-00000"], "00000.tar"), b"x" * 1000)
    assert room_for(lake, "d", subset, plan.forecast, KEEPING, web=WEB).there_bytes == 1000
    there = replace(ROOM, there_bytes=5000, free_bytes=10)
    assert (there.fits, there.fits_at_most) == (True, False)
    assert replace(there, there_bytes=6000).fits_at_most


def test_for_a_bucket_the_shards_in_the_making_need_room_on_this_machine(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """600 rows, 50 of which are in the making at once; the rows behind a slow one may lie there twice."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    subset = SubsetSpec(name="x")
    forecast = plan_of(lake, subset).forecast
    bucket = Lake("s3://nobody/asks/it")
    keeping = Keeping(1024, rows_per_shard=10, processes=5)
    room = room_for(bucket, "d", subset, forecast, keeping, web=WebSpec(per_host=9))
    assert room.needed.estimate == pytest.approx(forecast.bytes_to_store.estimate * 50 / 600)
    assert room.needed.high == pytest.approx(2 * forecast.bytes_to_store.high * 50 / 600)
    assert (room.what, Path(room.place).parent, room.there_bytes) == ("shards in the making", tmp_path, 0)
    assert room.free_bytes > 0
    all_at_once = room_for(bucket, "d", subset, forecast, Keeping(1024, rows_per_shard=10_000), web=WEB)
    assert all_at_once.needed.estimate == pytest.approx(forecast.bytes_to_store.estimate)


def test_a_bucket_filled_from_many_cores_needs_no_room_for_processes_that_may_not_ask_the_web(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.cpu_count", lambda: 32)
    subset = SubsetSpec(name="x", plan=PlanSpec(free_share=1e-12))
    forecast = plan_of(lake, subset).forecast
    room = room_for(Lake("s3://nobody/asks/it"), "d", subset, forecast, Keeping(1024, rows_per_shard=9), web=WEB)
    assert room.needed.estimate == pytest.approx(forecast.bytes_to_store.estimate * 9 * WEB.per_host / 600)
    assert not room.fits
    assert room.way_out == "Free some space, set TMPDIR to a larger disk, or have fewer processes."


def test_how_many_rows_are_in_the_making_is_no_reason_to_plan_again() -> None:
    assert Keeping(1024, rows_per_shard=5, processes=3).digest() == KEEPING.digest() != Keeping(1025).digest()
