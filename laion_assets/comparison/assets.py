"""The Dagster face of the comparison: one asset over all datasets."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata.table_assets import column_schema

ASSET = "dataset_comparison"
JOB = "compare_datasets"


def dataset_comparison(datasets: Sequence[str]) -> dg.AssetsDefinition:
    """The asset ``dataset_comparison``: every dataset that has statistics, a row each."""

    @dg.asset(
        name=ASSET,
        deps=[dg.AssetKey([dataset, "resolution_statistics"]) for dataset in datasets],
        group_name="comparison",
        kinds={"polars", "parquet"},
        owners=["team:laion-assets"],
        code_version="1",
        description="The figures of every dataset side by side: rows, sizes, reachability, captions.",
    )
    @outlasting_outages
    def comparison(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        from laion_assets.comparison.comparison import compare_datasets
        from laion_assets.statistics.document import read_statistics

        store = lake.open()
        documents = []
        for dataset in datasets:
            uri = store.uri([dataset, "resolution_statistics"], "statistics.json")
            document = read_statistics(store.read_bytes(uri)) if store.exists(uri) else None
            if document is not None:
                documents.append(document)
            else:
                context.log.info(
                    "%s: no statistics yet, or of an older version: left out until its analysis is made again", dataset
                )
        frame = compare_datasets(documents)
        uri = store.uri([ASSET], f"{ASSET}.parquet")
        store.write_parquet(uri, frame)
        return dg.MaterializeResult(
            metadata={
                "datasets": frame.height,
                "path": dg.MetadataValue.path(uri),
                "dagster/row_count": frame.height,
                "dagster/column_schema": column_schema(frame.schema),
                "comparison": dg.MetadataValue.table([dg.TableRecord(row) for row in frame.to_dicts()])
                if frame.height
                else dg.MetadataValue.text("no dataset has statistics yet"),
            }
        )

    return comparison


def comparison_job() -> UnresolvedAssetJobDefinition:
    """The job that compares all datasets."""
    return dg.define_asset_job(
        JOB, selection=dg.AssetSelection.assets(ASSET), description="The figures of every dataset side by side."
    )
