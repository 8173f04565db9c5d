"""Ended from outside while it downloads: a run terminated in the UI, and a disk that fills up."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import psutil
import pytest
from aiohttp import web

from laion_assets.lake.lake import Lake
from laion_assets.shards.layout import read_shards, shard_files
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.spec import PlanSpec, SubsetSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests import warm
from laion_assets_tests.shards.conftest import Downloads, SmallWeb, image_bytes, job_file_of, planned_of, wait_for
from laion_assets_tests.shards.killed import materialise_shards
from laion_assets_tests.shards.test_assets import Chain
from laion_assets_tests.subsets.conftest import probes_of, valid_rows

PART = "part-00000"


def chain_of(lake: Lake, instance: dg.DagsterInstance, processes: int) -> Chain:
    subset = SubsetSpec(name="s", plan=PlanSpec(least_probes=1))
    return Chain(lake, instance, subset, ShardsSpec(rows_per_shard=5, processes=processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_terminating_a_run_stops_its_workers_and_leaves_a_state_to_continue_from(
    lake: Lake, small_web: SmallWeb, processes: int
) -> None:
    body, waiting = image_bytes(1100, 1040), True

    async def answer(request: web.Request) -> web.StreamResponse:
        """All but the first five begin, and then wait."""
        begun = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await begun.prepare(request)
        while waiting and int(request.path.rsplit("/", 1)[1]) >= 5:
            await asyncio.sleep(0.05)
        await begun.write(body)
        return begun

    small_web.answers |= {f"row/{index}": answer for index in range(20)}
    urls = [small_web.url(f"row/{index}", host=f"127.9.8.{index}") for index in range(20)]
    rows = valid_rows(20, part=PART, url=urls)
    lake.write_parquet(lake.uri(["d", "validated_metadata"], f"{PART}.parquet"), rows)
    lake.write_parquet(lake.uri(["d", "dimension_probes"], "dimension_probes.parquet"), probes_of(rows))
    shards = Path(lake.uri(["d", "s", "shards"], PART))
    with dg.DagsterInstance.ephemeral() as instance:
        chain = chain_of(lake, instance, processes)
        chain.materialise("rows", part=PART)
        chain.materialise("plan")
        run = warm.start(materialise_shards, lake.base_uri, processes)
        try:
            wait_for(lambda: (shards / "00000_stats.json").exists() and small_web.asked.total() >= 10)
            workers = psutil.Process(run.pid).children(recursive=True)
            assert len(workers) >= processes
            os.kill(run.pid, signal.SIGINT)
            run.process.join(90)
            assert run.process.exitcode not in (None, 0)
            _, alive = psutil.wait_procs(workers, timeout=20)
            assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]
        finally:
            waiting = False
            run.kill()

        finished = sorted(read_shards(lake, ["d", "s", "shards"], PART))
        assert 0 in finished
        assert len(finished) < 4
        visible = {path.name for path in shards.iterdir() if not path.name.startswith(".")}
        assert visible == {name for shard in finished for name in shard_files(shard)}
        small_web.asked.clear()
        done = chain.materialise("shards", part=PART)
    assert done.success
    assert set(small_web.asked) == {f"row/{index}" for index in range(20) if index // 5 not in finished}


def can_mount() -> bool:
    """Whether a small disk of our own can be had: as root, or where users may have namespaces."""
    if not (shutil.which("unshare") and shutil.which("mount")):
        return False
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no disk of one's own without namespaces")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_disk_that_fills_up_stops_the_download_and_keeps_what_was_finished(
    tmp_path: Path, small_web: SmallWeb, local_web: WebSpec, processes: int
) -> None:
    """A disk of 2 MB: two shards of 240 KB fit, that of 27 MB does not. What was finished when it came is there."""
    small, large = image_bytes(1100, 1040), image_bytes(3000, 3000, "BMP")
    assert len(small) < 200_000
    assert len(large) > 8_000_000
    urls = [small_web.put(f"small/{index}", small) for index in range(4)]
    urls += [small_web.put("large", large), small_web.url("gone")]
    downloads = Downloads(tmp_path, local_web, ShardsSpec(rows_per_shard=2, processes=processes, memory_mb=16))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (job,) = downloads.prepare(planned_of(urls), scratch).jobs
    disk = tmp_path / "lake"
    disk.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size=2m tmpfs {disk} && {{ "$@"; code=$?; find {disk} -type f; exit $code; }}'
    session = "import sys; from laion_assets_tests.shards.killed import carry_out; carry_out(sys.argv[1], 0)"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", session]
    ended = subprocess.run(
        [*command, job_file_of(job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    output = ended.stdout
    assert ended.returncode == 1, output
    assert "no room to write it" in output
    assert "Run again: it continues with the missing ones" in output
    left = {Path(line).name for line in output.splitlines() if line.startswith(str(disk))}
    assert left in [{name for shard in whole for name in shard_files(shard)} for whole in ([], [0], [1], [0, 1])]
