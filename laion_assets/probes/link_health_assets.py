"""The Dagster face of ``link_health``: the panel's week, and whether its links have collapsed."""

import datetime as dt

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata.table_assets import column_lineage, column_schema
from laion_assets.probes.column_origins import PROBE_ORIGINS
from laion_assets.probes.describe import COLUMN_MEANINGS
from laion_assets.probes.health import diagnose
from laion_assets.probes.panel import PanelSpec, PanelVerdict, PanelWeek, judge_week, read_week
from laion_assets.probes.sample import SAMPLE_SCHEMA
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.probes.spec import ProbeSpec
from laion_assets.web.resource import WebResource

CHECK = "links_have_not_collapsed"
_NEWEST_WEEK_LASTS = dt.timedelta(days=14)


def link_health(
    dataset: str, *, panel: PanelSpec, probe: ProbeSpec, sample_seed: int, group: str
) -> dg.AssetsDefinition:
    """The asset ``<dataset>/link_health``: the panel probed again, a partition per week.

    Args:
        dataset: prefix of the asset's key.
        panel: which rows, and from which week on.
        probe: how an image is asked.
        sample_seed: seed of the sample the panel is the beginning of.
        group: asset group.
    """
    key = dg.AssetKey([dataset, "link_health"])
    sample = dg.AssetKey([dataset, "dimension_sample"])
    weeks = panel_weeks(panel)

    @dg.asset(
        key=key,
        partitions_def=weeks,
        deps=[sample],
        description=f"The first {panel.rows:,} sampled rows, probed again every week: how many links are still alive.",
        group_name=group,
        kinds={"polars", "parquet"},
        owners=["team:laion-assets"],
        code_version="1",
        pool="web",
        metadata={"dagster/column_schema": column_schema({**SAMPLE_SCHEMA, **PROBE_SCHEMA}, COLUMN_MEANINGS)},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                partitions_def=weeks,
                description=f"Links could be asked, and not more than {panel.collapse:.0%} of them vanished since the "
                "last week in which they could.",
            )
        ],
    )
    @outlasting_outages
    def week_of_links(context: dg.AssetExecutionContext, lake: LakeResource, web: WebResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class only
        from laion_assets.probes.probe import probe_panel
        from laion_assets.probes.store import ProbeStore

        week = context.partition_key
        if dt.datetime.now(dt.timezone.utc) - context.partition_time_window.start > _NEWEST_WEEK_LASTS:
            raise dg.Failure(
                f"{key.to_user_string()}: the week of {week} is over and its links cannot be asked any more. "
                "Materialise the newest week.",
                allow_retries=False,
            )
        store = lake.open()
        kept = ProbeStore(store, [dataset, "dimension_probes"])
        rows = store.scan_parquet(store.uri(sample.path, "dimension_sample.parquet")).collect()
        run = probe_panel(
            rows,
            rows=panel.rows,
            seed=sample_seed,
            web=web.spec(),
            spec=probe,
            store=kept,
            on_progress=lambda progress: context.log.info("%s", progress),
        )
        health = diagnose(run.frame)
        if not health.is_healthy:
            kept.forget(health.doubtful_urls(run.frame))
        uri = store.uri(key.path, f"{week}.parquet")
        store.write_parquet(uri, run.frame)
        now = read_week(run.frame, week=week)
        verdict = judge_week(now, _week_before(store, key, week), collapse=panel.collapse)
        if now.asked and not health.is_healthy:
            verdict = PanelVerdict(passed=False, sentence=str(health))
        return dg.MaterializeResult(
            metadata={
                **_alive(now),
                "asked": now.asked,
                "not_asked": now.not_asked,
                "seconds": run.seconds,
                "dagster/partition_row_count": run.frame.height,
                "dagster/column_lineage": column_lineage(sample, PROBE_ORIGINS),
                "dagster/uri": uri,
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=CHECK,
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=verdict.sentence,
                )
            ],
        )

    return week_of_links


def panel_weeks(panel: PanelSpec) -> dg.WeeklyPartitionsDefinition:
    """The weeks of a panel, Monday to Monday, each named by its first day."""
    return dg.WeeklyPartitionsDefinition(start_date=panel.since.isoformat(), day_offset=1)


def _alive(now: PanelWeek) -> dict[str, float]:
    """Figures to plot; none where nothing could be asked, since a plot cannot show NaN."""
    if not now.asked:
        return {}
    return {
        "alive_share": now.alive.estimate,
        "alive_share_low": now.alive.low,
        "alive_share_high": now.alive.high,
    }


def _week_before(store: Lake, key: dg.AssetKey, week: str) -> PanelWeek | None:
    """The last earlier week in which links could be asked."""
    earlier = (name.removesuffix(".parquet") for name in store.list_names(key.path, ".parquet"))
    for monday in sorted((one for one in earlier if one < week), reverse=True):
        probes = store.scan_parquet(store.uri(key.path, f"{monday}.parquet")).collect()
        if (found := read_week(probes, week=monday)).asked:
            return found
    return None
