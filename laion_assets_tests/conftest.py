"""The order in which files of tests are run, and what is done once for all of them."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

# Several workers share the cores: threads of each for every core would wait for one another.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Until all tests are imported: looking for garbage meanwhile is a tenth of the time that takes.
gc.disable()

# What mostly waits for processes, longest first: begun last, one of them would keep a single worker busy at the end.
FIRST = (
    "automation/test_postgres.py",
    "test_browser.py",
    "test_demo.py",
    "automation/test_deployment.py",
    "test_dev.py",
    "analyze/test_analyze.py",
    "probes/test_probe.py",
    "shards/test_resume.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    rank = {here / name: position for position, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(FIRST)))


def pytest_collection_finish() -> None:
    """Half a million objects of imported modules are there to stay: to look through them again and again takes long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
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
