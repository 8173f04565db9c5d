"""Starts a sandbox in a process of its own, and ends it: by the end of a block, or with its parent.

The child announces itself with one line of JSON on its standard output. Its standard input is a pipe from the parent
that nothing is ever written to: when it ends, however the parent died, the child ends too.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from laion_assets.sandbox.hub_faults import HubFault, HubRequest
from laion_assets.sandbox.spec import Ports, SandboxError, SandboxSpec

if TYPE_CHECKING:
    import polars as pl

START_TIMEOUT_S = 600
STOP_TIMEOUT_S = 5


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers."""

    spec: SandboxSpec
    ports: Ports
    folder: Path
    process_id: int

    @property
    def hub_url(self) -> str:
        """Base URL of the hub."""
        return f"http://127.0.0.1:{self.ports.hub}"

    @property
    def web_port(self) -> int:
        """The port every web host listens on."""
        return self.ports.web

    @property
    def nameserver(self) -> str:
        """Address and port of the name server."""
        return f"127.0.0.1:{self.ports.dns}"

    @property
    def certificate_authority(self) -> Path | None:
        """PEM file to trust, where the sandbox serves TLS."""
        return self.folder / "certificates" / "authority.pem" if self.ports.tls else None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point laion-assets, and any Hugging Face client, at this sandbox."""
        variables = {
            "HF_ENDPOINT": self.hub_url,
            "HF_TOKEN": self.spec.token,
            "HF_HUB_DISABLE_XET": "1",
            "LAION_ASSETS_WEB_ALLOW_NETWORKS": "127.0.0.0/8",
            "LAION_ASSETS_WEB_NAMESERVERS": self.nameserver,
            "LAION_HR_PARTS": str(self.spec.parts),
            "LAION_HR_ROWS": str(self.spec.rows),
        }
        if self.certificate_authority:
            variables["LAION_ASSETS_WEB_TLS_CA_FILE"] = str(self.certificate_authority)
        return variables

    def truth(self) -> "pl.DataFrame":
        """What a correct client must find out: one row per (part, row), columns of ``truth.TRUTH_SCHEMA``."""
        import polars as pl

        return pl.read_parquet(self.folder / "truth.parquet")

    def switch_hub_fault(self, fault: HubFault) -> None:
        """Switch a fault of the hub on, instead of any other, and forget what the hub was asked."""
        self._ask("/sandbox/faults", dataclasses.asdict(fault))

    def hub_requests(self) -> list[HubRequest]:
        """What the hub was asked since the last ``switch_hub_fault``, oldest first, the last thousand."""
        return [HubRequest(**each) for each in json.loads(self._ask("/sandbox/requests", None))]

    def _ask(self, path: str, fields: dict[str, object] | None) -> bytes:
        body = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.hub_url + path, data=body)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return bytes(answer.read())


def default_cache() -> Path:
    """Where generated files are kept unless told otherwise."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "laion-assets" / "sandbox"


@contextlib.contextmanager
def start_sandbox(spec: SandboxSpec, *, cache: Path | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox in a child process while the block lasts.

    Args:
        spec: what it is to be.
        cache: where generated files are kept; by default the user's cache folder for fixed ports, and a temporary
            folder (images excepted) for free ones, whose URLs are never the same again.

    Raises:
        SandboxError: It could not be started; the message says why.
    """
    with contextlib.ExitStack() as stack:
        images_cache = cache or default_cache()
        if cache is None and spec.port == 0:
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="laion-assets-sandbox-")))
        command = [sys.executable, "-m", "laion_assets.sandbox", "--spec", json.dumps(dataclasses.asdict(spec))]
        command += ["--cache", str(cache or default_cache()), "--images-cache", str(images_cache)]
        child = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        stack.callback(_end, child)
        yield _wait_until_ready(spec, child)


def _wait_until_ready(spec: SandboxSpec, child: "subprocess.Popen[bytes]") -> RunningSandbox:
    assert child.stdout is not None  # noqa: S101
    timer = threading.Timer(START_TIMEOUT_S, child.kill)
    timer.start()
    try:
        line = child.stdout.readline()
    finally:
        timer.cancel()
    if not line:
        raise SandboxError(f"The sandbox ended before it was ready (exit code {child.wait()}); its output says why.")
    message = json.loads(line)
    if "error" in message:
        raise SandboxError(message["error"])
    return RunningSandbox(spec, Ports(**message["ports"]), Path(message["folder"]), child.pid)


def _end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018
    child.stdin.close()
    try:
        child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def serve_sandbox(
    spec: SandboxSpec,
    *,
    cache: Path | None = None,
    on_ready: Callable[[RunningSandbox], None] = lambda _sandbox: None,
    progress: Callable[[str], None] = lambda _line: None,
) -> None:
    """Serve in the foreground until interrupted (SIGINT or SIGTERM).

    Args:
        spec: what it is to be.
        cache: where generated files are kept.
        on_ready: called once everything answers.
        progress: called with a line for each step of generating files.
    """
    folder = cache or default_cache()
    _run(spec, folder, folder, on_ready, progress, with_parent=False)


def serve_as_child(spec: SandboxSpec, cache: Path, images_cache: Path) -> int:
    """Serve until standard input ends, announcing the ports on standard output; the child's side of a start."""

    def announce(sandbox: RunningSandbox) -> None:
        print(json.dumps({"ports": dataclasses.asdict(sandbox.ports), "folder": str(sandbox.folder)}), flush=True)

    try:
        _run(spec, cache, images_cache, announce, lambda _line: None, with_parent=True)
    except SandboxError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


def _run(
    spec: SandboxSpec,
    cache: Path,
    images_cache: Path,
    on_ready: Callable[[RunningSandbox], None],
    progress: Callable[[str], None],
    *,
    with_parent: bool,
) -> None:
    from laion_assets.sandbox.serving import serving

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if with_parent:
            _stop_with_parent(loop, stop)
        async with serving(spec, cache=cache, images_cache=images_cache, progress=progress) as served:
            on_ready(RunningSandbox(spec, served.ports, served.publication.folder, os.getpid()))
            await stop.wait()

    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """End when standard input does. A thread, so that it also works while files are being generated."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()
