"""The order in which files of tests are run."""

from pathlib import Path

import pytest

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
