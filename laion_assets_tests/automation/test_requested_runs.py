"""What is in the runs that the daemon requests of the real code location: assets, and every check of theirs."""

import logging
from collections.abc import Iterator, Sequence

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.definitions.automation_tick_evaluation_context import AutomationTickEvaluationContext

from laion_assets.definitions import defs

SENSOR = "laion_hr_automation"
# It is about all parts: requested with the analysis, not with each part.
PART_DRIFT = dg.AssetCheckKey(dg.AssetKey(["laion_hr", "metadata_profile"]), "part_drift")


def key(*path: str) -> dg.AssetKey:
    return dg.AssetKey(["laion_hr", *path])


class Daemon:
    """Evaluates the sensor of the dataset as the daemon does, and builds the run requests it would launch."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.definitions = defs()
        self.graph = self.definitions.resolve_asset_graph()
        sensor = self.definitions.get_repository_def().get_sensor_def(SENSOR)
        assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
        self._sensor = sensor
        self._cursor = AssetDaemonCursor.empty()
        self.tick()

    def tick(self) -> Sequence[dg.RunRequest]:
        """The run requests of one tick."""
        context = AutomationTickEvaluationContext(
            evaluation_id=self._cursor.evaluation_id + 1,
            instance=self.instance,
            asset_graph=self.graph,
            cursor=self._cursor,
            materialize_run_tags={},
            observe_run_tags={},
            auto_observe_asset_keys=set(),
            asset_selection=self._sensor.asset_selection,
            logger=logging.getLogger("daemon"),
            emit_backfills=self._sensor.emit_backfills,
        )
        requests, self._cursor, _ = context.evaluate()
        return requests

    def bring(self, asset: dg.AssetKey, part: str) -> None:
        """A part of an asset is in, and its blocking checks have passed."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=part))
        [made] = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset, asset_partitions=[part]), limit=1
        ).records
        target = AssetCheckEvaluationTargetMaterializationData(
            storage_id=made.storage_id, run_id=made.run_id, timestamp=made.timestamp
        )
        for check in self.graph.get_check_keys_for_assets({asset}) - {PART_DRIFT}:
            self.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=asset,
                    check_name=check.name,
                    passed=True,
                    partition=part,
                    target_materialization_data=target,
                )
            )

    def checks_of(self, request: dg.RunRequest) -> set[dg.AssetCheckKey]:
        """The checks in the run, resolved as the run resolves them."""
        named = request.asset_check_keys
        job = self.definitions.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(request.asset_selection or []),
            asset_check_selection=None if named is None else set(named),
        )
        return set(job.asset_layer.asset_graph.asset_check_keys)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("laion_hr_parts", ["p0"])
        yield Daemon(instance)


def test_a_requested_part_is_made_with_all_its_checks(daemon: Daemon) -> None:
    daemon.bring(key("raw_metadata"), "p0")
    [request] = daemon.tick()
    assets = set(request.asset_selection or [])
    assert {key("validated_metadata"), key("metadata_profile"), key("vlm_1024", "rows")} <= assets
    checks = daemon.checks_of(request)
    assert checks == daemon.graph.get_check_keys_for_assets(assets) - {PART_DRIFT}
    assert {check.name for check in checks} >= {"contract", "row_accounting", "below_1024_declared"}


def test_a_requested_analysis_is_made_with_all_its_checks(daemon: Daemon) -> None:
    of_a_part = [
        node.key
        for node in daemon.graph.asset_nodes
        if isinstance(node.partitions_def, dg.DynamicPartitionsDefinition) and node.key.path[-1] != "shards"
    ]
    for asset in daemon.graph.toposorted_asset_keys:
        if asset in of_a_part:
            daemon.bring(asset, "p0")
    [request] = daemon.tick()
    assets = set(request.asset_selection or [])
    assert {key("dimension_sample"), key("dimension_probes"), key("resolution_statistics")} <= assets
    checks = daemon.checks_of(request)
    assert checks == daemon.graph.get_check_keys_for_assets(assets) | {PART_DRIFT}
    assert {check.name for check in checks} >= {
        "coverage", "probing_was_healthy", "below_1024_anomaly", "declared_versus_true", "probe_contract",
    }  # fmt: skip
