"""One sandbox for this room's tests, and one round of probes over every fault it knows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psutil
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.probes.probe import ProbeRun, probe_sample
from laion_assets.probes.progress import Progress
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.sandbox import RunningSandbox, SandboxSpec, start_sandbox
from laion_assets.web.spec import WebSpec

PROBES_KEY = ["laion_hr", "dimension_probes"]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[RunningSandbox]:
    with start_sandbox(SandboxSpec(parts=4, rows_per_part=2600, port=0)) as running:
        yield running


@pytest.fixture(scope="session")
def web(sandbox: RunningSandbox) -> WebSpec:
    # Every host of the sandbox has faulty pages enough to be suspended; here each URL is to show what it is, also on a
    # busy machine, and pages that never answer are not to be waited for four at a time.
    return WebSpec(
        allow_networks=("127.0.0.0/8",),
        nameservers=(sandbox.nameserver,),
        deadline_s=10.0,
        first_byte_s=6.0,
        per_host=16,
        dns_s=1.5,
        breaker_failures=1_000,
    )


@pytest.fixture(scope="session")
def truth(sandbox: RunningSandbox) -> pl.DataFrame:
    """One row per URL."""
    return sandbox.truth().drop_nulls("url").unique("url", keep="first", maintain_order=True)


@dataclass(frozen=True)
class Round:
    """One round over every row of the sandbox."""

    run: ProbeRun
    rows: pl.DataFrame
    """What was found beside the truth: columns of the truth end in ``_truth`` where names clash."""
    progress: list[Progress]
    rss_grown_bytes: int


@pytest.fixture(scope="session")
def whole_round(truth: pl.DataFrame, web: WebSpec, tmp_path_factory: pytest.TempPathFactory) -> Round:
    store = ProbeStore(Lake(str(tmp_path_factory.mktemp("lake"))), PROBES_KEY)
    asked = truth.select("part", "row", "url")
    process, progress = psutil.Process(), list[Progress]()
    before = process.memory_info().rss
    run = probe_sample(asked, web=web, spec=ProbeSpec(), store=store, on_progress=progress.append)
    grown = process.memory_info().rss - before
    return Round(run, run.frame.join(truth, on="url", how="left", suffix="_truth"), progress, grown)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def store(lake: Lake) -> ProbeStore:
    return ProbeStore(lake, PROBES_KEY)


def validated(truth: pl.DataFrame) -> pl.DataFrame:
    """Rows of the sandbox as the metadata room leaves them."""
    return truth.select(
        pl.col(name).cast(dtype) if name in truth.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in VALIDATED_SCHEMA.items()
    )
