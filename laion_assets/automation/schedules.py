"""The schedules of a dataset: when its panel is probed again, and when its metadata is gone over again.

Off until someone switches them on.
"""

import dagster as dg
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition

from laion_assets.automation.jobs import DATASET_TAG, Job, job_name


def weekly_link_health(dataset: str, job: Job) -> dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition:
    """A schedule that probes the panel when a week is over."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name=job_name(dataset, "link_health", "weekly"),
        description=f"Probes the panel of {dataset} once a week, early on Monday.",
        hour_of_day=3,
        minute_of_hour=0,
        tags={DATASET_TAG: dataset},
    )


def monthly_refresh(dataset: str, job: Job) -> dg.ScheduleDefinition:
    """A schedule that goes over the parts we hold: compares them with what is published, applies today's rules.

    Parts that nobody fetched yet are left alone, so that a laptop with one part stays one with one part. A part whose
    bytes are still the publisher's is not fetched again.

    Args:
        dataset: the dataset's name.
        job: what is run for a part.
    """
    raw = dg.AssetKey([dataset, "raw_metadata"])

    @dg.schedule(
        name=job_name(dataset, "metadata", "monthly"),
        job=job,
        cron_schedule="0 2 1 * *",
        description=f"Compares every part of {dataset} that we hold with what is published, and validates it again.",
        tags={DATASET_TAG: dataset},
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        held = sorted(context.instance.get_materialized_partitions(raw))
        if not held:
            return dg.SkipReason(f"no part of {dataset} is here yet. Materialise {raw.to_user_string()} first.")
        moment = context.scheduled_execution_time.date().isoformat()
        return [
            dg.RunRequest(run_key=f"{part}:{moment}", partition_key=part, tags={DATASET_TAG: dataset}) for part in held
        ]

    return refresh
