"""What went wrong in a run, in the words of whoever has to mend it: dataset, part, asset, first error, link.

Reads a run's events; sends nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.events import DagsterEvent
from dagster._core.storage.tags import PARTITION_NAME_TAG

from laion_assets.automation.jobs import DATASET_TAG

_LONGEST_ERROR = 1000


@dataclass(frozen=True)
class Failure:
    """One failed run."""

    dataset: str
    part: str | None
    """The partition: a part, or a week. None for what is made from all parts."""
    asset: str
    """The asset, or the check, that failed first; the job's name when it was none."""
    error: str
    """The first error: the innermost cause of the first step that failed."""
    job: str
    run_id: str
    run_url: str

    def __str__(self) -> str:
        at = f" at {self.part}" if self.part else ""
        return f"{self.asset}{at} of {self.dataset} failed: {self.error} See {self.run_url}"


def first_failure(instance: dg.DagsterInstance, run: dg.DagsterRun, *, ui_url: str) -> Failure:
    """What went wrong first in a failed run.

    Args:
        instance: where its events are.
        run: the run.
        ui_url: address of the Dagster UI, for the link.
    """
    events = [
        record.event_log_entry.dagster_event
        for record in instance.get_records_for_run(run.run_id).records
        if record.event_log_entry.dagster_event is not None
    ]
    asset, error = _first_step_failure(events) or (run.job_name, _end_of_run(events))
    return Failure(
        dataset=run.tags.get(DATASET_TAG) or _dataset_of(events) or asset.partition("/")[0],
        part=run.tags.get(PARTITION_NAME_TAG),
        asset=asset,
        error=_sentence(error),
        job=run.job_name,
        run_id=run.run_id,
        run_url=f"{ui_url.rstrip('/')}/runs/{run.run_id}",
    )


def _first_step_failure(events: Sequence[DagsterEvent]) -> tuple[str, str] | None:
    step = next((event for event in events if event.is_step_failure), None)
    if step is None:
        return None
    of_step = [event for event in events if event.step_key == step.step_key]
    told, error = step.step_failure_data.user_failure_data, step.step_failure_data.error
    if told is not None and told.description:
        return _asset_of(of_step, step), told.description
    if check := _failed_blocking_check(of_step):
        said = f": {check.description}" if check.description else ""
        return check.asset_key.to_user_string(), f"blocking check {check.check_name} failed{said}"
    while error is not None and error.cause is not None:
        error = error.cause
    return _asset_of(of_step, step), error.message if error else "no error was recorded"


def _failed_blocking_check(events: Sequence[DagsterEvent]) -> AssetCheckEvaluation | None:
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.blocking and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
                return check
    return None


def _asset_of(events: Sequence[DagsterEvent], step: DagsterEvent) -> str:
    """The assets a step was to make and did not, or to check; its own name when there are none."""
    made = {event.asset_key for event in events if event.is_step_materialization}
    planned = [event.asset_key for event in events if event.is_asset_materialization_planned]
    checked = [
        event.asset_check_planned_data.asset_key
        for event in events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    ]
    keys = [key for key in planned if key is not None and key not in made] or checked
    return ", ".join(dict.fromkeys(key.to_user_string() for key in keys)) or step.step_key or step.job_name


def _dataset_of(events: Sequence[DagsterEvent]) -> str | None:
    """What begins the keys of all assets of a dataset, where the run is of no job of it."""
    planned = (event.asset_key for event in events if event.is_asset_materialization_planned)
    return next((key.path[0] for key in planned if key is not None), None)


def _end_of_run(events: Sequence[DagsterEvent]) -> str:
    end = next((event for event in events if event.is_run_failure), None)
    if end is None:
        return "the run ended without saying why"
    # What reports a run for dead from outside gives a sentence and no data.
    error = end.job_failure_data.error if end.event_specific_data is not None else None
    return (error.message if error else None) or end.message or "the run ended without saying why"


def _sentence(error: str) -> str:
    line = " ".join(error.split())
    line = line if len(line) <= _LONGEST_ERROR else f"{line[: _LONGEST_ERROR - 1]}…"
    return line if line.endswith((".", "…", "!", "?")) else f"{line}."
