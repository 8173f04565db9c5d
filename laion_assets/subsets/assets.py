"""The Dagster face of a subset: its rows per part, and the plan over all parts."""

from collections.abc import Mapping

import dagster as dg

from laion_assets.lake.resource import LakeResource
from laion_assets.subsets.checks import FITS_THE_DISK, fits_the_disk
from laion_assets.subsets.columns import EXTRA_DTYPES
from laion_assets.subsets.keeping import Keeping
from laion_assets.subsets.selection import ROWS_SCHEMA, Funnel
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.resource import WebResource

OWNERS = ["team:laion-assets"]


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
    rows_key = dg.AssetKey([dataset, subset.name, "rows"])
    schema = {**ROWS_SCHEMA, **{name: EXTRA_DTYPES[kind] for name, kind in subset.extra_columns.items()}}

    @dg.asset(
        key=rows_key,
        partitions_def=parts,
        deps=[dg.AssetKey([dataset, "validated_metadata"])],
        group_name=group,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        pool="metadata",
        code_version=f"2-{subset.digest(without=frozenset({'plan', 'shards'}))}",
        description=f"Rows of one part that belong to {subset.name}, and how many each condition removed. "
        + subset.description,
    )
    def rows(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        import hashlib

        from laion_assets.subsets.plan import write_rows
        from laion_assets.subsets.selection import select

        store, part = lake.open(), context.partition_key
        valid = store.scan_parquet(store.uri([dataset, "validated_metadata"], f"{part}.parquet"))
        selection = select(valid, subset, part=part)
        size = write_rows(store, dataset, subset, part, selection.rows, selection.funnel)
        uri = store.uri(rows_key.path, f"{part}.parquet")
        version = hashlib.sha256(store.read_bytes(uri)).hexdigest()
        funnel = selection.funnel
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version),
            metadata={
                "rows_in": funnel.rows_in,
                "rows": funnel.rows_left,
                "share": funnel.rows_left / funnel.rows_in if funnel.rows_in else 0.0,
                "bytes": size,
                "dagster/partition_row_count": funnel.rows_left,
                **_funnel_figures(funnel),
                "funnel": _funnel_table(funnel),
                "path": dg.MetadataValue.path(uri),
                "dagster/column_schema": _table_schema(schema),
            },
        )

    @dg.asset(
        key=[dataset, subset.name, "plan"],
        deps=[rows_key, dg.AssetKey([dataset, "dimension_probes"])],
        group_name=group,
        kinds={"polars", "json"},
        owners=OWNERS,
        pool="metadata",
        code_version=f"3-{subset.digest(without=frozenset({'shards'}))}-{keeping.digest()}",
        check_specs=[
            dg.AssetCheckSpec(
                FITS_THE_DISK,
                asset=dg.AssetKey([dataset, subset.name, "plan"]),
                blocking=True,
                description="What is still to be stored, at the high end of its interval, fits the free disk.",
            )
        ],
        description=f"What downloading {subset.name} will bring and cost, before anything is downloaded: rows exactly; "
        "reachable share, images, bytes and hours with intervals, from the probes that fall into the subset.",
    )
    def plan(context: dg.AssetExecutionContext, lake: LakeResource, web: WebResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class only
        import hashlib
        import json

        from laion_assets.subsets.forecast import HostLimits
        from laion_assets.subsets.plan import funnel_to_json, make_plan

        store, asked = lake.open(), web.spec()
        limits = HostLimits(asked.host_requests_per_s, asked.per_host, asked.deadline_s)
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
            check_results=[fits_the_disk(store, dataset, subset, forecast)],
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
                "hours of waiting": forecast.hours_of_waiting.estimate,
                "busiest host": dg.MetadataValue.text(forecast.busiest_host),
                "busiest host share": forecast.busiest_host_share,
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


def _table_schema(schema: Mapping[str, object]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in schema.items()])
