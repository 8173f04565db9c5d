"""The lake as Dagster hands it to assets."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from laion_assets.lake import resource
from laion_assets.lake.errors import LakeError
from laion_assets.lake.resource import MAX_RETRIES, LakeResource, outlasting_outages

OUTAGES = [
    LakeError("x.parquet: S3 did not do it (SlowDown). Check the service, then run again.", retryable=True),
    OSError("object-store error: Generic S3 error: after 8 retries - Server returned non-2xx status code: 503 Slow"),
    OSError("object-store error: Generic S3 error: error sending request: connection reset by peer"),
]
REFUSALS = [
    LakeError("x.parquet: S3 refused (AccessDenied). Check the credentials."),
    OSError("object-store error: Generic S3 error: Server returned non-2xx status code: 400 Bad Request"),
    OSError("Is a directory"),
]


Step = Callable[[list[Exception]], dg.AssetsDefinition]
PACKAGE = Path(resource.__file__).parents[1]


def returning(raised: list[Exception]) -> dg.AssetsDefinition:
    @dg.asset(name="made")
    @outlasting_outages
    def step(lake: LakeResource) -> None:
        del lake
        if raised:
            raise raised.pop()

    return step


def yielding(raised: list[Exception]) -> dg.AssetsDefinition:
    @dg.asset(name="made")
    @outlasting_outages
    def step(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None]]:
        del context, lake
        if raised:
            raise raised.pop()
        yield dg.MaterializeResult()

    return step


def run(step: dg.AssetsDefinition, folder: Path) -> dg.ExecuteInProcessResult:
    return dg.materialize([step], resources={"lake": LakeResource(base_uri=str(folder))}, raise_on_error=False)


def pauses(result: dg.ExecuteInProcessResult) -> list[float]:
    """Seconds before each further attempt of the step."""
    retries = [event for event in result.all_events if event.is_step_up_for_retry]
    return [event.step_retry_data.seconds_to_wait or 0.0 for event in retries]


def told(result: dg.ExecuteInProcessResult) -> str | None:
    """The one sentence that the step failed with, where there is one."""
    [failed] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return failed.user_failure_data.description if failed.user_failure_data else None


def test_an_asset_opens_the_lake_it_is_given(tmp_path: Path) -> None:
    @dg.asset
    def greeting(lake: LakeResource) -> None:
        opened = lake.open()
        opened.write_bytes(opened.uri(["greeting"], "greeting.txt"), b"hello")

    assert dg.materialize([greeting], resources={"lake": LakeResource(base_uri=str(tmp_path))}).success
    assert (tmp_path / "greeting" / "greeting.txt").read_bytes() == b"hello"


@pytest.mark.parametrize("step", [returning, yielding])
@pytest.mark.parametrize("outage", OUTAGES, ids=["ours", "polars told", "polars cut off"])
def test_a_lake_that_is_away_for_a_while_is_asked_again_after_longer_and_longer_pauses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: Step, outage: Exception
) -> None:
    monkeypatch.setattr(resource, "FIRST_PAUSE_S", 0.001)
    result = run(step([outage] * MAX_RETRIES), tmp_path)
    assert result.success
    waited = pauses(result)
    assert len(waited) == MAX_RETRIES
    for number, pause_s in enumerate(waited):
        assert 0.0005 * 2**number <= pause_s <= 0.001 * 2**number


def test_a_lake_that_stays_away_fails_the_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resource, "FIRST_PAUSE_S", 0.001)
    result = run(returning(OUTAGES[:1] * (MAX_RETRIES + 1)), tmp_path)
    assert not result.success
    assert len(pauses(result)) == MAX_RETRIES
    assert told(result) == str(OUTAGES[0])


@pytest.mark.parametrize("refusal", REFUSALS, ids=["ours", "polars", "of this machine"])
def test_a_lake_that_refuses_fails_the_step_at_once(tmp_path: Path, refusal: Exception) -> None:
    result = run(returning([refusal]), tmp_path)
    assert not result.success
    assert pauses(result) == []
    assert told(result) == (str(refusal) if isinstance(refusal, LakeError) else None)


def test_every_step_that_opens_the_lake_outlasts_its_outages() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.name.endswith(("assets.py", "checks.py")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                arg.annotation and "LakeResource" in ast.unparse(arg.annotation) for arg in node.args.args
            ):
                assert "outlasting_outages" in {ast.unparse(one) for one in node.decorator_list}, (
                    f"{path.name}: {node.name}"
                )
