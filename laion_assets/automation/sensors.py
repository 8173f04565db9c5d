"""The sensor that follows a dataset's source: adds its parts, requests a run for each new or changed one."""

import dagster as dg

from laion_assets.automation.discovery import Cursor, compare, fingerprint
from laion_assets.automation.jobs import Job
from laion_assets.sources.fetching import open_source
from laion_assets.sources.published import SourceError
from laion_assets.sources.spec import SourceSpec


def discovery_sensor(
    dataset: str, *, source: SourceSpec, parts: dg.DynamicPartitionsDefinition, job: Job
) -> dg.SensorDefinition:
    """A sensor that is off until someone switches it on, and never fails because a source is away."""

    @dg.sensor(
        name=f"{dataset}_discovery",
        job=job,
        minimum_interval_seconds=3600,
        description=f"Lists the source of {dataset}, adds its parts, and requests a run for each new or changed one.",
    )
    def discovery(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            listing = open_source(source).list_parts()
        except SourceError as error:
            return dg.SkipReason(str(error))
        found = compare(listing, Cursor.from_json(context.cursor))
        if found.withdrawn:
            context.log.warning(
                "%d parts are no longer listed, our copies stay: %s", len(found.withdrawn), ", ".join(found.withdrawn)
            )
        if not found.to_request:
            return dg.SensorResult(
                skip_reason=f"{len(listing.parts)} parts at revision {listing.revision}, none new or changed",
                cursor=found.cursor.to_json(),
            )
        return dg.SensorResult(
            dynamic_partitions_requests=[parts.build_add_request([part.key for part in found.to_request])],
            run_requests=[
                dg.RunRequest(run_key=f"{part.key}:{fingerprint(part)}", partition_key=part.key)
                for part in found.to_request
            ],
            cursor=found.cursor.to_json(),
        )

    return discovery
