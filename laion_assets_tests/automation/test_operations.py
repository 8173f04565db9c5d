"""docs/operations.md against the code: commands parse, names and settings exist."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from laion_assets.definitions import defs
from laion_assets.dev import SLOTS
from laion_assets.web.resource import ENVIRONMENT_PREFIX, variable
from laion_assets.web.spec import WebSpec

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = sorted(set(re.findall(r"^\$ (bin/\S.*)$", TEXT, flags=re.MULTILINE)))


def click_command(program: str) -> click.Command:
    if program == "dagster":
        from dagster._cli import create_dagster_cli

        root: click.Command = create_dagster_cli()  # type: ignore[no-untyped-call]
        return root
    if program == "dagster-daemon":
        from dagster._daemon.cli import create_dagster_daemon_cli

        return create_dagster_daemon_cli()
    if program == "dagster-webserver":
        from dagster_webserver.cli import dagster_webserver

        return dagster_webserver
    from dagster_dg_cli.cli import create_dg_cli

    assert program == "dg", program
    made: click.Command = create_dg_cli()  # type: ignore[no-untyped-call]
    return made


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith("bin/pip ")])
def test_every_command_is_one_that_its_program_takes(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workspace.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(line)
    command: click.Command | None = click_command(Path(program).name)
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = command.make_context(program, arguments, parent=context)
        name, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert name
    assert command is not None
    command.make_context(program, list(arguments), parent=context)


@pytest.mark.parametrize("flag", ["--path-prefix", "--read-only"])
def test_the_webserver_has_the_flags_that_are_named(flag: str) -> None:
    assert flag in TEXT
    assert any(flag in option.opts for option in click_command("dagster-webserver").params)


def test_every_variable_that_is_named_is_read_somewhere() -> None:
    named = set(re.findall(r"\bLAION_[A-Z_]+[A-Z]\b", TEXT))
    code = "\n".join(path.read_text() for path in (ROOT / "laion_assets").rglob("*") if path.suffix in (".py", ".yaml"))
    web = {variable(field) for field in WebSpec.model_fields}
    assert named >= {"LAION_ASSETS_POSTGRES", "LAION_ASSETS_LAKE", f"{ENVIRONMENT_PREFIX}NAMESERVERS"}
    assert {name for name in named - web if f'"{name}"' not in code and f"'{name}'" not in code} == set()


def test_every_sensor_and_schedule_is_described_and_no_other() -> None:
    repository = defs().get_repository_def()
    there = {one.name for one in repository.sensor_defs} | {one.name for one in repository.schedule_defs}
    table = TEXT[TEXT.index("## What runs by itself") : TEXT.index("## Backfills")]
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == there


def test_limits_that_are_named_are_those_of_the_settings() -> None:
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert "At most four run at a time" in TEXT
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 4
    assert "one slot each unless" in TEXT
    assert settings["concurrency"]["pools"]["default_limit"] == 1
    assert {pool: int(slots) for pool, slots in re.findall(r"concurrency set (\w+) (\d)", TEXT)} == SLOTS
    assert "twice at most" in TEXT
    assert settings["run_retries"]["max_retries"] == 2
    pools = {tool for node in defs().resolve_asset_graph().asset_nodes for tool in node.pools or ()}
    assert pools == set(re.findall(r"`(\w+)` \((?:disk|whatever)", TEXT)), "dataset_comparison needs none"


def test_the_workspace_it_shows_is_one() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    [entry] = yaml.safe_load(shown)["load_from"]
    assert set(entry["grpc_server"]) == {"host", "port", "location_name"}
