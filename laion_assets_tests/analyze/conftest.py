"""One small sandbox for the room, and a terminal that remembers what was said."""

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from rich.console import Console

from laion_assets.analyze.command import run_analyze
from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.running import RunningSandbox
from laion_assets.sandbox.spec import SandboxSpec

SPEC = SandboxSpec(parts=2, rows_per_part=150, port=0)
ARGUMENTS: Mapping[str, Any] = {
    "sample": 10_000,
    "seed": 0,
    "requirement_px": 1024,
    "declared_only": False,
    "columns": (),
    "out": None,
}


@pytest.fixture(scope="session")
def sandbox() -> Iterator[RunningSandbox]:
    with start_sandbox(SPEC) as running:
        yield running


@pytest.fixture(scope="session")
def truth(sandbox: RunningSandbox) -> pl.DataFrame:
    return sandbox.truth()


@pytest.fixture
def on_sandbox(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return sandbox


@pytest.fixture(autouse=True)
def unchanged_environment() -> Iterator[None]:
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def without_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report with the one big picture only: drawing the others takes longer than all the rest."""
    monkeypatch.setattr("laion_assets.statistics.publish.PANELS", {})


def analyzed(source: Path | str, **arguments: Any) -> tuple[int, str]:  # noqa: ANN401
    """Exit code and everything printed."""
    printed = io.StringIO()
    console = Console(file=printed, width=200, highlight=False)
    code = run_analyze(str(source), console, **{**ARGUMENTS, **arguments})
    return code, printed.getvalue().replace("\u00a0", " ")
