"""The published files as assets: one partition per part, byte for byte, or not at all."""

from collections.abc import Iterator, Sequence

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.sources.fetching import open_source
from laion_assets.sources.patience import DEFAULT_PATIENCE, Patience
from laion_assets.sources.progress import ProgressLog
from laion_assets.sources.published import ChecksumError, PublishedPart, Source, SourceError, suffix_of
from laion_assets.sources.spec import SourceSpec
from laion_assets.sources.transfer import sha256_of

PUBLISHED_BYTES = "published_bytes"

# Beyond the patience a fetch has by itself, for hubs that are away for minutes.
_MAX_RETRIES = 3
# A step that waits keeps a slot of its pool; beyond this, somebody had better come back another day.
_LONGEST_WAIT_S = 900.0


def raw_metadata(
    dataset: str,
    *,
    source: SourceSpec,
    parts: dg.PartitionsDefinition,
    group: str,
    patience: Patience = DEFAULT_PATIENCE,
) -> dg.AssetsDefinition:
    """The asset ``<dataset>/raw_metadata`` with its blocking check ``published_bytes``.

    Args:
        dataset: Prefix of the asset's key.
        source: Where the parts are published.
        parts: Partitions, one per part, keyed as the source's listing keys them.
        group: Asset group in the UI.
        patience: How long a fetch keeps asking before the step asks Dagster for a retry.
    """
    key = dg.AssetKey([dataset, "raw_metadata"])
    source_uri = source.uri.partition("?")[0]  # a query may be somebody's signature

    @dg.asset(
        key=key,
        partitions_def=parts,
        group_name=group,
        description=f"One metadata file of {dataset} as it is published, byte for byte, with the publisher's checksum.",
        kinds=_kinds(source_uri),
        owners=["team:laion-assets"],
        code_version="1",
        pool="metadata",
        metadata={"source": dg.MetadataValue.text(source_uri), "part_key": dg.MetadataValue.text(source.part_key)},
        check_specs=[
            dg.AssetCheckSpec(
                PUBLISHED_BYTES,
                asset=key,
                blocking=True,
                partitions_def=parts,
                description="Size and SHA-256 of the file equal what the publisher gives.",
            )
        ],
    )
    @outlasting_outages
    def raw(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        try:
            published = open_source(source, patience=patience)
            part = published.find_part(context.partition_key)
            yield _bring(context, published, part, lake.open(), key.path)
        except ChecksumError as error:
            # The check shows in the UI which part it was; the failure keeps the part from becoming an asset.
            yield dg.AssetCheckResult(
                check_name=PUBLISHED_BYTES, asset_key=key, passed=False, metadata={"finding": str(error)}
            )
            raise dg.Failure(str(error), allow_retries=False) from error
        except SourceError as error:
            asked_s = error.retry_after_s or 0.0
            if not error.retryable or asked_s > _LONGEST_WAIT_S:
                raise dg.Failure(str(error), allow_retries=False) from error
            context.log.warning("%s Dagster tries again, %d times at most.", error, _MAX_RETRIES)
            raise dg.RetryRequested(_MAX_RETRIES, max(patience.longest_pause_s, asked_s)) from error

    return raw


def _bring(
    context: dg.AssetExecutionContext, published: Source, part: PublishedPart, lake: Lake, asset: Sequence[str]
) -> dg.MaterializeResult[None]:
    uri = lake.uri(asset, part.file_name)
    held_sha256 = _held(context, part, lake, uri)
    if held_sha256 is None:
        log = ProgressLog(part.uri, context.log.info)
        with lake.publish_resumable(uri) as path:
            fetched = published.fetch(part, path, on_progress=log.saw)
        sha256, size_bytes, seconds = fetched.sha256, fetched.size_bytes, fetched.seconds
        resumed_from_bytes = fetched.resumed_from_bytes
        received_bytes = size_bytes - resumed_from_bytes
    else:
        context.log.info("%s already holds what is published: not fetched again.", uri)
        sha256, size_bytes, seconds = held_sha256, lake.size_bytes(uri), 0.0
        resumed_from_bytes = received_bytes = 0
    for name in lake.list_names(asset):
        if name != part.file_name and name == part.key + suffix_of(name):
            lake.delete(lake.uri(asset, name))  # the publisher changed the format of the file
    return dg.MaterializeResult(
        data_version=dg.DataVersion(sha256),
        metadata={
            "dagster/uri": uri,
            "published_uri": part.uri,
            "revision": part.revision or "",
            "etag": part.etag or "",
            "sha256": sha256,
            "bytes": size_bytes,
            "received_bytes": received_bytes,
            "resumed_from_bytes": resumed_from_bytes,
            "seconds": round(seconds, 3),
            "megabytes_per_second": round(received_bytes / 1e6 / seconds, 2) if seconds else 0.0,
            "reused": held_sha256 is not None,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=PUBLISHED_BYTES,
                passed=part.size_bytes in (None, size_bytes) and part.sha256 in (None, sha256),
                metadata={
                    "bytes": size_bytes,
                    "published_bytes": "not published" if part.size_bytes is None else part.size_bytes,
                    "sha256": sha256,
                    "published_sha256": part.sha256 or "not published",
                },
                description=_what_was_compared(part),
            )
        ],
    )


def _held(context: dg.AssetExecutionContext, part: PublishedPart, lake: Lake, uri: str) -> str | None:
    """The checksum of the lake's copy, if it is what is published now."""
    if not lake.exists(uri) or part.size_bytes not in (None, lake.size_bytes(uri)):
        return None
    wanted = part.sha256 or _recorded_sha256(context, part)
    if wanted is None:
        return None
    with lake.local_file(uri) as path:
        return wanted if sha256_of(path) == wanted else None


def _recorded_sha256(context: dg.AssetExecutionContext, part: PublishedPart) -> str | None:
    """For sources without checksums: that of the last materialisation, if the source's mark is still the same."""
    if not part.etag:
        return None
    wanted = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=[part.key])
    for record in context.instance.fetch_materializations(wanted, limit=1).records:
        if record.asset_materialization is not None:
            recorded = {name: value.value for name, value in record.asset_materialization.metadata.items()}
            if recorded.get("etag") == part.etag and recorded.get("published_uri") == part.uri:
                return str(recorded.get("sha256"))
    return None


def _what_was_compared(part: PublishedPart) -> str:
    if part.sha256 is not None:
        return "The SHA-256 of what the lake holds is the publisher's."
    if part.size_bytes is not None:
        return "The publisher gives no SHA-256; the size of what the lake holds is the publisher's."
    return "The publisher gives neither size nor SHA-256; the transfer was complete."


def _kinds(source_uri: str) -> set[str]:
    scheme = source_uri.split("://", 1)[0] if "://" in source_uri else ""
    kinds = {kind for kind in ({"hf": "huggingface", "s3": "s3"}.get(scheme),) if kind}
    suffix = suffix_of(source_uri).removeprefix(".").split(".")[0]
    return kinds | ({suffix} if suffix in ("parquet", "csv", "tsv", "jsonl") else set())
