"""Runs the jobs of a dataset one after the other in this process, and only what is not up to date.

The same definitions and the same instance as the UI: a run made here is a run there. `laion-assets demo` and
`laion-assets analyze` are made of this.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster._core.events import RunFailureReason
from dagster._core.utils import make_new_run_id
from sqlalchemy.exc import SQLAlchemyError

from laion_assets.automation.reuse import Reuse
from laion_assets.lake.lake import Lake

# The console logger would write every step's events over the progress display; the event log keeps them all.
QUIET: Mapping[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

PROCESS_TAG = "laion_assets/process"

OnMessage = Callable[[str], None]


class RunFailedError(RuntimeError):
    """A run that did not succeed; the message names the asset, the part and the first error."""


class BlockedError(RunFailedError):
    """A run that made its assets, and a blocking check says not to use them."""


@dataclass(frozen=True)
class Work:
    """One run a pipeline may need: a job, at one part where the job is partitioned."""

    job: str
    part: str | None = None


class Pipeline:
    """Runs jobs of a code location in one Dagster instance, in this process."""

    def __init__(self, definitions: dg.Definitions, *, instance: dg.DagsterInstance, lake: Lake) -> None:
        self._definitions = definitions
        self._instance = instance
        self._reuse = Reuse(definitions, instance=instance, lake=lake)

    def needed(self, works: Sequence[Work], *, data_versions: Mapping[str, str] | None = None) -> list[Work]:
        """Those of the works whose assets are not all up to date.

        Args:
            works: what is wanted.
            data_versions: per part, the data version its first asset must have: what the source publishes today.
        """
        return [work for work in works if not self._up_to_date(work, data_versions or {})]

    def run(self, work: Work, *, on_message: OnMessage) -> None:
        """Run one job and wait for it, passing on what its assets log.

        Raises:
            BlockedError: when a blocking check failed.
            RunFailedError: when a step failed.
            KeyboardInterrupt: when Ctrl-C or SIGTERM ended it.
        """
        job = self._definitions.resolve_job_def(work.job)
        run_id = make_new_run_id()
        with self._messages(run_id, on_message):
            result = job.execute_in_process(
                instance=self._instance,
                partition_key=work.part,
                run_id=run_id,
                run_config=dict(QUIET),
                tags={PROCESS_TAG: _this_process()},
                raise_on_error=False,
            )
        if _was_interrupted(result):
            raise KeyboardInterrupt
        if failed := failed_blocking_checks(result):
            raise BlockedError(f"{work.job}{_at(work)}: {'; '.join(failed)}")
        if not result.success:
            raise RunFailedError(self._first_error(work, run_id))

    def close_abandoned_runs(self) -> int:
        """Mark runs of pipelines whose process is gone as cancelled.

        Returns:
            How many there were.
        """
        unfinished = self._instance.get_runs(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
        )
        abandoned = [run for run in unfinished if PROCESS_TAG in run.tags and not _is_alive(run.tags[PROCESS_TAG])]
        for run in abandoned:
            self._instance.report_run_canceled(run, message="The process that ran this was killed.")
        return len(abandoned)

    def _up_to_date(self, work: Work, data_versions: Mapping[str, str]) -> bool:
        keys = self._definitions.resolve_job_def(work.job).asset_layer.executable_asset_keys
        return all(self._reuse.up_to_date(key, work.part, data_versions=data_versions) for key in keys)

    def _first_error(self, work: Work, run_id: str) -> str:
        for record in self._instance.get_records_for_run(run_id).records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.is_step_failure:
                error = event.step_failure_data.error
                while error is not None and error.cause is not None:
                    error = error.cause
                told = event.step_failure_data.user_failure_data
                message = (told.description if told else None) or (error.message if error else "no error recorded")
                return f"{event.step_key}{_at(work)}: {message.strip()}"
        return f"{work.job}{_at(work)}: the run failed before its first step. See run {run_id} in the UI."

    @contextmanager
    def _messages(self, run_id: str, on_message: OnMessage) -> Iterator[None]:
        """Pass on the log messages of a run while it goes on; its steps block this thread."""
        done = threading.Event()

        def follow() -> None:
            cursor: str | None = None
            finished = False
            while not finished:
                finished = done.wait(0.5)
                try:
                    connection = self._instance.get_records_for_run(run_id, cursor=cursor)
                except SQLAlchemyError:
                    return  # a full disk, say: the run itself will say so
                cursor = connection.cursor
                for record in connection.records:
                    if _is_news(record.event_log_entry):
                        on_message(record.event_log_entry.user_message)

        follower = threading.Thread(target=follow, name=f"follow-{run_id[:8]}", daemon=True)
        follower.start()
        try:
            yield
        finally:
            done.set()
            follower.join()


def _is_news(entry: dg.EventLogEntry) -> bool:
    """Whether an asset said something: no event, and not how Dagster got hold of a process of ours."""
    told = entry.user_message
    return not entry.is_dagster_event and bool(told) and not told.startswith("[pipes] ")


def failed_blocking_checks(result: dg.ExecuteInProcessResult) -> list[str]:
    """One sentence per blocking check that failed in a run."""
    return [
        f"{evaluation.asset_key.to_user_string()}: blocking check {evaluation.check_name} failed"
        f"{': ' + evaluation.description if evaluation.description else ''}"
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.blocking and not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
    ]


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether Ctrl-C or SIGTERM ended a run, which Dagster only notes."""
    failures = [event.job_failure_data for event in result.all_events if event.is_job_failure]
    return any(failure.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION for failure in failures)


def _at(work: Work) -> str:
    return f" at {work.part}" if work.part else ""


def _this_process() -> str:
    """Process id and start time: together they are never used again."""
    process = psutil.Process()
    return f"{process.pid}@{process.create_time():.2f}"


def _is_alive(tag: str) -> bool:
    pid, _, started = tag.partition("@")
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" == started
    except (psutil.Error, ValueError):
        return False
