"""Rows leave in order, whatever order they come in, within a bound of memory."""

import random
from pathlib import Path

import pytest

from laion_assets.shards.judge import Verdict
from laion_assets.shards.ordered import Finished, InOrder
from laion_assets.web.outcome import Outcome


def finished(index: int, size: int = 1000) -> Finished:
    return Finished(index, Verdict(Outcome.OK), image=bytes([index % 251]) * size)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_in_gives_the_planned_order_out(tmp_path: Path, seed: int) -> None:
    arriving = list(range(300))
    random.Random(seed).shuffle(arriving)  # noqa: S311
    left: list[Finished] = []
    with InOrder(memory_bytes=20_000, spill=tmp_path / "spill") as order:
        for index in arriving:
            order.put(finished(index))
            left += order.ready()
            assert order.held_bytes <= 21_000
        assert order.spilled_bytes > 0
        assert order.held_bytes == 0
    assert [one.index for one in left] == list(range(300))
    assert all(one.image == bytes([one.index % 251]) * 1000 for one in left)
    assert not (tmp_path / "spill").exists()


def test_what_comes_in_order_never_touches_the_disk(tmp_path: Path) -> None:
    with InOrder(memory_bytes=10, spill=tmp_path / "spill") as order:
        for index in range(50):
            order.put(finished(index))
            assert [one.index for one in order.ready()] == [index]
        assert order.spilled_bytes == 0
        assert not (tmp_path / "spill").exists()


def test_the_disk_is_given_back_once_nothing_waits_there(tmp_path: Path) -> None:
    with InOrder(memory_bytes=1000, spill=tmp_path / "spill") as order:
        for turn in range(3):
            for index in (1, 2, 3, 0):
                order.put(finished(4 * turn + index))
            assert len(list(order.ready())) == 4
            assert (tmp_path / "spill").stat().st_size == 0


def test_rows_that_failed_keep_their_place_too(tmp_path: Path) -> None:
    with InOrder(memory_bytes=0, spill=tmp_path / "spill") as order:
        order.put(Finished(1, Verdict(Outcome.NOT_FOUND)))
        assert list(order.ready()) == []
        order.put(finished(0))
        assert [one.verdict.outcome for one in order.ready()] == [Outcome.OK, Outcome.NOT_FOUND]
