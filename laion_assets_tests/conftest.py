"""The order in which files of tests are run, and what is done once for all of them."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from xdist.scheduler import LoadFileScheduling

# Several workers share the cores: threads of each for every core would wait for one another.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Until all tests are imported: looking for garbage meanwhile is a tenth of the time that takes.
gc.disable()

# What mostly waits for processes, longest first: begun last, one of them would keep a single worker busy at the end.
FIRST = (
    "automation/test_postgres.py",
    "test_browser.py",
    "test_demo.py",
    "probes",
    "automation/test_deployment.py",
    "test_dev.py",
    "analyze",
    "shards/test_resume.py",
    "sandbox",
)


def _group(file: str) -> str:
    """What one worker runs as a whole: a file, or a room whose tests share a sandbox that takes long to make."""
    name = file.removeprefix(f"{Path(__file__).parent.name}/")
    room = name.split("/")[0]
    return room if room in FIRST else name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {group: position for position, group in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(_group(item.nodeid.split("::")[0]), len(FIRST)))


class ByRoom(LoadFileScheduling):  # type: ignore[misc]
    """Gives a worker a group at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByRoom:
    return ByRoom(config, log)


def pytest_collection_finish() -> None:
    """Half a million objects of imported modules are there to stay: to look through them again and again takes long."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def revisions_read_once() -> Iterator[None]:
    """Dagster marks every SQLite file with the newest of its ninety revisions, and reads all of them to know which."""
    read = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def of_config(config: Config) -> ScriptDirectory:
        location = config.get_alembic_option("script_location")
        if location not in known:
            known[location] = read(config)
        return known[location]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", of_config)
        yield
