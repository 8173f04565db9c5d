"""Stopped anywhere, by anything: what is there is whole, and the next run does the rest and nothing twice."""

import asyncio
import json
import os
import random
import signal
from pathlib import Path

import polars as pl
import psutil
import pytest
from aiohttp import web

from laion_assets.lake.scratch import sweep
from laion_assets.shards.index import manifest, read_index
from laion_assets.shards.job import DownloadError, Job
from laion_assets.shards.layout import read_shards
from laion_assets.shards.spec import ShardsSpec
from laion_assets_tests.shards.conftest import (
    KEY,
    PART,
    Downloads,
    SmallWeb,
    image_bytes,
    planned_of,
    start_session,
    wait_for,
)

ROWS, PER_SHARD = 60, 10


@pytest.fixture
def planned(small_web: SmallWeb) -> pl.DataFrame:
    """60 rows, one in ten of which is gone; every answer takes a moment, so that there is time to interfere."""
    bodies = [image_bytes(1100, 1040, colour=index) for index in range(5)]

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.02)
        number = int(request.path.rsplit("/", 1)[1])
        return web.Response(status=404) if number % 10 == 3 else web.Response(body=bodies[number % 5])

    small_web.answers |= {f"row/{index}": answer for index in range(ROWS)}
    return planned_of([small_web.url(f"row/{index}") for index in range(ROWS)])


@pytest.fixture
def unhurried(downloads: Downloads) -> Downloads:
    """Two requests at a time: 60 rows take most of a second."""
    downloads.web = downloads.web.model_copy(update={"concurrency": 2, "per_host": 2, "per_domain": 2})
    downloads.spec = ShardsSpec(rows_per_shard=PER_SHARD, processes=1)
    return downloads


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def only_job(downloads: Downloads, planned: pl.DataFrame, scratch: Path, name: str = "job") -> Job:
    folder = scratch / name
    folder.mkdir()
    (job,) = downloads.prepare(planned, folder).jobs
    return job


def run_again(downloads: Downloads, planned: pl.DataFrame) -> None:
    """Do the rest, in this process: whose processes did what is there makes no difference."""
    downloads.spec = downloads.spec.model_copy(update={"processes": 1})
    downloads.run(planned)


def visible(downloads: Downloads) -> set[str]:
    """What a reader sees; scratch of dead writers is hidden until the next one sweeps it."""
    folder = downloads.path("")
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.exists() else set()


def manifest_of(downloads: Downloads) -> dict[str, object]:
    return manifest(read_index(downloads.lake, KEY, [PART]), "d", "s")


def test_finished_shards_are_not_fetched_again(
    downloads: Downloads, planned: pl.DataFrame, small_web: SmallWeb
) -> None:
    downloads.spec = ShardsSpec(rows_per_shard=PER_SHARD)
    downloads.run(planned)
    before = manifest_of(downloads)
    downloads.path("00002_stats.json").unlink()
    small_web.asked.clear()
    prepared = downloads.run(planned)
    assert prepared.shards_reused == 5
    assert set(small_web.asked) == {f"row/{index}" for index in range(20, 30)}
    assert manifest_of(downloads) == before


@pytest.mark.parametrize(
    ("name", "left"),
    [("00002.tar", None), ("00002.parquet", None), ("00002.tar", 5000), ("00002.tar", 0)],
    ids=["no tar", "no parquet", "half a tar", "an empty tar"],
)
def test_a_shard_that_lost_a_file_is_made_again_and_no_other(
    downloads: Downloads, planned: pl.DataFrame, small_web: SmallWeb, name: str, left: int | None
) -> None:
    downloads.spec = ShardsSpec(rows_per_shard=PER_SHARD)
    downloads.run(planned)
    before = manifest_of(downloads)
    if left is None:
        downloads.path(name).unlink()
    else:
        os.truncate(downloads.path(name), left)
    small_web.asked.clear()
    prepared = downloads.run(planned)
    assert (prepared.shards_reused, prepared.shards_damaged, prepared.shards_removed) == (5, 1, 0)
    assert small_web.asked == {f"row/{index}": 1 for index in range(20, 30)}
    assert manifest_of(downloads) == before
    assert downloads.accounts().balanced
    assert len(visible(downloads)) == 18


def test_what_is_left_of_shards_that_nobody_plans_any_more_is_removed(
    downloads: Downloads, planned: pl.DataFrame
) -> None:
    """Killed before the stats file appeared, or after it went; then the plan became smaller."""
    downloads.spec = ShardsSpec(rows_per_shard=PER_SHARD)
    downloads.run(planned)
    for name in ("00003_stats.json", "00004_stats.json", "00005_stats.json", "00004.tar", "00005.parquet"):
        downloads.path(name).unlink()
    notes = downloads.path("notes.tar")
    notes.write_bytes(b"not a shard")
    assert downloads.run(planned.head(20)).jobs == ()
    assert visible(downloads) == {"notes.tar"} | {
        f"0000{shard}{kind}" for shard in (0, 1) for kind in (".tar", ".parquet", "_stats.json")
    }


def test_a_second_run_asks_nobody_anything(downloads: Downloads, planned: pl.DataFrame, small_web: SmallWeb) -> None:
    downloads.run(planned)
    small_web.asked.clear()
    assert downloads.run(planned).jobs == ()
    assert not small_web.asked


def test_killed_at_random_points_it_ends_with_the_same_manifest(
    tmp_path: Path, unhurried: Downloads, planned: pl.DataFrame, scratch: Path
) -> None:
    """Six times here; LAION_ASSETS_KILLS=60 does it sixty times, in five minutes."""
    undisturbed = Downloads(tmp_path / "undisturbed", unhurried.web, unhurried.spec)
    undisturbed.run(planned)
    chance = random.Random(4)  # noqa: S311
    kills = int(os.environ.get("LAION_ASSETS_KILLS", "6"))
    for turn in range(kills):
        unhurried.spec = unhurried.spec.model_copy(update={"processes": 1 + turn % 2})
        folder = scratch / str(turn)
        folder.mkdir()
        jobs = unhurried.prepare(planned, folder).jobs
        if not jobs:  # done before its time: begin again with two shards less
            for shard in chance.sample(range(6), 2):
                unhurried.path(f"0000{shard}_stats.json").unlink()
            continue
        session = start_session(jobs[0])
        if turn % 3:  # else it may still be starting
            wait_for(lambda job=jobs[0]: any(job.folder.glob("*.progress")))  # type: ignore[misc]
        session.process.join(chance.uniform(0, 0.8))
        session.kill()
        names = visible(unhurried)
        for stats in [name for name in names if name.endswith("_stats.json")]:
            assert {stats.replace("_stats.json", ".tar"), stats.replace("_stats.json", ".parquet")} <= names
    run_again(unhurried, planned)
    assert manifest_of(unhurried) == manifest_of(undisturbed)
    assert unhurried.accounts().balanced
    assert len(visible(unhurried)) == 18
    # A folder whose lock was not there yet, or no longer, when its writer was killed is swept after a minute.
    hidden = [path for path in unhurried.path("").iterdir() if path.name.startswith(".")]
    for path in hidden:
        os.utime(path, (0, 0))
    sweep(unhurried.path(""))
    assert not any(path.exists() for path in hidden)


def test_a_killed_worker_ends_the_run_and_its_shard_is_made_by_the_next(
    unhurried: Downloads, planned: pl.DataFrame, scratch: Path
) -> None:
    unhurried.spec = ShardsSpec(rows_per_shard=30, processes=2)
    job = only_job(unhurried, planned, scratch)
    session = start_session(job)
    wait_for(lambda: len(list(job.folder.glob("*.progress"))) == 2)
    victim = json.loads(next(job.folder.glob("*.progress")).read_text())["pid"]
    os.kill(victim, signal.SIGKILL)
    code, output = session.end()
    assert code == 1
    assert "its worker process was killed" in output
    run_again(unhurried, planned)
    assert unhurried.accounts().balanced


def test_workers_do_not_outlive_the_process_that_started_them(
    unhurried: Downloads, planned: pl.DataFrame, scratch: Path
) -> None:
    unhurried.spec = ShardsSpec(rows_per_shard=30, processes=2)
    job = only_job(unhurried, planned, scratch)
    session = start_session(job)
    wait_for(lambda: len(list(job.folder.glob("*.progress"))) == 2)
    children = psutil.Process(session.pid).children(recursive=True)
    assert len(children) >= 2
    session.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupt_stops_at_once_and_leaves_a_state_to_continue_from(
    unhurried: Downloads, planned: pl.DataFrame, scratch: Path, processes: int
) -> None:
    unhurried.spec = ShardsSpec(rows_per_shard=30, processes=processes)
    job = only_job(unhurried, planned, scratch)
    session = start_session(job)
    wait_for(lambda: any(job.folder.glob("*.progress")))
    os.kill(session.pid, signal.SIGINT)
    code, _ = session.end(within_s=20)
    assert code != 0
    run_again(unhurried, planned)
    assert unhurried.accounts().balanced


def test_a_full_disk_stops_cleanly_and_says_so(unhurried: Downloads, planned: pl.DataFrame, scratch: Path) -> None:
    """A limit on file sizes is to a writer what a full disk is."""
    job = only_job(unhurried, planned, scratch)
    session = start_session(job, file_limit_bytes=400_000)
    code, output = session.end()
    assert code == 1
    assert "no room to write it" in output
    assert "Run again: it continues with the missing ones" in output
    assert visible(unhurried) == set()
    run_again(unhurried, planned)
    assert unhurried.accounts().balanced


def test_a_changed_plan_replaces_the_shards_it_changes_and_no_others(
    downloads: Downloads, planned: pl.DataFrame, small_web: SmallWeb
) -> None:
    downloads.spec = ShardsSpec(rows_per_shard=PER_SHARD)
    downloads.run(planned.head(35))
    small_web.asked.clear()
    prepared = downloads.run(planned.head(40))
    assert (prepared.shards_reused, prepared.shards_removed) == (3, 1)
    assert set(small_web.asked) == {f"row/{index}" for index in range(30, 40)}
    fewer = downloads.run(planned.head(20))
    assert (fewer.shards_reused, fewer.shards_removed, fewer.jobs) == (2, 2, ())
    assert downloads.accounts().balanced
    assert list(read_shards(downloads.lake, KEY, PART)) == [0, 1]


def test_other_limits_make_other_shards_and_more_memory_does_not(
    downloads: Downloads, planned: pl.DataFrame, small_web: SmallWeb
) -> None:
    downloads.run(planned)
    downloads.spec = ShardsSpec(memory_mb=512, processes=1, decode_share=1.0)
    assert downloads.run(planned).jobs == ()
    downloads.spec = ShardsSpec(minimum_side_px=1041)
    small_web.asked.clear()
    assert downloads.run(planned).shards_removed == 1
    assert len(small_web.asked) == ROWS
    assert downloads.rows()["outcome"].to_list().count("too_small") == 54


def test_what_cannot_be_published_is_an_error_in_one_sentence(
    downloads: Downloads, planned: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laion_assets.shards.downloader.shard_files", lambda shard: (f"{shard}.tar", "../x", "y"))
    with pytest.raises(DownloadError, match=r"part-00000: 1 of 1 shards could not be written; 00000: .*not a safe"):
        downloads.run(planned)
