"""Killed at any moment, a fetch resumes and ends with the same bytes."""

import hashlib
import random
import signal
import time
from pathlib import Path

import pytest

from laion_assets.lake.lake import Lake
from laion_assets.sources.fetching import open_source
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests import warm
from laion_assets_tests.sources.conftest import QUICK
from laion_assets_tests.sources.killed import fetch_part
from laion_assets_tests.sources.publisher import Fault, Publisher
from laion_assets_tests.warm import Warm

PATH = "/part-00000.parquet"
CONTENT = random.Random(0).randbytes(4_000_000)  # noqa: S311
KEY = ["laion_hr", "raw_metadata"]


def start(publisher: Publisher, lake: Lake) -> Warm:
    process = warm.start(fetch_part, publisher.url + PATH, lake.base_uri)
    assert process.line() == "listed"
    return process


def kill(process: Warm) -> None:
    assert process.kill() == -signal.SIGKILL


def wait_until_sent(publisher: Publisher, size_bytes: int) -> None:
    deadline = time.monotonic() + 60
    while publisher.body_bytes() < size_bytes:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def fetch(publisher: Publisher, lake: Lake) -> int:
    source = open_source(SourceSpec(uri=publisher.url + PATH), patience=QUICK)
    part = source.list_parts().parts[0]
    with lake.publish_resumable(lake.uri(KEY, part.file_name)) as path:
        return source.fetch(part, path).resumed_from_bytes


@pytest.mark.parametrize("checksum", [False, True])
def test_killed_again_and_again_it_ends_with_the_same_bytes(
    publisher: Publisher, tmp_path: Path, *, checksum: bool
) -> None:
    publisher.files[PATH] = CONTENT
    if checksum:
        publisher.files["/SHA256SUMS"] = f"{hashlib.sha256(CONTENT).hexdigest()}  part-00000.parquet\n".encode()
    publisher.bytes_per_s = 8e6
    lake = Lake(str(tmp_path))
    for sent in (1, 1_200_000, 2_600_000):
        before = publisher.body_bytes()
        process = start(publisher, lake)
        wait_until_sent(publisher, min(sent, len(CONTENT) + before - 100_000))
        kill(process)
        assert lake.list_names(KEY) == []
    publisher.bytes_per_s = None
    last = len(publisher.seen)
    resumed_from = fetch(publisher, lake)
    assert resumed_from > 1_000_000
    assert sum(seen.body_bytes for seen in publisher.seen[last:] if seen.path == PATH) == len(CONTENT) - resumed_from
    assert (tmp_path / "laion_hr/raw_metadata/part-00000.parquet").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["part-00000.parquet"]


def test_killed_while_the_file_is_verified_or_published_it_ends_with_the_same_bytes(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.files[PATH] = CONTENT
    publisher.files["/SHA256SUMS"] = f"{hashlib.sha256(CONTENT).hexdigest()}  part-00000.parquet\n".encode()
    lake = Lake(str(tmp_path))
    ends = []
    for milliseconds in (2, 6, 12, 24):
        process = start(publisher, lake)
        time.sleep(milliseconds / 1000)
        ends.append(process.kill())
        for name in lake.list_names(KEY):
            assert lake.read_bytes(lake.uri(KEY, name)) == CONTENT
        if ends[-1] == 0:  # a fast machine was done before the kill
            assert lake.list_names(KEY) == ["part-00000.parquet"]
    assert set(ends) <= {0, -signal.SIGKILL}
    assert ends[0] == -signal.SIGKILL
    fetch(publisher, lake)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["part-00000.parquet"]
    assert lake.read_bytes(lake.uri(KEY, "part-00000.parquet")) == CONTENT


def test_two_processes_that_fetch_the_same_part_do_not_spoil_each_other(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[PATH] = CONTENT
    publisher.bytes_per_s = 16e6
    lake = Lake(str(tmp_path))
    processes = [start(publisher, lake) for _ in range(2)]
    for process in processes:
        assert process.end()[1].endswith("published\n")
    assert lake.read_bytes(lake.uri(KEY, "part-00000.parquet")) == CONTENT
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["part-00000.parquet"]


def test_a_fault_before_the_first_byte_is_no_reason_to_lose_the_half(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[PATH] = CONTENT
    lake = Lake(str(tmp_path))
    publisher.bytes_per_s = 8e6
    process = start(publisher, lake)
    wait_until_sent(publisher, 1_000_000)
    kill(process)
    publisher.bytes_per_s = None
    publisher.faults = [Fault(status=404), Fault(status=404)]  # for the two checksum files that are not there
    publisher.faults += [Fault(status=503), Fault(drop_after=0)]
    assert fetch(publisher, lake) > 500_000
    assert lake.read_bytes(lake.uri(KEY, "part-00000.parquet")) == CONTENT
