"""Starts a sandbox in a process of its own, and ends it: by the end of a block, or with its parent.

The child announces itself with one line of JSON on its standard output. Its standard input is a pipe from the parent
that nothing is ever written to: when it ends, however the parent died, the child ends too.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from laion_assets.sandbox.running import RunningSandbox
from laion_assets.sandbox.spec import Ports, SandboxError, SandboxSpec

__all__ = ["RunningSandbox", "default_cache", "serve_as_child", "serve_sandbox", "start_sandbox"]

START_TIMEOUT_S = 600
STOP_TIMEOUT_S = 5
PARENT_CHECK_S = 1.0


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
    command = [sys.executable, "-m", "laion_assets.sandbox", json.dumps(dataclasses.asdict(spec))]
    command += ["--images-cache", str(cache or default_cache())]
    if cache or spec.port:
        command += ["--cache", str(cache or default_cache())]
    child = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        yield _wait_until_ready(spec, child)
    finally:
        _end(child)


def _wait_until_ready(spec: SandboxSpec, child: "subprocess.Popen[bytes]") -> RunningSandbox:
    timer = threading.Timer(START_TIMEOUT_S, child.kill)
    timer.start()
    try:
        line = child.stdout.readline() if child.stdout else b""
    finally:
        timer.cancel()
    if not line:
        raise SandboxError(f"The sandbox ended before it was ready (exit code {child.wait()}); its output says why.")
    message = json.loads(line)
    if "error" in message:
        raise SandboxError(message["error"])
    return RunningSandbox(spec, Ports(**message["ports"]), Path(message["folder"]), child.pid)


def _end(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.ExitStack() as stack:
        for pipe in (child.stdout, child.stdin):
            if pipe:
                stack.callback(pipe.close)
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


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
        cache: where generated files are kept, by default in the user's cache folder.
        on_ready: called once everything answers.
        progress: called with a line for each step of generating files.

    Raises:
        SandboxError: It could not be started; the message says why.
    """
    folder = cache or default_cache()
    _serve(spec, folder, folder, on_ready, progress)


def serve_as_child(spec: SandboxSpec, *, cache: Path | None, images_cache: Path) -> int:
    """The child's side of a start: serve until standard input ends, with the ports announced on standard output.

    Returns:
        The exit code.
    """
    parent = _Parent()

    def announce(sandbox: RunningSandbox) -> None:
        print(json.dumps({"ports": dataclasses.asdict(sandbox.ports), "folder": str(sandbox.folder)}), flush=True)

    with contextlib.ExitStack() as stack:
        if cache is None:
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="laion-assets-sandbox-")))
        try:
            _serve(spec, cache, images_cache, announce, parent.check, parent)
        except SandboxError as error:
            print(json.dumps({"error": str(error)}), flush=True)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


def _serve(
    spec: SandboxSpec,
    cache: Path,
    images_cache: Path,
    on_ready: Callable[[RunningSandbox], None],
    progress: Callable[[str], None],
    parent: "_Parent | None" = None,
) -> None:
    # Only here: everything a sandbox is made of need not be imported by who starts one.
    from laion_assets.sandbox.serving import Prepared, prepared, serving

    async def main(sandbox: Prepared) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with serving(sandbox):
            if parent:
                parent.when_gone(lambda: loop.call_soon_threadsafe(stop.set))
            on_ready(RunningSandbox(spec, sandbox.sockets.ports, sandbox.publication.folder, os.getpid()))
            await stop.wait()

    with prepared(spec, cache=cache, images_cache=images_cache, progress=progress) as sandbox:
        try:
            import uvloop
        except ImportError:
            asyncio.run(main(sandbox))
        else:
            uvloop.run(main(sandbox))


class _Parent:
    """Watches for the parent's end in a thread, so that generating files does not hide it.

    Standard input ends with the parent at once, unless the parent has forked and the fork lives on with its end of the
    pipe; then the change of parent gives it away a second later.
    """

    def __init__(self) -> None:
        """Start watching."""
        self._is_gone = False
        self._react: Callable[[], object] = lambda: None
        threading.Thread(target=self._watch, args=[os.getppid()], daemon=True).start()

    def check(self, _step: str) -> None:
        """End the process between two steps of generating files; in the middle of one, polars would write on.

        Raises:
            KeyboardInterrupt: The parent is gone.
        """
        if self._is_gone:
            raise KeyboardInterrupt

    def when_gone(self, react: Callable[[], object]) -> None:
        """Do this as soon as the parent is gone."""
        self._react = react
        if self._is_gone:
            react()

    def _watch(self, parent_id: int) -> None:
        while os.getppid() == parent_id:
            readable, _, _ = select.select([0], [], [], PARENT_CHECK_S)
            if readable and not os.read(0, 1024):
                break
        self._is_gone = True
        # The loop may have ended by itself in the meantime.
        with contextlib.suppress(RuntimeError):
            self._react()
