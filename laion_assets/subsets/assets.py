"""The Dagster face of a subset: its rows per part, and the plan over all parts."""

import dagster as dg

from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata.table_assets import column_lineage, column_schema
from laion_assets.subsets.checks import room_check_specs, room_checks
from laion_assets.subsets.column_origins import rows_origins
from laion_assets.subsets.columns import EXTRA_DTYPES
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.selection import ROWS_SCHEMA, Funnel, version_of_rows
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.resource import WebResource

OWNERS = ["team:laion-assets"]
_MEANINGS = {"score": "rank under a cap, lower is better"}


def subset_assets(
    dataset: str,
    subset: SubsetSpec,
    *,
    keeping: Keeping,
    expected_parts: int | None,
    parts: dg.PartitionsDefinition,
    group: str,
) -> list[dg.AssetsDefinition]:
    """The assets ``<dataset>/<subset>/rows`` (per part) and ``<dataset>/<subset>/plan``.

    Args:
        dataset: the dataset's name, which begins every key.
        subset: which rows are wanted.
        keeping: what the download keeps of what it gets, and in which shape.
        expected_parts: parts of the complete dataset, for a cap while some are missing; None if nobody knows.
        parts: the dataset's partitions.
        group: the assets' group in the UI.
    """
    valid_key = dg.AssetKey([dataset, "validated_metadata"])
    rows_key = dg.AssetKey([dataset, subset.name, "rows"])
    schema = {**ROWS_SCHEMA, **{name: EXTRA_DTYPES[kind] for name, kind in subset.extra_columns.items()}}

    @dg.asset(
        key=rows_key,
        partitions_def=parts,
        deps=[valid_key],
        group_name=group,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        pool="metadata",
        code_version=version_of_rows(subset),
        metadata={"dagster/column_schema": column_schema(schema, _MEANINGS)},
        description=f"Rows of one part that belong to {subset.name}, and how many each condition removed. "
        + subset.description,
    )
    @outlasting_outages
    def rows(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        from laion_assets.subsets.rows import write_rows
        from laion_assets.subsets.selection import select

        store, part = lake.open(), context.partition_key
        valid = store.scan_parquet(store.uri(valid_key.path, f"{part}.parquet"))
        selection = select(valid, subset, part=part)
        written = write_rows(store, dataset, subset.name, part, selection)
        funnel = selection.funnel
        return dg.MaterializeResult(
            data_version=dg.DataVersion(written.sha256),
            metadata={
                "rows_in": funnel.rows_in,
                "rows": funnel.rows_left,
                "share": funnel.rows_left / funnel.rows_in if funnel.rows_in else 0.0,
                "bytes": written.size_bytes,
                "dagster/partition_row_count": funnel.rows_left,
                **_funnel_figures(funnel),
                "funnel": _funnel_table(funnel),
                "path": dg.MetadataValue.path(store.uri(rows_key.path, f"{part}.parquet")),
                "dagster/column_lineage": column_lineage(valid_key, rows_origins(subset)),
            },
        )

    @dg.asset(
        key=[dataset, subset.name, "plan"],
        deps=[rows_key, dg.AssetKey([dataset, "dimension_probes"])],
        group_name=group,
        kinds={"polars", "json"},
        owners=OWNERS,
        pool="metadata",
        code_version=f"4-{subset.digest(without=frozenset({'shards'}))}-{keeping.digest()}",
        check_specs=room_check_specs(dg.AssetKey([dataset, subset.name, "plan"])),
        description=f"What downloading {subset.name} will bring and cost, before anything is downloaded: rows exactly; "
        "reachable share, images, bytes and hours with intervals, from the probes that fall into the subset.",
    )
    @outlasting_outages
    def plan(context: dg.AssetExecutionContext, lake: LakeResource, web: WebResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class only
        import hashlib
        import json

        from laion_assets.subsets.forecast import HostLimits
        from laion_assets.subsets.plan import make_plan
        from laion_assets.subsets.rows import funnel_to_json

        store, asked = lake.open(), web.spec()
        limits = HostLimits(
            asked.host_requests_per_s,
            asked.per_host,
            asked.deadline_s,
            domain_requests_per_s=asked.domain_requests_per_s,
            domain_at_once=asked.per_domain,
        )
        made = make_plan(
            store,
            dataset,
            subset,
            keeping=keeping,
            limits=limits,
            expected_parts=expected_parts,
        )
        forecast, cut = made.forecast, made.cut
        if not forecast.probes_suffice:
            context.log.warning(
                "only %s probes fall into %s, fewer than %s: the intervals are wide. Probe a larger sample first.",
                forecast.probes,
                subset.name,
                subset.plan.least_probes,
            )
        content = json.dumps([cut.to_json(), forecast.to_json(), funnel_to_json(made.funnel)], sort_keys=True)
        intervals = {
            "reachable share": forecast.reachable_share,
            "kept share": forecast.kept_share,
            "images": forecast.images,
            "bytes to transfer": forecast.bytes_to_transfer,
            "bytes to store": forecast.bytes_to_store,
            "hours": forecast.hours,
        }
        return dg.MaterializeResult(
            data_version=dg.DataVersion(hashlib.sha256(content.encode()).hexdigest()),
            check_results=room_checks(store, dataset, subset, forecast, keeping, web=asked),
            metadata={
                "parts": len(cut.parts),
                "rows": forecast.rows,
                "rows repeated in another part": cut.repeated,
                "rows over the cap": cut.selected - cut.repeated - cut.planned,
                "probes": forecast.probes,
                "probes suffice": forecast.probes_suffice,
                **{name: interval.estimate for name, interval in intervals.items()},
                "prediction": dg.MetadataValue.table(
                    [
                        dg.TableRecord(
                            {
                                "figure": name,
                                "estimate": one.estimate,
                                "low": one.low,
                                "high": one.high,
                            }
                        )
                        for name, one in intervals.items()
                    ]
                ),
                "hours by bandwidth": forecast.hours_by_bandwidth.estimate,
                "hours by machine": forecast.hours_by_machine.estimate,
                "hours by busiest host": forecast.hours_by_busiest_host.estimate,
                "hours by busiest domain": forecast.hours_by_busiest_domain.estimate,
                "hours of waiting": forecast.hours_of_waiting.estimate,
                "busiest host": dg.MetadataValue.text(forecast.busiest_host),
                "busiest host share": forecast.busiest_host_share,
                "busiest domain": dg.MetadataValue.text(forecast.busiest_domain),
                "busiest domain share": forecast.busiest_domain_share,
                **_funnel_figures(made.funnel),
                "funnel": _funnel_table(made.funnel),
                "path": dg.MetadataValue.path(store.uri([dataset, subset.name, "plan"], "plan.json")),
            },
        )

    return [rows, plan]


def _funnel_figures(funnel: Funnel) -> dict[str, int]:
    """One figure per step and question, because Dagster plots figures and not tables."""
    return {
        name: count
        for step in funnel.steps
        for name, count in (
            (f"removed by {step.name}", step.removed),
            (f"removed by {step.name} alone", step.removed_alone),
            (f"left after {step.name}", step.left),
        )
    }


def _funnel_table(funnel: Funnel) -> dg.MetadataValue:
    if not funnel.steps:
        return dg.MetadataValue.text("every valid row belongs to the subset")
    return dg.MetadataValue.table([dg.TableRecord(vars(step)) for step in funnel.steps])
