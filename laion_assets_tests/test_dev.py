"""`laion-assets dev` as a user starts it, and the commands of the README in a shell beside it."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.running import RunningSandbox
from laion_assets.sandbox.spec import SandboxSpec

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SOURCE = "hf://datasets/laion/relaion-high-resolution"
READY_S = 120


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with start_sandbox(SandboxSpec(parts=2, rows_per_part=400, port=0), cache=tmp_path_factory.mktemp("made")) as one:
        yield one


def environment(sandbox: RunningSandbox, **changed: str) -> dict[str, str]:
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_HOME", "LAION_"))}
    return {**cleaned, **sandbox.environment, **changed}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dev(
    home: Path, port: int, variables: Mapping[str, str], *, source: str = SOURCE
) -> Iterator[subprocess.Popen[str]]:
    """The command on a source, in a process group of its own as in a terminal, ended by Ctrl-C."""
    command = [str(BIN / "laion-assets"), "dev", "--source", source, "--home", str(home), "--port", str(port)]
    with (
        (home.parent / "dev.log").open("w") as log,
        subprocess.Popen(
            command, env=dict(variables), stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(60)


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2).close()
    except OSError:
        return False
    return True


def wait_for(port: int, process: "subprocess.Popen[str]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not answers(port):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.3)


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
            subprocess.run([*called, "--help"], check=True, capture_output=True)


def test_the_ui_opens_on_a_source_and_the_readme_s_commands_work_beside_it(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    with dev(home, port, environment(sandbox)) as process:
        wait_for(port, process, tmp_path / "dev.log")
        commands = [one for one in readme_commands() if "/dg " in one or "sandbox" in one or one.startswith(". ")]
        assert commands[0] == ". demo/environment"
        commands[0] = f". {shlex.quote(str(home / 'environment'))}"
        done = typed(commands, environment(sandbox), ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "laion_hr_parts" in done.stdout
        # What was launched in the shell is a run in the UI.
        query = json.dumps({"query": "{ runsOrError { ... on Runs { results { status jobName } } } }"}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 (ours)
            runs = json.load(answer)["data"]["runsOrError"]["results"]
        assert runs == [{"status": "SUCCESS", "jobName": "laion_hr_parts"}]
    assert "Traceback" not in (tmp_path / "dev.log").read_text()
    assert not answers(port)


def test_the_readme_s_analyses_run(sandbox: RunningSandbox, tmp_path: Path) -> None:
    commands = [command for command in readme_commands() if " analyze " in command]
    assert len(commands) == 2
    sandbox.truth().filter(pl.col("url").str.starts_with("http")).head(50).select("url", caption=pl.lit("a")).write_csv(
        tmp_path / "links.tsv", separator="\t", include_header=False
    )
    done = typed(commands, environment(sandbox), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.parent.name for path in sorted(tmp_path.rglob("report.html")) if "lake" not in path.parts] == [
        "links",
        "relaion_high_resolution",
    ]


@pytest.mark.parametrize(
    ("source", "changed", "said"),
    [
        ("hf://datasets/laion/not-there", {}, "laion/not-there"),
        (SOURCE, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ("/nowhere/*.parquet", {}, "/nowhere"),
    ],
    ids=["no such repository", "the hub is down", "no such folder"],
)
def test_a_source_that_cannot_be_listed_is_one_sentence(
    sandbox: RunningSandbox, tmp_path: Path, source: str, changed: Mapping[str, str], said: str
) -> None:
    with dev(tmp_path / "home", free_port(), environment(sandbox, **changed), source=source) as process:
        assert process.wait(READY_S) == 1
    printed = (tmp_path / "dev.log").read_text().strip()
    assert said in printed
    assert printed.startswith("laion_hr: ")
    assert len(printed.splitlines()) == 1


def test_a_source_that_is_away_does_not_keep_known_parts_from_being_worked_on(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    log = tmp_path / "dev.log"
    for endpoint, said in ((sandbox.hub_url, "2 parts at"), ("http://127.0.0.1:9", "going on with the 2 parts")):
        with dev(tmp_path / "home", free_port(), environment(sandbox, HF_ENDPOINT=endpoint)) as process:
            deadline = time.monotonic() + READY_S
            # Said before the UI is started, which then is another test's business.
            while "Dagster UI: http" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert said in log.read_text()


def test_a_port_in_use_is_named_with_the_way_out(sandbox: RunningSandbox, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with dev(tmp_path / "home", port, environment(sandbox)) as process:
            assert process.wait(READY_S) == 1
    assert f"make dev PORT={port + 1}" in (tmp_path / "dev.log").read_text()
