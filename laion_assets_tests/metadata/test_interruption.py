"""Killed at any moment, or out of disk: nothing half-written is seen, and the next run gives the same bytes."""

import random
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from laion_assets_tests import warm
from laion_assets_tests.metadata.conftest import rows
from laion_assets_tests.metadata.killed import validate_part
from laion_assets_tests.warm import Warm


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part that takes about half a second, as parquet and as CSV."""
    path = tmp_path_factory.mktemp("raw") / "part-00000.parquet"
    chance = random.Random(0)  # noqa: S311 (no secret)
    some = rows(
        *({"TEXT": f"{chance.random()}", "HEIGHT": chance.choice([None, *range(900, 2000)])} for _ in range(1000))
    )
    frame = pl.concat([some.with_columns(pl.col("URL") + f"?{copy}") for copy in range(100)])
    frame.write_parquet(path)
    frame.head(20_000).write_csv(path.with_suffix(".csv"))
    return path


def _start(raw: Path, lake: Path, *, limit: int = 0) -> Warm:
    process = warm.start(validate_part, raw, str(lake), limit)
    assert process.line() == "ready"
    return process


def _visible(lake: Path) -> dict[str, bytes]:
    """What a reader of the lake can see; scratch is hidden from it by a leading dot."""
    found = (path for path in lake.rglob("*") if path.is_file())
    names = {str(path.relative_to(lake)): path for path in found}
    return {
        name: path.read_bytes() for name, path in names.items() if not any(p.startswith(".") for p in name.split("/"))
    }


def test_a_pass_killed_at_many_points_ends_with_the_bytes_of_an_undisturbed_one(raw: Path, tmp_path: Path) -> None:
    undisturbed = _start(raw, tmp_path / "undisturbed")
    started = time.monotonic()
    assert undisturbed.end()[0] == 0
    seconds = time.monotonic() - started
    expected = _visible(tmp_path / "undisturbed")
    names = ("profile", "quarantined", "sketch", "validated")
    assert sorted(expected) == [f"d/{name}/part-00000.parquet" for name in names]

    lake, killed = tmp_path / "lake", 0
    for step in range(6):
        process = _start(raw, lake)
        time.sleep(seconds * step / 6)
        killed += process.kill() == -signal.SIGKILL
        seen = _visible(lake)
        assert all(expected[name] == content for name, content in seen.items()), "whole or not at all"
        if "d/validated/part-00000.parquet" in seen:
            assert seen == expected, "the validated part vouches for the others"
    assert killed >= 1
    assert _start(raw, lake).end()[0] == 0
    assert _visible(lake) == expected


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_full_disk_is_called_that_and_leaves_nothing(raw: Path, tmp_path: Path, ending: str) -> None:
    code, printed = _start(raw.with_suffix(ending), tmp_path, limit=100_000).end()
    assert code == 1
    last = printed.strip().splitlines()[-1]
    assert last.startswith("laion_assets.lake.errors.LakeError: ")
    assert "no room to write it" in last
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
