"""The sensors of a dataset: one follows its source, one keeps what is downstream of the parts up to date.

Both are off until someone switches them on.
"""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG, SENSOR_NAME_TAG

from laion_assets.automation.discovery import Cursor, Discovery, compare, fingerprint
from laion_assets.automation.jobs import DATASET_TAG, Job
from laion_assets.automation.listing import DEADLINE_S, list_soon
from laion_assets.sources.published import SourceError
from laion_assets.sources.spec import SourceSpec


def discovery_sensor(
    dataset: str,
    *,
    source: SourceSpec,
    parts: dg.DynamicPartitionsDefinition,
    job: Job,
    deadline_s: float = DEADLINE_S,
) -> dg.SensorDefinition:
    """A sensor that adds the parts of a source and requests a run for each new or changed one.

    A source that is away, slow or refuses us makes a skipped tick with the reason, never a failed one.

    Args:
        dataset: the dataset's name.
        source: where its parts are published.
        parts: its partitions.
        job: what is run for a part.
        deadline_s: how long a listing may take.
    """

    @dg.sensor(
        name=f"{dataset}_discovery",
        job=job,
        minimum_interval_seconds=3600,
        description=f"Lists the source of {dataset}, adds its parts, and requests a run for each new or changed one.",
        tags={DATASET_TAG: dataset},
    )
    def discovery(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            listing = list_soon(source, deadline_s=deadline_s)
        except SourceError as error:
            return dg.SkipReason(str(error))
        cursor = Cursor.from_json(context.cursor)
        found = compare(listing, cursor.confirmed(_run_keys_seen(context.instance, context.sensor_name, cursor)))
        if found.withdrawn:
            context.log.warning(
                "%d parts are no longer listed, our copies stay: %s", len(found.withdrawn), ", ".join(found.withdrawn)
            )
        if not found.to_request:
            revision = f" at revision {listing.revision}" if listing.revision else ""
            return dg.SensorResult(
                skip_reason=f"{len(listing.parts)} parts{revision}, none new or changed",
                cursor=found.cursor.to_json(),
            )
        run_keys = _run_keys(found, generation=_generation_after(context.last_run_key))
        return dg.SensorResult(
            dynamic_partitions_requests=[parts.build_add_request([part.key for part in found.to_request])],
            run_requests=[
                dg.RunRequest(run_key=run_keys[part.key], partition_key=part.key, tags={DATASET_TAG: dataset})
                for part in found.to_request
            ],
            cursor=found.cursor_after(run_keys).to_json(),
        )

    return discovery


def upkeep_sensor(
    name: str, *, keys: Sequence[dg.AssetKey], description: str
) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the automation conditions of some assets and of the checks on them.

    Args:
        name: what the UI calls it.
        keys: the assets.
        description: what it does, for the UI.
    """
    return dg.AutomationConditionSensorDefinition(
        name,
        target=dg.AssetSelection.assets(*keys) | dg.AssetSelection.checks_for_assets(*keys),
        minimum_interval_seconds=30,
        description=description,
    )


def _run_keys_seen(instance: dg.DagsterInstance, sensor: str, cursor: Cursor) -> set[str]:
    """Of the run keys the last tick asked for: those of which there are runs. Another sensor's key may be the same."""
    if not cursor.unconfirmed:
        return set()
    asked_for = {SENSOR_NAME_TAG: sensor, RUN_KEY_TAG: list(cursor.unconfirmed.values())}
    runs = instance.get_runs(dg.RunsFilter(tags=asked_for))
    return {run.tags[RUN_KEY_TAG] for run in runs}


def _run_keys(found: Discovery, *, generation: int) -> Mapping[str, str]:
    """A key per part to request: the same when a failed tick is repeated, another when the part is requested anew.

    Without the generation a part that changes and changes back would have the key of its first run, and Dagster drops
    requests with a known key.
    """
    return {part.key: f"{part.key}:{fingerprint(part)}:{generation}" for part in found.to_request}


def _generation_after(last_run_key: str | None) -> int:
    generation = (last_run_key or "").rpartition(":")[2]
    return int(generation) + 1 if generation.isdigit() else 1
