"""The Dagster face of shards: the download of one part, and the index over all of them."""

import sys
from collections.abc import Sequence

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError

from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata.table_assets import column_lineage
from laion_assets.shards.checks import EVERY_ROW_ACCOUNTED, accounting_result
from laion_assets.shards.column_origins import shard_origins
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.selection import ROWS_SCHEMA
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.resource import WebResource

OWNERS = ["team:laion-assets"]

# A process that died and left no reason, such as for lack of memory, may fare better in a while; its shards are kept.
MAX_RETRIES = 2
FIRST_PAUSE_S = 30.0


class DownloadConfig(dg.Config):
    """What a run of ``shards`` may be told."""

    retry: bool = False
    """Also try those rows again that failed in a way that may pass, such as timed_out; into extra shards."""


def shard_assets(
    dataset: str,
    subset: SubsetSpec,
    *,
    spec: ShardsSpec,
    minimum_side_px: int,
    parts: dg.PartitionsDefinition,
    group: str,
) -> list[dg.AssetsDefinition]:
    """The assets ``<dataset>/<subset>/shards`` (per part) and ``<dataset>/<subset>/index``.

    Args:
        dataset: the dataset's name, which begins every key.
        subset: whose rows these are.
        spec: how shards are made.
        minimum_side_px: what the dataset promises; ``spec`` may ask for something else.
        parts: the dataset's partitions.
        group: the assets' group in the UI.
    """
    key = [dataset, subset.name, "shards"]
    rows_key = dg.AssetKey([dataset, subset.name, "rows"])
    carried = [name for name in (*ROWS_SCHEMA, *subset.extra_columns) if name != "score"]

    @dg.asset(
        key=key,
        partitions_def=parts,
        deps=[rows_key, dg.AssetKey([dataset, subset.name, "plan"])],
        group_name=group,
        kinds={"img2dataset", "webdataset"},
        owners=OWNERS,
        pool="web",
        code_version=f"2-{spec.digest()}-{minimum_side_px}",
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_ROW_ACCOUNTED,
                asset=dg.AssetKey(key),
                blocking=True,
                partitions_def=parts,
                description="Planned rows, outcomes in the parquet files, members of the tars and stats add up.",
            )
        ],
        description=f"Webdataset shards of one part of {subset.name}, in img2dataset's format; a row that could not be "
        "had says why. Interrupted anywhere, the next run continues with the missing shards.",
    )
    @outlasting_outages
    def shards(
        context: dg.AssetExecutionContext,
        config: DownloadConfig,
        lake: LakeResource,
        web: WebResource,
        pipes: dg.PipesSubprocessClient,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class only
        from laion_assets.shards.job import DownloadError
        from laion_assets.shards.part import download_part

        def carry_out(jobs: Sequence[str]) -> None:
            command = [sys.executable, "-m", "laion_assets.shards.session"]
            pipes.run(context=context, command=command, extras={"jobs": list(jobs)}).get_results()

        store, part = lake.open(), context.partition_key
        try:
            done = download_part(
                store,
                dataset,
                subset,
                part,
                spec=spec,
                web=web.spec(),
                minimum_side_px=minimum_side_px,
                carry_out=carry_out,
                say=context.log.info,
                retry=config.retry,
            )
        except DownloadError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        except DagsterPipesExecutionError as error:
            pause_s = FIRST_PAUSE_S * 2**context.retry_number
            context.log.warning(
                "The download of %s died without a word. Again in %.0f s, if not too often.", part, pause_s
            )
            raise dg.RetryRequested(MAX_RETRIES, pause_s) from error
        books = done.books
        return dg.MaterializeResult(
            data_version=dg.DataVersion(done.digest),
            check_results=[accounting_result(books)],
            metadata={
                "planned rows": books.planned,
                "images": books.images,
                "yield": books.images / books.planned if books.planned else 0.0,
                "shards": books.shards,
                "shards reused": done.prepared.shards_reused,
                "shards made": done.shards_made,
                "rows tried again": books.retried,
                "tar bytes": books.tar_bytes,
                "transferred bytes": books.transferred_bytes,
                "seconds": done.seconds,
                "images/s": done.images_per_s,
                "dagster/partition_row_count": books.images,
                **{f"rows {word}": count for word, count in sorted(books.outcomes.items())},
                "outcomes": _counts(books.outcomes, "outcome"),
                "dagster/column_lineage": column_lineage(rows_key, shard_origins(carried, spec)),
                "formats": _counts(books.formats, "format"),
                "path": dg.MetadataValue.path(store.uri(key, part)),
            },
        )

    @dg.asset(
        key=[dataset, subset.name, "index"],
        deps=[dg.AssetKey(key), dg.AssetKey([dataset, subset.name, "plan"])],
        group_name=group,
        kinds={"json", "markdown"},
        owners=OWNERS,
        pool="metadata",
        code_version=f"4-{subset.digest(without=frozenset({'plan', 'shards'}))}-{spec.digest()}-{minimum_side_px}",
        description=f"Shard list, wids index, manifest with checksums and dataset card of {subset.name}, over all "
        "parts whose shards are there; and how the plan compares with what came. Refused while shards of another plan "
        "are among them.",
    )
    @outlasting_outages
    def index(context: dg.AssetExecutionContext, lake: LakeResource, web: WebResource) -> dg.MaterializeResult[None]:
        import hashlib

        from laion_assets.shards.publish import publish_index
        from laion_assets.shards.reckoning import sentence, to_json
        from laion_assets.shards.standing import refuse_outdated_shards
        from laion_assets.subsets.plan import read_forecast
        from laion_assets.subsets.rows import selected_parts

        store, keeping = lake.open(), spec.keeping(minimum_side_px)
        selected = selected_parts(store, dataset, subset.name)
        refuse_outdated_shards(store, dataset, subset, selected, spec=spec, minimum_side_px=minimum_side_px)
        index, reckoned = publish_index(
            store,
            dataset,
            subset,
            selected,
            minimum_side_px=keeping.minimum_side_px,
            maximum_aspect=keeping.maximum_aspect,
            opt_out_words=web.spec().opt_out_words,
            forecast=read_forecast(store, dataset, subset.name),
        )
        context.log.info("%s shards, %s images", len(index.entries), index.images)
        for one in reckoned:
            context.log.info("%s", sentence(one))
        manifest = store.read_bytes(store.uri([dataset, subset.name, "index"], "manifest.json"))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(hashlib.sha256(manifest).hexdigest()),
            metadata={
                "parts": len(index.parts),
                "shards": len(index.entries),
                "rows": index.rows,
                "images": index.images,
                "tar bytes": index.tar_bytes,
                "dagster/row_count": index.images,
                "plan against actual": dg.MetadataValue.table([dg.TableRecord(to_json(one)) for one in reckoned]),
                **{f"{one.figure} off by": one.off_by for one in reckoned if one.off_by is not None},
                "outcomes": _counts(index.outcomes(), "outcome"),
                "path": dg.MetadataValue.path(store.uri([dataset, subset.name], "README.md")),
            },
        )

    return [shards, index]


def _counts(counts: dict[str, int], name: str) -> dg.MetadataValue:
    if not counts:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table([dg.TableRecord({name: word, "count": count}) for word, count in counts.items()])


__all__: Sequence[str] = ["DownloadConfig", "shard_assets"]
