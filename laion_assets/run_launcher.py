"""Starts runs as Dagster does by default, and notices when the process of a run is gone.

A process that is killed, by a lack of memory, a restart of its machine or a person, cannot say so. With Dagster's own
launcher its run counts as started for ever and keeps its place among the concurrent ones. Run monitoring asks this one
how the process is, and what it finds dead is started again by run retries; both are switched on in ``dagster.yaml``.
"""

import json
from collections import Counter

import dagster as dg
import psutil
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

# A machine that does not answer may be busy or the network broken for a moment, and its runs go on.
MISSED_ANSWERS = 4
_ANSWER_S = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Named in ``dagster.yaml`` under ``run_launcher``."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._missed: Counter[str] = Counter()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does: that is what it is for."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run is still there.

        Its code server knows, if it answers. On this machine the process itself can be looked up, since it outlives a
        server that was killed. On another one, several answers must be missed before the run is given up.
        """
        server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        known = self._server_knows(run.run_id) if server else False
        if known:
            self._missed.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if server.get("host", "localhost") in ("localhost", "127.0.0.1", "::1"):
            return self._look_up(run.run_id)
        if known is None:
            self._missed[run.run_id] += 1
            if self._missed[run.run_id] < MISSED_ANSWERS:
                return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer, for now")
        self._missed.pop(run.run_id, None)
        said = "does not answer" if known is None else "was restarted"
        return CheckRunHealthResult(WorkerStatus.FAILED, f"the code server at {server.get('host')} {said}")

    def _server_knows(self, run_id: str) -> bool | None:
        """Whether the code server runs this; None when it does not answer."""
        client: DagsterGrpcClient | None = self._get_grpc_client_for_termination(run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return False
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run_id), timeout=_ANSWER_S)
        except dg.DagsterError:
            return None
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel

    def _look_up(self, run_id: str) -> CheckRunHealthResult:
        pid, since = self._process(run_id)
        try:
            # A number is given again to another process in time; that one is younger than what the run told of itself.
            process = psutil.Process(pid) if pid is not None else None
            if process and process.create_time() <= since + 1 and process.status() != psutil.STATUS_ZOMBIE:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
        except psutil.NoSuchProcess:
            pass
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {pid or ''} is gone")

    def _process(self, run_id: str) -> tuple[int | None, float]:
        """The process that a run last said it was, and when."""
        records = self._instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
        for record in reversed(records):
            event = record.event_log_entry.dagster_event
            told = event.engine_event_data.metadata.get("pid") if event is not None else None
            if told is not None:
                return int(str(told.value)), record.event_log_entry.timestamp
        return None, 0.0
