"""The Dagster face of shards: the download of one part, and the index over all of them."""

import sys
from collections.abc import Sequence

import dagster as dg

from laion_assets.lake.resource import LakeResource
from laion_assets.shards.checks import EVERY_ROW_ACCOUNTED
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.resource import WebResource

OWNERS = ["team:laion-assets"]


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

    @dg.asset(
        key=key,
        partitions_def=parts,
        deps=[dg.AssetKey([dataset, subset.name, "rows"]), dg.AssetKey([dataset, subset.name, "plan"])],
        group_name=group,
        kinds={"img2dataset", "webdataset"},
        owners=OWNERS,
        pool="download",
        code_version=f"1-{spec.digest()}-{minimum_side_px}",
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
    def shards(
        context: dg.AssetExecutionContext,
        config: DownloadConfig,
        lake: LakeResource,
        web: WebResource,
        pipes: dg.PipesSubprocessClient,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows the bare class only
        import hashlib
        import time

        from laion_assets.lake import scratch
        from laion_assets.shards.accounting import account
        from laion_assets.shards.checks import accounting_result
        from laion_assets.shards.layout import read_shards
        from laion_assets.shards.prepare import prepare
        from laion_assets.shards.progress import read_failures
        from laion_assets.subsets.plan import planned_rows, read_forecast, room_for

        store, part = lake.open(), context.partition_key
        planned = planned_rows(store, dataset, subset.name, part)
        room = room_for(store, dataset, subset, read_forecast(store, dataset, subset.name))
        if not room.fits:
            raise dg.Failure(f"{part}: {room.sentence} Free some space or cap the subset, then plan again.")
        folder = scratch.temporary_folder()
        scratch.sweep(folder)
        with scratch.private(folder) as own:
            prepared = prepare(
                store,
                key,
                part,
                planned,
                spec=spec,
                web=web.spec(),
                minimum_side_px=minimum_side_px,
                scratch=own,
                retry=config.retry,
            )
            context.log.info(
                "%s planned rows, %s shards there, %s of another plan removed, %s to write",
                planned.height,
                prepared.shards_reused,
                prepared.shards_removed,
                sum(len(job.missing) for job in prepared.jobs),
            )
            began = time.monotonic()
            if prepared.jobs:
                try:
                    pipes.run(
                        context=context,
                        command=[sys.executable, "-m", "laion_assets.shards.session"],
                        extras={"jobs": [job.to_json() for job in prepared.jobs]},
                    ).get_results()
                except Exception as error:
                    failures = [why for job in prepared.jobs for why in read_failures(job.folder).values()]
                    if failures:
                        raise dg.Failure(f"{part}: {failures[0]}. Run again: finished shards stay.") from error
                    raise

        books = account(store, key, part, planned)
        seconds = time.monotonic() - began
        there = read_shards(store, key, part)
        made = [there[shard] for job in prepared.jobs for shard in job.missing if shard in there]
        digests = [stats.tar_sha256 + stats.parquet_sha256 for stats in there.values()]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(hashlib.sha256("".join(digests).encode()).hexdigest()),
            check_results=[accounting_result(books)],
            metadata={
                "planned rows": books.planned,
                "images": books.images,
                "yield": books.images / books.planned if books.planned else 0.0,
                "shards": books.shards,
                "shards reused": prepared.shards_reused,
                "rows tried again": books.retried,
                "tar bytes": books.tar_bytes,
                "transferred bytes": books.transferred_bytes,
                "shards made": len(made),
                "seconds": seconds,
                "images/s": sum(stats.successes for stats in made) / seconds if made else 0.0,
                "dagster/partition_row_count": books.images,
                **{f"rows {word}": count for word, count in sorted(books.outcomes.items())},
                "outcomes": _counts(books.outcomes, "outcome"),
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
        code_version=f"1-{subset.digest(without=frozenset({'plan', 'shards'}))}",
        description=f"Shard list, wids index, manifest with checksums and dataset card of {subset.name}, over all "
        "parts whose shards are there; and how the plan compares with what came.",
    )
    def index(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        import hashlib

        from laion_assets.shards.publish import publish_index
        from laion_assets.subsets.plan import read_forecast, selected_parts

        store = lake.open()
        required = minimum_side_px if spec.minimum_side_px is None else spec.minimum_side_px
        index = publish_index(
            store, dataset, subset, selected_parts(store, dataset, subset.name), minimum_side_px=required
        )
        forecast = read_forecast(store, dataset, subset.name)
        context.log.info("%s shards, %s images", len(index.entries), index.images)
        manifest = store.read_bytes(store.uri([dataset, subset.name, "index"], "manifest.json"))
        scale = index.rows / forecast.rows if forecast.rows else 0.0
        compared = [
            ("images", forecast.images.times(scale), float(index.images)),
            ("bytes to transfer", forecast.bytes_to_transfer.times(scale), float(index.transferred_bytes)),
            ("bytes to store", forecast.bytes_to_store.times(scale), float(index.tar_bytes)),
        ]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(hashlib.sha256(manifest).hexdigest()),
            metadata={
                "parts": len(index.parts),
                "shards": len(index.entries),
                "rows": index.rows,
                "images": index.images,
                "tar bytes": index.tar_bytes,
                "dagster/row_count": index.images,
                "plan against actual": dg.MetadataValue.table(
                    [
                        dg.TableRecord(
                            {
                                "figure": name,
                                "planned": plan.estimate,
                                "low": plan.low,
                                "high": plan.high if plan.high < float("inf") else None,
                                "actual": actual,
                                "off by": actual / plan.estimate - 1 if plan.estimate else None,
                                "inside": plan.holds(actual),
                            }
                        )
                        for name, plan, actual in compared
                    ]
                ),
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
