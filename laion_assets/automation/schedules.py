"""The schedules of a dataset: when its panel is probed again, and when its metadata is gone over again.

Off until someone switches them on.
"""

import dagster as dg

from laion_assets.automation.jobs import DATASET_TAG, Job, job_name


def weekly_link_health(dataset: str, job: Job, *, weeks: dg.TimeWindowPartitionsDefinition) -> dg.ScheduleDefinition:
    """A schedule that probes the panel when a week is over.

    Args:
        dataset: the dataset's name.
        job: what is run for a week.
        weeks: the partitions of the panel.
    """

    @dg.schedule(
        name=job_name(dataset, "link_health", "weekly"),
        job=job,
        cron_schedule="0 3 * * 1",
        description=f"Probes the panel of {dataset} once a week, early on Monday.",
        tags={DATASET_TAG: dataset},
    )
    def probe_again(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        window = weeks.get_prev_partition_window(context.scheduled_execution_time)
        if window is None:
            return dg.SkipReason(f"the first week of the panel of {dataset} is not over yet.")
        week = window.start.strftime(weeks.fmt)
        return dg.RunRequest(run_key=week, partition_key=week, tags={DATASET_TAG: dataset})

    return probe_again


def monthly_refresh(dataset: str, job: Job, *, parts: dg.PartitionsDefinition) -> dg.ScheduleDefinition:
    """A schedule that goes over the parts we hold: compares them with what is published, applies today's rules.

    Parts that nobody fetched yet are left alone, so that a laptop with one part stays one with one part. A part whose
    bytes are still the publisher's is not fetched again.

    Args:
        dataset: the dataset's name.
        job: what is run for a part.
        parts: the dataset's partitions.
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
        # What is held of a part that was withdrawn since stays; a request for it would fail the whole tick.
        known = parts.get_partition_keys(dynamic_partitions_store=context.instance)
        held = sorted(context.instance.get_materialized_partitions(raw) & set(known))
        if not held:
            return dg.SkipReason(f"no part of {dataset} is here yet. Materialise {raw.to_user_string()} first.")
        moment = context.scheduled_execution_time.date().isoformat()
        return [
            dg.RunRequest(run_key=f"{part}:{moment}", partition_key=part, tags={DATASET_TAG: dataset}) for part in held
        ]

    return refresh
