"""The schedule of a dataset: when its panel is probed again."""

import dagster as dg
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition

from laion_assets.automation.jobs import Job, job_name


def weekly_link_health(dataset: str, job: Job) -> dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition:
    """A schedule that probes the panel when a week is over; off until someone switches it on."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name=job_name(dataset, "link_health", "weekly"),
        description=f"Probes the panel of {dataset} once a week, early on Monday.",
        hour_of_day=3,
        minute_of_hour=0,
    )
