"""A toy dataset: the assets of a real one by name, with bodies that do as the test says."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEventType, StepMaterializationData

from laion_assets.automation.conditions import once_requested_parts_are_in
from laion_assets.automation.jobs import dataset_jobs
from laion_assets.automation.upkeep import with_upkeep
from laion_assets.home import Home
from laion_assets.pipeline import QUIET

SECRET_PATH = "planted-path-of-the-webhook"  # noqa: S105 (of a server that lives for one test)
PARTS = dg.DynamicPartitionsDefinition(name="toy_parts")


def key(*path: str) -> dg.AssetKey:
    return dg.AssetKey(["toy", *path])


@dataclass
class Toy:
    """The toy's definitions, and which of its parts are to go wrong."""

    instance: dg.DagsterInstance
    raising: set[str] = field(default_factory=set)
    """Parts whose rows cannot be selected."""
    broken: set[str] = field(default_factory=set)
    """Parts that fail their blocking check."""

    @functools.cached_property
    def definitions(self) -> dg.Definitions:
        """All assets of the toy with their upkeep."""
        toy = self

        @dg.asset(key=key("raw_metadata"), partitions_def=PARTS)
        def raw() -> None: ...

        @dg.asset(
            key=key("validated_metadata"),
            deps=[raw],
            partitions_def=PARTS,
            check_specs=[
                dg.AssetCheckSpec("contract", asset=key("validated_metadata"), blocking=True, partitions_def=PARTS)
            ],
        )
        def validated(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class only
            whole = context.partition_key not in toy.broken
            result = dg.AssetCheckResult(passed=whole, description=None if whole else "a column is missing")
            return dg.MaterializeResult(check_results=[result])

        @dg.asset(key=key("metadata_profile"), deps=[raw], partitions_def=PARTS)
        def profile() -> None: ...

        @dg.asset(key=key("small", "rows"), deps=[validated], partitions_def=PARTS)
        def rows(context: dg.AssetExecutionContext) -> None:
            if context.partition_key in toy.raising:
                raise ValueError("the disk is full") from OSError(28, "No space left on device")

        @dg.asset(key=key("dimension_sample"), deps=[validated])
        def sample() -> None: ...

        @dg.asset(key=key("dimension_probes"), deps=[sample])
        def probes() -> None: ...

        @dg.asset(key=key("resolution_statistics"), deps=[profile, sample, probes])
        def statistics() -> None: ...

        @dg.asset(key=key("small", "plan"), deps=[rows, probes])
        def plan() -> None: ...

        @dg.asset(key=key("small", "shards"), deps=[rows, plan], partitions_def=PARTS)
        def shards() -> None: ...

        @dg.asset(key=key("small", "index"), deps=[shards, plan])
        def index() -> None: ...

        weeks = dg.WeeklyPartitionsDefinition("2026-01-05", day_offset=1)

        @dg.asset(key=key("link_health"), deps=[sample], partitions_def=weeks)
        def link_health() -> None: ...

        @dg.asset_check(
            asset=key("metadata_profile"),
            name="part_drift",
            automation_condition=once_requested_parts_are_in([key("metadata_profile")]),
        )
        def drift() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        assets = [
            raw, validated, profile, rows, sample, probes, statistics, plan, shards, index, link_health,
        ]  # fmt: skip
        jobs = dataset_jobs("toy", assets=assets, subsets=["small"], parts=PARTS)
        return dg.Definitions(
            assets=with_upkeep(assets, parts=PARTS),
            asset_checks=[drift],
            jobs=[*jobs.all(), dg.define_asset_job("toy_raw", dg.AssetSelection.assets(key("raw_metadata")))],
            executor=dg.in_process_executor,
        )

    def run(self, job: str, part: str | None = None, *, but: dg.AssetKey | None = None) -> dg.ExecuteInProcessResult:
        """Run a job of the toy in this process, without one of its assets if that is said."""
        found = self.definitions.resolve_job_def(job)
        return found.execute_in_process(
            instance=self.instance,
            partition_key=part,
            run_config=dict(QUIET),
            raise_on_error=False,
            asset_selection=[one for one in found.asset_layer.executable_asset_keys if one != but] if but else None,
        )

    def request(self, job: str, part: str) -> str:
        """A run that has been requested and makes nothing; returns its id."""
        run = self.instance.create_run_for_job(
            self.definitions.resolve_job_def(job),
            tags={"dagster/partition": part},
            status=dg.DagsterRunStatus.STARTED,
        )
        return run.run_id

    def made(self, run_id: str, asset: dg.AssetKey, part: str) -> None:
        """What such a run made after all."""
        event = dg.DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name="toy_parts",
            event_specific_data=StepMaterializationData(dg.AssetMaterialization(asset, partition=part)),
        )
        self.instance.report_dagster_event(event, run_id)

    def withdraw(self, run_id: str) -> None:
        """Cancel such a run."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        self.instance.report_run_canceled(run)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def toy(instance: dg.DagsterInstance) -> Toy:
    """A toy dataset of four parts of which nothing was made yet."""
    instance.add_dynamic_partitions("toy_parts", ["p0", "p1", "p2", "p3"])
    return Toy(instance)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home of this process alone, with SQLite."""
    monkeypatch.delenv("LAION_ASSETS_POSTGRES", raising=False)
    made = Home(tmp_path / "home")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    made.prepare()
    return made


@dataclass
class Chat:
    """A chat service's webhook."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    """What the next posts are answered with; 204 beyond them. A redirect leads to another path."""
    posted: list[dict[str, Any]] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    """Paths that were asked for without a message."""


@pytest.fixture
def chat() -> Iterator[Chat]:
    """A webhook on loopback whose path is its secret."""
    state = Chat()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == f"/{SECRET_PATH}"
            state.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status = state.statuses.pop(0) if state.statuses else 204
            self.send_response(status)
            if status < 400:
                self.send_header("Location", f"/moved/{SECRET_PATH}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            state.got.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/{SECRET_PATH}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
