"""`laion-assets dev` as a user starts it, and the commands of the README in a shell beside it."""

import os
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import dagster as dg
import psutil
import pytest
from click.testing import CliRunner

from laion_assets.automation.alarm import UI_VARIABLE, ui_url
from laion_assets.cli import main
from laion_assets.definitions import defs as load_definitions
from laion_assets.dev import SOURCE_VARIABLE, open_pools
from laion_assets.home import Home
from laion_assets.registration import datasets, register_parts
from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.running import RunningSandbox
from laion_assets.sandbox.spec import SandboxSpec
from laion_assets_tests.dagster_ui import runs
from laion_assets_tests.dev import BIN, Dev, dev
from laion_assets_tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "hf://datasets/laion/relaion-high-resolution"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with start_sandbox(SandboxSpec(parts=2, rows_per_part=400, port=0), cache=tmp_path_factory.mktemp("made")) as one:
        yield one


def environment(sandbox: RunningSandbox, **changed: str) -> dict[str, str]:
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_HOME", "LAION_"))}
    return {**cleaned, **sandbox.environment, **changed}


@pytest.fixture(scope="module")
def ui(sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """The UI on parts that are known and a hub that is down; once interrupted, nothing answers or has gone wrong."""
    folder = tmp_path_factory.mktemp("dev")
    home = Home(folder / "home")
    with mock.patch.dict(os.environ, environment(sandbox)):
        home.enter({SOURCE_VARIABLE: SOURCE})
        with dg.DagsterInstance.get() as instance:
            for dataset in datasets(load_definitions()):
                register_parts(dataset, instance)
    away = environment(sandbox, HF_ENDPOINT=NOBODY)
    with dev(home, ["--source", SOURCE], away, folder / "dev.log") as running:
        running.wait_until(lambda: running.answers)
        yield running
    assert "Traceback" not in running.log.read_text()
    assert not running.answers


@pytest.fixture(autouse=True)
def unchanged_environment() -> Iterator[None]:
    """This process as it was before, whatever a command told it."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def on_sandbox(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process pointed at the sandbox."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)


def readme_commands() -> list[str]:
    """Every command line of the README that is typed at a prompt."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line[2:].split("  #")[0].strip() for block in blocks for line in block.splitlines() if line[:2] == "$ "]


def typed(commands: list[str], variables: Mapping[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """What comes of typing commands one after the other, up to the first that fails."""
    script = "\n".join(commands).replace(".venv/bin/", f"{BIN}/")
    return subprocess.run(
        ["bash", "-eu", "-c", script], cwd=folder, env=dict(variables), capture_output=True, text=True, check=False
    )


def test_the_readme_s_make_commands_are_those_of_the_command_line() -> None:
    asked = [command for command in readme_commands() if command.startswith("make")]
    assert asked[:2] == ["make demo", "make dev"]
    for command in asked:
        planned = subprocess.run(
            [*shlex.split(command), "-n", f"VENV={BIN.parent}"],
            cwd=ROOT,
            # Under `make test`, another make would speak of folders it enters.
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        called = shlex.split(planned.splitlines()[-1])
        assert Path(called[0]).name in {"laion-assets", "python"}, planned
        if called[0].endswith("laion-assets"):
            assert CliRunner().invoke(main, [*called[1:], "--help"]).exit_code == 0, planned


@pytest.mark.parametrize(
    ("source", "changed", "said"),
    [
        ("hf://datasets/laion/not-there", {}, "laion/not-there"),
        (SOURCE, {"HF_ENDPOINT": NOBODY}, "127.0.0.1:9"),
        ("/nowhere/*.parquet", {}, "/nowhere"),
    ],
    ids=["no such repository", "the hub is down", "no such folder"],
)
@pytest.mark.usefixtures("on_sandbox")
def test_a_source_that_cannot_be_listed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, changed: Mapping[str, str], said: str
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(
        main, ["dev", "--source", source, "--home", str(tmp_path / "home"), "--port", str(free_port())]
    )
    assert done.exit_code == 1
    assert said in done.output
    assert done.output.startswith("laion_hr: ")
    assert len(done.output.strip().splitlines()) == 1


@pytest.mark.usefixtures("on_sandbox")
def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(main, ["dev", "--home", str(tmp_path / "home"), "--port", str(port)])
    assert done.exit_code == 1
    assert f"make dev PORT={port + 1}" in done.output


@pytest.mark.parametrize("told", ["", "https://dagster.example"])
@pytest.mark.usefixtures("on_sandbox")
def test_links_to_the_ui_lead_to_its_port_unless_they_are_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv(UI_VARIABLE, told)
    port = free_port()
    CliRunner().invoke(main, ["dev", "--source", "/nowhere/*.parquet", "--home", str(tmp_path), "--port", str(port)])
    assert ui_url() == (told or f"http://127.0.0.1:{port}")
    written = Home(tmp_path).environment_file
    assert UI_VARIABLE not in written.read_text(), "the next UI may be on another port"
    assert written.stat().st_mode & 0o077 == 0, "a source's address may hold a signature"


def test_nobody_from_elsewhere_reaches_the_ui_or_the_pages(ui: Dev) -> None:
    command = psutil.Process(ui.process.pid)
    listening = {
        found.laddr
        for process in (command, *command.children(recursive=True))
        for found in process.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", ui.port) in listening
    assert {address[0] for address in listening} == {"127.0.0.1"}


def test_pools_have_the_slots_that_are_documented_unless_somebody_chose_another_number(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with mock.patch.dict(os.environ, home.environment()):
        home.prepare()
        with dg.DagsterInstance.get() as instance:
            pools = instance.event_log_storage
            pools.initialize_concurrency_limit_to_default("metadata")
            open_pools(instance)
            assert {limit.name: limit.limit for limit in pools.get_pool_limits()} == {"metadata": 2, "web": 1}
            pools.set_concurrency_slots("metadata", 3)
            open_pools(instance)
            assert {limit.name: limit.limit for limit in pools.get_pool_limits()} == {"metadata": 3, "web": 1}


def test_a_source_that_is_away_does_not_keep_known_parts_from_being_worked_on(ui: Dev) -> None:
    assert "going on with the 2 parts" in ui.log.read_text()


def test_the_readme_s_commands_work_beside_the_ui(ui: Dev, sandbox: RunningSandbox) -> None:
    commands = [one for one in readme_commands() if "/dg " in one or "sandbox" in one or one.startswith(". ")]
    assert commands[0] == ". demo/environment"
    commands[0] = f". {shlex.quote(str(ui.home.environment_file))}"
    done = typed(commands, environment(sandbox), ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "laion_hr_parts" in done.stdout
    # What was launched in the shell is a run in the UI.
    assert [(run["job"], run["status"]) for run in runs(ui.address)] == [("laion_hr_parts", "SUCCESS")]
