"""Writers that are killed, crowded out or out of room leave nothing that looks finished, and nothing for ever."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from laion_assets.lake import scratch
from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets_tests import warm
from laion_assets_tests.lake.killed import KEY, write_half, write_half_to_go_on, write_in_turns, write_pairs
from laion_assets_tests.lake.test_lake import write_and_fail
from laion_assets_tests.warm import Warm


def everything_in(folder: str | Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def started(function: Callable[..., None], *arguments: object) -> Warm:
    """A writer in a process of its own, once it is where the test wants it."""
    process = warm.start(function, *arguments)
    assert process.line() == "writing"
    return process


def kill(process: Warm) -> None:
    assert process.kill() == -signal.SIGKILL


def test_a_killed_writer_leaves_nothing_finished_and_the_next_one_sweeps(local_lake: Lake) -> None:
    uri = local_lake.uri(KEY, "x.bin")
    process = started(write_half, local_lake.base_uri)
    kill(process)
    assert not local_lake.exists(uri)
    assert local_lake.list_names(KEY) == []
    assert len(everything_in(local_lake.base_uri)) == 2  # the half and its lock, both under a dot
    local_lake.write_bytes(uri, b"whole")
    assert everything_in(local_lake.base_uri) == ["laion_hr/raw_metadata/x.bin"]


def test_a_living_writer_is_never_swept(local_lake: Lake) -> None:
    process = started(write_half, local_lake.base_uri)
    try:
        local_lake.write_bytes(local_lake.uri(KEY, "other.bin"), b"x")
        assert len(everything_in(local_lake.base_uri)) == 3
        assert scratch.sweep(Path(local_lake.base_uri, *KEY)) == 0
    finally:
        kill(process)
    assert scratch.sweep(Path(local_lake.base_uri, *KEY)) == 1


def test_whenever_a_writer_is_killed_a_reader_sees_the_old_file_or_the_new(local_lake: Lake) -> None:
    uri = local_lake.uri(KEY, "x.bin")
    versions = [bytes([number]) * 200_000 for number in range(2)]
    local_lake.write_bytes(uri, versions[0])
    for milliseconds in (0, 1, 2, 3, 5, 8, 13, 21):
        process = started(write_in_turns, local_lake.base_uri, 2)
        time.sleep(milliseconds / 1000)
        kill(process)
        assert local_lake.read_bytes(uri) in versions
        assert local_lake.list_names(KEY) == ["x.bin"]
    local_lake.write_bytes(uri, versions[1])
    assert everything_in(local_lake.base_uri) == ["laion_hr/raw_metadata/x.bin"]


def test_readers_beside_a_writer_only_ever_see_whole_files(local_lake: Lake) -> None:
    uri = local_lake.uri(KEY, "x.bin")
    local_lake.write_bytes(uri, b"\0" * 200_000)
    process = started(write_in_turns, local_lake.base_uri, 7, 100)
    reads = 0
    while process.process.is_alive():
        content = local_lake.read_bytes(uri)
        assert len(content) == 200_000
        assert len(set(content)) == 1
        assert local_lake.list_names(KEY) == ["x.bin"]
        reads += 1
    assert process.end()[0] == 0
    assert reads > 10


def test_what_a_killed_writer_of_a_resumable_file_had_is_there_for_the_next(local_lake: Lake) -> None:
    uri = local_lake.uri(KEY, "x.bin")
    process = started(write_half_to_go_on, local_lake.base_uri)
    kill(process)
    local_lake.write_bytes(local_lake.uri(KEY, "other.bin"), b"a sweep passes by")
    with local_lake.publish_resumable(uri) as path:
        assert path.with_name("x.bin.partial").read_bytes() == b"half"
        path.write_bytes(b"whole")
    assert everything_in(local_lake.base_uri) == ["laion_hr/raw_metadata/other.bin", "laion_hr/raw_metadata/x.bin"]


def test_a_resumable_file_nobody_came_back_for_is_swept_in_the_end(local_lake: Lake) -> None:
    folder = Path(local_lake.base_uri, *KEY)
    with pytest.raises(ZeroDivisionError):
        write_and_fail(local_lake.publish_resumable(local_lake.uri(KEY, "x.bin")))
    resumable = next(folder.glob(f"{scratch.RESUMABLE_PREFIX}*"))
    assert scratch.sweep(folder) == 0
    long_ago = time.time() - scratch.RESUMABLE_KEPT_S - 60
    os.utime(resumable, (long_ago, long_ago))
    assert scratch.sweep(folder) == 1
    assert everything_in(folder) == []


def test_scratch_without_a_lock_is_left_alone_while_it_may_be_about_to_get_one(tmp_path: Path) -> None:
    folder = tmp_path / ".scratch-0123"
    folder.mkdir()
    assert scratch.sweep(tmp_path) == 0
    os.utime(folder, (time.time() - 120, time.time() - 120))
    assert scratch.sweep(tmp_path) == 1


def test_a_kill_between_two_files_of_one_pass_never_shows_the_last_without_the_first(local_lake: Lake) -> None:
    uris = [local_lake.uri(KEY, name) for name in ("first.bin", "last.bin")]
    for milliseconds in (0, 2, 4, 7):
        process = started(write_pairs, local_lake.base_uri)
        time.sleep(milliseconds / 1000)
        kill(process)
        if local_lake.exists(uris[1]):
            first, last = (int(local_lake.read_bytes(uri)) for uri in uris)
            assert first in (last, last + 1)
        for uri in uris[::-1]:
            local_lake.delete(uri)


@pytest.fixture
def room_for_a_megabyte() -> Iterator[None]:
    """The kernel refuses to let this process write files over a megabyte, as a full disk or quota would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("room_for_a_megabyte")
@pytest.mark.parametrize("resumable", [False, True])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(local_lake: Lake, *, resumable: bool) -> None:
    uri = local_lake.uri(KEY, "x.bin")
    publish = local_lake.publish_resumable if resumable else local_lake.publish
    refusal = r"x\.bin: no room to write it, [\d,.]+ MB free at .*Free some space"
    with pytest.raises(LakeError, match=refusal), publish(uri) as path:
        path.write_bytes(b"x" * (2 << 20))
    assert everything_in(local_lake.base_uri) == []


@pytest.mark.usefixtures("room_for_a_megabyte")
def test_a_full_disk_under_polars_is_the_same_clear_error(local_lake: Lake) -> None:
    frame = pl.DataFrame({"row": pl.Series(range(1_000_000)).hash()})
    uri = local_lake.uri(KEY, "x.parquet")
    with pytest.raises(LakeError, match="no room to write it"):
        local_lake.write_parquet(uri, frame)
    with pytest.raises(LakeError, match="no room to write it"), local_lake.publish(uri) as path:
        frame.lazy().sink_parquet(path)
    assert everything_in(local_lake.base_uri) == []


def test_a_full_filesystem_is_the_same_clear_error(tmp_path: Path) -> None:
    """On a real, small filesystem, where the kernel lets an ordinary user mount one."""
    program = f"""
import sys
from laion_assets.lake.lake import Lake
from laion_assets.lake.errors import LakeError
import polars as pl
lake = Lake({str(tmp_path / "small")!r})
frame = pl.DataFrame({{"row": pl.Series(range(1_000_000)).hash()}})
for write in (lambda: lake.write_bytes(lake.uri(["a"], "x.bin"), b"x" * 8_000_000),
              lambda: lake.write_parquet(lake.uri(["a"], "x.parquet"), frame)):
    try:
        write()
    except LakeError as error:
        print(error)
lake.write_bytes(lake.uri(["a"], "small.bin"), b"x" * 3_000_000)
"""
    (tmp_path / "small").mkdir()
    mount = f"mount -t tmpfs -o size=4m none '{tmp_path}/small' && exec \"$@\" && exit"
    command = [
        "unshare",
        "-Urm",
        "sh",
        "-c",
        mount + f"; ls -A '{tmp_path}/small/a'",
        "sh",
        sys.executable,
        "-c",
        program,
    ]
    if subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "none", str(tmp_path)], check=False).returncode:
        pytest.skip("this kernel lets no ordinary user mount a filesystem")
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = finished.stdout.splitlines()
    assert len(lines) == 2, finished
    assert "x.bin: no room to write it, 4.2 MB free" in lines[0]
    assert "x.parquet: no room to write it" in lines[1]
