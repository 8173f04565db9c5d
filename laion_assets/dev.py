"""The Dagster UI on this machine, with the sandbox beside it or pointed at a source of one's own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape

from laion_assets.automation.alarm import UI_VARIABLE
from laion_assets.dataset import ImageTextDataset
from laion_assets.definitions import PAGES_VARIABLE
from laion_assets.definitions import defs as load_definitions
from laion_assets.home import PROJECT_ROOT, Home
from laion_assets.lake.lake import Lake
from laion_assets.lake.pages import serve_pages
from laion_assets.registration import datasets, register_parts
from laion_assets.sandbox.spec import SandboxError, SandboxSpec
from laion_assets.sources.published import SourceError

INTERRUPTED_EXIT_CODE = 130
SOURCE_VARIABLE = "LAION_HR_SOURCE"
# While one part is fetched, another is validated, and each may take a gigabyte of memory. The open web is for one run
# at a time. Said at the start, since Dagster lets the first runs of a pool pass together that it has not met before.
SLOTS = {"metadata": 2, "web": 1}


def run_dev(
    home: Home, console: Console, *, source: str | None, host: str, port: int, spec: SandboxSpec | None = None
) -> int:
    """Serve the UI until interrupted.

    Args:
        home: where the lake and the Dagster instance are.
        console: where it is told.
        source: where the real parts are; none means the sandbox.
        host: address the UI listens on.
        port: port of the UI.
        spec: the sandbox beside it; none means the default one.

    Returns:
        The exit code: 1 when a port is taken or not one part is known.
    """
    if _is_taken(host, port):
        console.print(f"[red]{host}:{port} is in use.[/red] Choose another: make dev PORT={port + 1}")
        return 1
    try:
        with contextlib.ExitStack() as stack:
            variables = stack.enter_context(_sandbox_unless(source, home, console, spec or SandboxSpec()))
            pages_url = stack.enter_context(_pages(home, host, port + 1))
            home.enter({**variables, PAGES_VARIABLE: pages_url})
            # For this process and its own alone: a shell beside it may start the next UI on another port.
            if not os.environ.get(UI_VARIABLE, "").strip():
                os.environ[UI_VARIABLE] = f"http://{host}:{port}"
            with dg.DagsterInstance.get() as instance:
                known = sum(_register(dataset, instance, console) for dataset in datasets(load_definitions()))
                open_pools(instance)
            if not known:
                return 1
            if not pages_url:
                note = f"{host}:{port + 1} is in use: the UI has no links to Data Docs, they are in {home.lake}"
                console.print(note, soft_wrap=True)
            console.print(f"Dagster UI: http://{host}:{port}   (Ctrl-C stops it)\n")
            return _serve(home, host, port)
    except SandboxError as error:
        console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE


def _register(dataset: ImageTextDataset, instance: dg.DagsterInstance, console: Console) -> int:
    """Make the parts of a dataset known and say so; returns how many are known."""
    try:
        listing = register_parts(dataset, instance)
    except SourceError as error:
        known = len(instance.get_dynamic_partitions(str(dataset.parts.name)))
        console.print(f"[red]{dataset.name}: {escape(str(error))}[/red]", soft_wrap=True)
        if known:
            console.print(f"{dataset.name}: going on with the {known} parts known from before")
        return known
    console.print(f"{dataset.name}: {len(listing.parts)} parts at {listing.source_uri}")
    return len(listing.parts)


def open_pools(instance: dg.DagsterInstance) -> None:
    """Give each pool the slots it has by default, unless somebody has chosen another number."""
    storage = instance.event_log_storage
    chosen = {limit.name for limit in storage.get_pool_limits() if not limit.from_default}
    for pool, slots in SLOTS.items():
        if pool not in chosen:
            storage.set_concurrency_slots(pool, slots)


def _serve(home: Home, host: str, port: int) -> int:
    dg_command = str(Path(sys.executable).parent / "dg")
    workspace = str(PROJECT_ROOT / "workspace.yaml")
    command = [dg_command, "dev", "--workspace", workspace, "--host", host, "--port", str(port)]
    # Not in the project's folder: Dagster would warn that its dagster.yaml is not the one of the home.
    with subprocess.Popen(command, cwd=home.folder) as process:  # noqa: S603 (our own executable)
        # Ctrl-C reaches the whole process group; what only we receive is passed on.
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return process.wait()


@contextlib.contextmanager
def _sandbox_unless(source: str | None, home: Home, console: Console, spec: SandboxSpec) -> Iterator[Mapping[str, str]]:
    """The variables that point at the source; without one, a sandbox while the block works, and those of it."""
    if source:
        yield {SOURCE_VARIABLE: source}
        return
    from laion_assets.sandbox.process import start_sandbox

    with start_sandbox(spec, cache=home.sandbox_cache) as sandbox:
        console.print(f"Sandbox: {sandbox.hub_url} (a small internet on loopback)")
        yield sandbox.environment


@contextlib.contextmanager
def _pages(home: Home, host: str, port: int) -> Iterator[str]:
    """Where the lake's reports and Data Docs are served while the block works; nowhere when the port is taken."""
    if port > 65_535 or _is_taken(host, port):
        yield ""
        return
    with serve_pages(Lake(str(home.lake)), host=host, port=port) as address:
        yield address


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
