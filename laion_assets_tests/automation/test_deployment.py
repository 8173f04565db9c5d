"""The largest deployment that docs/operations.md describes, in small: and not one of its secrets to be found anywhere.

A database, a bucket for the lake, a machine that shows the UI and decides, and a machine that works: only the last
knows the tokens of hub and bucket. Each is a process here, with the environment that the recipe gives it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from laion_assets.automation.alarm import WEBHOOK_VARIABLE
from laion_assets.home import Home
from laion_assets.instance_storage import POSTGRES_VARIABLE
from laion_assets.lake.lake import Lake
from laion_assets.sandbox import RunningSandbox, SandboxSpec, start_sandbox
from laion_assets_tests.automation.conftest import SECRET_PATH, Chat
from laion_assets_tests.automation.deployment import Deployment, deployment
from laion_assets_tests.automation.postgres import PASSWORD, binaries, postgres
from laion_assets_tests.lake.conftest import BUCKET, s3_endpoint  # noqa: F401 (a fixture)
from laion_assets_tests.ports import free_port

PROGRAMS = binaries()
SECRETS = {
    "HF_TOKEN": "hf_planted_token_of_the_hub",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+of/the/bucket",
    "the webhook": SECRET_PATH,
    POSTGRES_VARIABLE: PASSWORD,
}
STATISTICS = dg.AssetKey(["laion_hr", "resolution_statistics"])
PARTS = dg.AssetKey(["laion_hr", "validated_metadata"])
START_SENSOR = """mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
  __typename ... on PythonError { message } } }"""
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on PythonError { message } } }"""

pytestmark = [
    pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL's server: apt-get install postgresql"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    spec = SandboxSpec(parts=2, rows_per_part=300, port=0, token=SECRETS["HF_TOKEN"])
    with start_sandbox(spec) as running:
        yield running


def workspace_of(folder: Path, port: int) -> Path:
    """The workspace of the machine that decides, as the recipe writes it."""
    path = folder / "workspace.yaml"
    path.write_text(
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {port}\n      location_name: laion_assets\n"
    )
    return path


def start_sensor(deployed: Deployment, name: str) -> None:
    selector = {"repositoryLocationName": "laion_assets", "repositoryName": "__repository__", "sensorName": name}
    started = deployed.ask(START_SENSOR, selector=selector)["startSensor"]
    assert started["__typename"] == "Sensor", started


def start_run(deployed: Deployment, job: str, part: str) -> None:
    selector = {"repositoryLocationName": "laion_assets", "repositoryName": "__repository__", "jobName": job}
    tags = [{"key": "dagster/partition", "value": part}, {"key": "laion_assets/dataset", "value": "laion_hr"}]
    params = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
    launched = deployed.ask(LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched


def test_a_deployment_over_several_machines_works_and_shows_no_secret(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: RunningSandbox,
    chat: Chat,
    s3_endpoint: str,  # noqa: F811 (the fixture)
) -> None:
    assert PROGRAMS is not None
    for name in ("HF_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    lake = {"LAION_ASSETS_LAKE": f"s3://{BUCKET}/several", "AWS_ENDPOINT_URL": s3_endpoint}
    keys = {"AWS_ACCESS_KEY_ID": "planted", "AWS_SECRET_ACCESS_KEY": SECRETS["AWS_SECRET_ACCESS_KEY"]}
    with postgres(PROGRAMS) as server:
        shared = {POSTGRES_VARIABLE: server.database()}
        worker = Home(tmp_path / "worker")
        worker.prepare()
        decider = Home(tmp_path / "decider")
        decider.prepare()
        port = free_port()
        works = {
            **shared,
            **worker.environment(),
            **sandbox.environment,
            **lake,
            **keys,
            WEBHOOK_VARIABLE: chat.url,
        }
        with (
            code_server(worker, port, works),
            deployment(decider, shared, workspace=workspace_of(decider.folder, port)) as deployed,
        ):
            for name, value in {**decider.environment(), **shared}.items():
                monkeypatch.setenv(name, value)
            deployed.start_webserver()
            deployed.start_daemon()
            with dg.DagsterInstance.get() as instance:
                start_sensor(deployed, "laion_hr_discovery")
                deployed.wait_until(lambda: len(instance.get_materialized_partitions(PARTS)) == 2, seconds=400)
                deployed.wait_until(lambda: all(run.is_finished for run in instance.get_runs()))
                for name in ("failure_alarm", "laion_hr_automation", "comparison_automation"):
                    start_sensor(deployed, name)
                deployed.wait_until(lambda: bool(ticks_of(instance, "failure_alarm")))
                instance.add_dynamic_partitions("laion_hr_parts", ["part-99999"])
                start_run(deployed, "laion_hr_parts", "part-99999")
                deployed.wait_until(lambda: bool(chat.posted), seconds=400)
                deployed.wait_until(lambda: all(run.is_finished for run in instance.get_runs()))
                # All parts were in and nothing was made of them: that follows when the sensor is switched on, once.
                deployed.wait_until(lambda: bool(runs_of(instance, STATISTICS)), seconds=400)
                deployed.wait_until(lambda: all(run.is_finished for run in instance.get_runs()))
                [analysis] = runs_of(instance, STATISTICS)
                assert analysis.tags["dagster/sensor_name"] == "laion_hr_automation"
                assert analysis.is_success
                for name in ("laion_hr_discovery", "failure_alarm", "laion_hr_automation", "comparison_automation"):
                    statuses = {tick.status for tick in ticks_of(instance, name)}
                    assert TickStatus.FAILURE not in statuses, (name, ticks_of(instance, name))
        [told] = chat.posted
        assert (told["dataset"], told["part"], told["asset"]) == ("laion_hr", "part-99999", "laion_hr/raw_metadata")
        assert "no part 'part-99999' among the 2 published now" in told["error"]
        assert told["run_url"] == f"http://127.0.0.1:3000/runs/{told['run_id']}"

        for name, value in {**lake, **keys}.items():
            monkeypatch.setenv(name, value)
        everything = {
            "the database": dump(server.port, shared[POSTGRES_VARIABLE]),
            **{str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()},
            **objects_of(Lake(lake["LAION_ASSETS_LAKE"])),
        }
    assert b"part-99999" in everything["the database"]
    assert any(name.endswith(".err") for name in everything), "compute logs are among what is searched"
    assert any("validated_metadata" in name for name in everything), "so is the lake"
    found = {
        (secret, name)
        for secret, value in SECRETS.items()
        for name, content in everything.items()
        if value.encode() in content
    }
    assert found == set()


def runs_of(instance: dg.DagsterInstance, asset: dg.AssetKey) -> list[dg.DagsterRun]:
    """The runs in which an asset was to be made."""
    return [run for run in instance.get_runs() if asset in (run.asset_selection or ())]


def ticks_of(instance: dg.DagsterInstance, sensor: str) -> list[InstigatorTick]:
    """The ticks a sensor has had."""
    states = [state for state in instance.all_instigator_state() if state.instigator_name == sensor]
    return [tick for state in states for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)]


class code_server:  # noqa: N801 (used as a context manager)
    """The machine that works: a code server, as the recipe starts it."""

    def __init__(self, home: Home, port: int, environment: Mapping[str, str]) -> None:
        command = ["-m", "dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port)]
        module = ["-m", "laion_assets.definitions", "--location-name", "laion_assets"]
        with (home.folder / "processes.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command, *module],
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                cwd=home.folder,
            )

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def dump(port: int, url: str) -> bytes:
    """Everything in the database."""
    assert PROGRAMS is not None
    command = [str(PROGRAMS / "pg_dump"), "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", url.rsplit("/", 1)[-1]]
    return subprocess.run(command, check=True, capture_output=True, env={"PGPASSWORD": PASSWORD}).stdout


def objects_of(lake: Lake) -> dict[str, bytes]:
    """Every object of a lake in a bucket."""
    import s3fs

    files = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    return {path: files.cat(path) for path in files.find(lake.base_uri.removeprefix("s3://"))}
