"""How tests of this room run a coroutine: to its end, on a fresh loop, leaving no task and no socket behind."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop

from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.sites import LOOPBACK

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A socket or transport nobody closed fails the test it belongs to."""
    for item in items:
        if "laion_assets_tests/web/" in str(item.path).replace("\\", "/"):
            item.add_marker(pytest.mark.filterwarnings("error::ResourceWarning"))


async def _and_nothing_left(main: Coroutine[Any, Any, T]) -> T:
    result = await main
    # One round for callbacks of transports that were just closed.
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"
    return result


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_loops: run on asyncio's own loop too, not only on uvloop's")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_loops") is not None
        metafunc.parametrize("run", ["asyncio", "uvloop"] if both else ["uvloop"], indirect=True)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Runs a coroutine to its end on the loop our callers use, or on either for tests marked so."""
    if request.param == "uvloop":
        return lambda main: uvloop.run(_and_nothing_left(main))
    return lambda main: asyncio.run(_and_nothing_left(main))


@pytest.fixture
def impatient() -> WebSpec:
    """Allowed on loopback, asks once, gives up soon."""
    return WebSpec(
        allow_networks=LOOPBACK,
        deadline_s=0.9,
        connect_s=0.4,
        first_byte_s=0.4,
        dns_s=1.0,
        attempts=1,
        backoff_s=0.0,
    )
