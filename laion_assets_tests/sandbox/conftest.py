"""Sandboxes that the tests of this room share: starting one costs a second."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from laion_assets.sandbox import RunningSandbox, SandboxSpec, start_sandbox

SPEC = SandboxSpec(seed=3, parts=3, rows_per_part=2000, port=0)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox with every fault."""
    with start_sandbox(SPEC, cache=tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="session")
def truth(sandbox: RunningSandbox) -> pl.DataFrame:
    """What it knows."""
    return sandbox.truth()


@pytest.fixture(scope="session")
def parts(sandbox: RunningSandbox) -> list[Path]:
    """Its published files, in order."""
    return sorted((sandbox.folder / "repository").glob("*.parquet"))
