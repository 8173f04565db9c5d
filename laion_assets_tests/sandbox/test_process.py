"""A sandbox as a process: it starts, says where it is, and never outlives its parent."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from laion_assets.sandbox import RunningSandbox, SandboxError, SandboxSpec, start_sandbox
from laion_assets.sandbox.hosts import make_hosts
from laion_assets_tests.sandbox.raw_client import ask

SMALL = SandboxSpec(parts=1, rows_per_part=50, port=0, hosts=11)


def gone(process_id: int, *, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(process_id):
            return True
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE:
                return True
        time.sleep(0.05)
    return False


def free_ports(count: int) -> int:
    """A port after which ``count`` are free."""
    for base in range(20_000, 30_000, 50):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(base, base + count):
                probe = stack.enter_context(socket.socket())
                probe.bind(("127.0.0.1", port))
            return base
    raise AssertionError


def test_it_ends_with_the_block() -> None:
    with start_sandbox(SMALL) as running:
        assert ask(f"{running.hub_url}/").status == 200
        folder = running.folder
    assert gone(running.process_id, within_s=0.1)
    assert not folder.exists()
    with pytest.raises(OSError, match="refused"):
        ask(running.hub_url)


def test_it_ends_although_clients_hang_on() -> None:
    with start_sandbox(SMALL) as running, socket.create_connection(("127.0.0.1", running.ports.hub)) as client:
        client.sendall(b"GET / HT")
        before = time.monotonic()
        process_id = running.process_id
    assert gone(process_id, within_s=0.1)
    assert time.monotonic() - before < 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("forked", [False, True], ids=["alone", "with a fork that lives on"])
def test_it_dies_with_its_parent(number: signal.Signals, *, forked: bool) -> None:
    code = (
        "import os, time; from laion_assets.sandbox import *\n"
        "with start_sandbox(SandboxSpec(parts=1, rows_per_part=50, port=0, hosts=11)) as running:\n"
        f"    fork = os.fork() if {forked} else None\n"
        "    if fork != 0: print(running.process_id, fork or 0, flush=True)\n"
        "    time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child, fork = map(int, parent.stdout.readline().split())
    try:
        assert psutil.pid_exists(child)
        os.kill(parent.pid, number)
        parent.wait()
        assert gone(child)
    finally:
        parent.stdout.close()
        if fork:
            os.kill(fork, signal.SIGKILL)


def test_a_parent_that_dies_while_files_are_generated_takes_it_along(tmp_path: Path) -> None:
    spec = '{"parts": 50, "rows_per_part": 400, "port": 0, "hosts": 11}'
    command = [sys.executable, "-m", "laion_assets.sandbox", spec]
    command += ["--cache", str(tmp_path), "--images-cache", str(tmp_path / "images")]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("writing-*/repository/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.stdin.close()
    assert child.wait(10) == 130
    assert child.stdout.read() == b""
    child.stdout.close()
    # Nothing is left that looks finished, or at all.
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_what_a_killed_writer_left_is_swept_away_later(tmp_path: Path) -> None:
    left, busy = tmp_path / "writing-old", tmp_path / "writing-now"
    for folder in (left, busy):
        folder.mkdir()
    os.utime(left, (0, 0))
    with start_sandbox(SMALL, cache=tmp_path):
        pass
    assert (left.exists(), busy.exists()) == (False, True)


def test_the_environment_points_at_it(sandbox: RunningSandbox) -> None:
    assert sandbox.environment == {
        "HF_ENDPOINT": sandbox.hub_url,
        "HF_TOKEN": "hf_sandbox",
        "HF_HUB_DISABLE_XET": "1",
        "LAION_ASSETS_WEB_ALLOW_NETWORKS": "127.0.0.0/8",
        "LAION_ASSETS_WEB_NAMESERVERS": f"127.0.0.1:{sandbox.ports.dns}",
        "LAION_ASSETS_WEB_DEADLINE_S": "4",
        "LAION_ASSETS_WEB_FIRST_BYTE_S": "3",
        "LAION_ASSETS_WEB_DNS_S": "2",
        "LAION_HR_PARTS": "3",
        "LAION_HR_ROWS": "6000",
    }


def test_with_the_same_port_it_publishes_the_same_bytes_and_writes_them_once(tmp_path: Path) -> None:
    spec = dataclasses.replace(SMALL, port=free_ports(4))
    published, written = [], []
    for cache in (tmp_path / "one", tmp_path / "two", tmp_path / "two"):
        with start_sandbox(spec, cache=cache) as running:
            ports = (running.ports.web, running.ports.hub, running.ports.dns)
            assert ports == (spec.port, spec.port + 1, spec.port + 2)
            (file,) = (running.folder / "repository").glob("*.parquet")
            published.append((file.name, file.read_bytes(), running.truth().write_csv()))
            written.append(file.stat().st_mtime_ns)
    assert published[0] == published[1] == published[2]
    assert written[1] == written[2]


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    base = free_ports(4)
    with (
        socket.create_server(("127.20.0.1", base)),
        pytest.raises(SandboxError) as caught,
        start_sandbox(SandboxSpec(port=base), cache=tmp_path),
    ):
        pass
    assert str(caught.value) == (
        f"Port {base} is taken on 127.20.0.1, perhaps by another sandbox; stop that, or choose another base port with "
        "--port (0 takes any free ones)."
    )


def test_only_loopback_is_bound(sandbox: RunningSandbox) -> None:
    bound = {each.laddr.ip for each in psutil.Process(sandbox.process_id).net_connections("inet") if not each.raddr}
    expected = {host.address for host in make_hosts(400, named_share=0.1)} | {"127.0.0.1", "127.0.0.2"}
    assert bound == expected


def test_served_in_the_foreground_it_ends_at_an_interrupt(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from laion_assets.sandbox import *\n"
        f"serve_sandbox(SandboxSpec(parts=1, rows_per_part=50, port=0, hosts=11), cache=Path({str(tmp_path)!r}),\n"
        "    on_ready=lambda running: print('ready', running.hub_url, flush=True),\n"
        "    progress=lambda line: print(line, flush=True))\n"
        "print('ended')"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "part 1 of 1 written\n"
    word, url = server.stdout.readline().split()
    assert word == "ready"
    assert ask(url).status == 200
    server.send_signal(signal.SIGINT)
    assert server.wait(10) == 0
    assert server.stdout.read() == "ended\n"
    server.stdout.close()
