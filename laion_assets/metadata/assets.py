"""The Dagster assets of the room: raw part in; validated rows, quarantine and profile out, in one pass."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.parquet import write_parquet
from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata import part_files
from laion_assets.metadata.acceptance import CONTRACT, accepted_parts, await_verdict
from laion_assets.metadata.column_origins import quarantined_origins, taken_over, validated_origins
from laion_assets.metadata.contract_docs import FOLDER
from laion_assets.metadata.duplicates import DUPLICATES_SCHEMA, find_duplicates
from laion_assets.metadata.errors import MetadataError
from laion_assets.metadata.part_files import WrittenFile
from laion_assets.metadata.profile import PROFILE_SCHEMA
from laion_assets.metadata.reading import is_file_of_part, open_published
from laion_assets.metadata.rulebook import Rulebook, rulebook
from laion_assets.metadata.schema import VALIDATED_SCHEMA
from laion_assets.metadata.sketch import SKETCHES, Sketch
from laion_assets.metadata.spec import ColumnsSpec, ExpectationsSpec, RulesSpec
from laion_assets.metadata.table_assets import column_lineage, column_schema
from laion_assets.metadata.validation import validate
from laion_assets.sources.published import suffix_of

_VERSION = "2"
_OWNERS = ["team:laion-assets"]
_MEANINGS = {"reasons": "names of the rules for which the row was left out"}
_QUARANTINE_SCHEMA = {"part": pl.String(), "row": pl.UInt32(), "reasons": pl.List(pl.String())}


def metadata_assets(
    dataset: str,
    *,
    columns: ColumnsSpec,
    expectations: ExpectationsSpec,
    rules: RulesSpec,
    sample_seed: int,
    parts: dg.PartitionsDefinition,
    group: str,
) -> list[dg.AssetsDefinition]:
    """``validated_metadata``, ``quarantined_metadata`` and ``metadata_profile`` of a dataset.

    Args:
        dataset: First segment of the asset keys.
        columns: Further published names per canonical column.
        expectations: What the publisher promises.
        rules: How the dataset's rules differ from the built-in ones.
        sample_seed: Of the sample that is drawn from the parts later; what it will need is kept apart.
        parts: One partition per published file.
        group: Asset group in the UI.
    """
    book = rulebook(rules, expectations)
    raw_key = dg.AssetKey([dataset, "raw_metadata"])
    valid_key = dg.AssetKey([dataset, "validated_metadata"])
    quarantine_key = dg.AssetKey([dataset, "quarantined_metadata"])
    profile_key = dg.AssetKey([dataset, "metadata_profile"])

    def spec(key: dg.AssetKey, description: str, schema: Mapping[str, pl.DataType]) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            deps=[raw_key],
            description=description,
            group_name=group,
            kinds={"polars", "parquet"},
            owners=_OWNERS,
            code_version=f"{_VERSION}-{_digest(book, columns)}",
            metadata={"dagster/column_schema": column_schema(schema, _MEANINGS)},
        )

    @dg.multi_asset(
        name=f"{dataset}__validate",
        specs=[
            spec(
                quarantine_key,
                "Rows that cannot be used, as published, with the reasons.",
                _QUARANTINE_SCHEMA,
            ),
            spec(
                profile_key,
                "One row of figures per part: counts per rule, nulls, sizes, languages, hosts.",
                PROFILE_SCHEMA,
            ),
            spec(
                valid_key,
                "Usable rows under canonical names and types, with a flag for everything suspicious.",
                VALIDATED_SCHEMA,
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "row_accounting",
                asset=valid_key,
                description="Rows read = rows valid + rows quarantined, counted again in the files written.",
                blocking=True,
                partitions_def=parts,
            )
        ],
        partitions_def=parts,
        pool="metadata",
    )
    @outlasting_outages
    def validated(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[None]]:
        store, part, started = lake.open(), context.partition_key, time.monotonic()
        folders = (quarantine_key.path, profile_key.path, [dataset, SKETCHES], valid_key.path)
        uris = [store.uri(folder, f"{part}.parquet") for folder in folders]
        sketch = Sketch(part, seed=sample_seed)
        try:
            raw_uri = published_uri(store, dataset, part)
            with (
                store.local_file(raw_uri) as raw,
                store.publish_many(uris) as (quarantine_path, profile_path, sketch_path, valid_path),
            ):
                with open_published(
                    raw, part=part, file=raw_uri.rsplit("/", 1)[-1], columns=columns, scratch=valid_path.parent
                ) as table:
                    profile = validate(
                        table, book, valid_path=valid_path, quarantine_path=quarantine_path, sketch=sketch
                    )
                    mapped = table.mapped
                write_parquet(profile, profile_path)
                sketch.write(sketch_path, valid=valid_path)
                written = [part_files.describe(path) for path in (quarantine_path, profile_path, valid_path)]
                if dg.AssetCheckKey(valid_key, CONTRACT) in context.job_def.asset_layer.asset_graph.asset_check_keys:
                    await_verdict(store, dataset, part)
        except MetadataError as error:
            # The sentence says it all: the stack of a damaged file leads nowhere.
            raise dg.Failure(description=str(error), allow_retries=False) from None
        seconds = time.monotonic() - started
        figures = profile.row(0, named=True)
        quarantine_file, profile_file, valid_file = written
        context.log.info(
            "%s: %s rows in %.1f s, %s quarantined, %s flagged",
            part,
            f"{figures['rows_in']:,}",
            seconds,
            f"{figures['rows_quarantined']:,}",
            f"{figures['rows_flagged']:,}",
        )
        yield dg.MaterializeResult(
            asset_key=quarantine_key,
            metadata={
                "dagster/partition_row_count": figures["rows_quarantined"],
                "share_quarantined": figures["rows_quarantined"] / figures["rows_in"],
                "reasons": _rule_table(figures, book, "quarantine"),
                "dagster/column_lineage": column_lineage(raw_key, quarantined_origins(mapped, book)),
                **_file_metadata(uris[0], quarantine_file),
            },
            data_version=dg.DataVersion(quarantine_file.digest),
        )
        yield dg.MaterializeResult(
            asset_key=profile_key,
            metadata={
                "dagster/partition_row_count": 1,
                "rows_in": figures["rows_in"],
                "distinct_url_share": figures["distinct_url_share"] or 0.0,
                "median_short_side_px": (figures["short_side"] or {}).get("p50") or 0.0,
                "rules_not_applicable": ", ".join(figures["rules_not_applicable"]) or "none",
                "buckets": _counts_table(figures["bucket_counts"], figures["rows_valid"]),
                "languages": _counts_table(figures["language_counts"][:20], figures["rows_valid"]),
                "hosts": _counts_table(figures["host_counts"][:20], figures["rows_valid"]),
                "nulls": _counts_table(figures["null_counts"], figures["rows_valid"]),
                "nulls_by_language": _nulls_table(figures),
                **_file_metadata(uris[1], profile_file),
            },
            data_version=dg.DataVersion(profile_file.digest),
        )
        yield dg.MaterializeResult(
            asset_key=valid_key,
            metadata={
                "dagster/partition_row_count": figures["rows_valid"],
                "rows_in": figures["rows_in"],
                "share_flagged": figures["rows_flagged"] / max(figures["rows_valid"], 1),
                "seconds": seconds,
                "rows_per_second": figures["rows_in"] / seconds,
                "flags": _rule_table(figures, book, "flag"),
                "columns": _columns_table(mapped.canonical),
                "dagster/column_lineage": column_lineage(raw_key, validated_origins(mapped, book)),
                "data_docs": lake.link(store.uri(profile_key.path, f"{FOLDER}/{part}.html")),
                **_file_metadata(uris[3], valid_file),
            },
            data_version=dg.DataVersion(valid_file.digest),
            check_results=[_row_accounting(figures, valid_file.rows, quarantine_file.rows)],
        )

    return [validated]


def duplicate_assets(dataset: str, *, group: str) -> list[dg.AssetsDefinition]:
    """``duplicate_urls`` of a dataset: rows whose URL occurs in several materialised parts.

    Args:
        dataset: First segment of the asset keys.
        group: Asset group in the UI.
    """
    valid_key = dg.AssetKey([dataset, "validated_metadata"])
    key = dg.AssetKey([dataset, "duplicate_urls"])

    @dg.asset(
        key=key,
        deps=[valid_key],
        description="Rows whose URL, or URL and caption, occurs in several parts, with the row to keep for each.",
        group_name=group,
        kinds={"polars", "parquet"},
        owners=_OWNERS,
        code_version=_VERSION,
        metadata={"dagster/column_schema": column_schema(DUPLICATES_SCHEMA)},
        pool="metadata",
    )
    @outlasting_outages
    def duplicate_urls(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        store, started = lake.open(), time.monotonic()
        accepted = accepted_parts(store, dataset)
        if not accepted:
            raise dg.Failure(
                f"no part of {valid_key.to_user_string()} is in the lake. Materialise one first.", allow_retries=False
            )
        sources = {part: partial(store.scan_parquet, store.uri(valid_key.path, f"{part}.parquet")) for part in accepted}
        uri = store.uri(key.path, "duplicate_urls.parquet")
        with store.publish(uri) as path:
            counts = find_duplicates(sources, path, on_part=partial(context.log.info, "%s: hashed"))
            written = part_files.describe(path)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": counts.url_rows,
                **asdict(counts),
                "extra_url_rows": counts.extra_url_rows,
                "extra_pair_rows": counts.extra_pair_rows,
                "share_of_rows_to_drop": counts.extra_url_rows / max(counts.rows, 1),
                "seconds": time.monotonic() - started,
                "dagster/column_lineage": column_lineage(
                    valid_key, taken_over(name for name in DUPLICATES_SCHEMA if name in VALIDATED_SCHEMA)
                ),
                **_file_metadata(uri, written),
            },
            data_version=dg.DataVersion(written.digest),
        )

    return [duplicate_urls]


def published_uri(lake: Lake, dataset: str, part: str) -> str:
    """Where the published file of a part lies in the lake.

    Raises:
        MetadataError: It is not there, or of a kind that we do not read.
    """
    names = [name for name in lake.list_names([dataset, "raw_metadata"]) if name == part + suffix_of(name)]
    for name in names:
        if is_file_of_part(name, part):
            return lake.uri([dataset, "raw_metadata"], name)
    if names:
        raise MetadataError(
            f"{names[0]} ({part}): a file with this ending is not read. Publish it as .parquet, .csv, .tsv, .txt, "
            ".jsonl or .ndjson, text also compressed as .gz or .zst, or narrow the glob of the source."
        )
    raise MetadataError(f"{dataset}/raw_metadata of {part} is not in the lake. Materialise it first.")


def _file_metadata(uri: str, written: WrittenFile) -> dict[str, dg.MetadataValue]:
    return {"uri": dg.MetadataValue.path(uri), "size_bytes": dg.MetadataValue.int(written.size_bytes)}


def _row_accounting(figures: dict[str, Any], rows_valid: int, rows_quarantined: int) -> dg.AssetCheckResult:
    rows_in = figures["rows_in"]
    unaccounted = rows_in - rows_valid - rows_quarantined
    return dg.AssetCheckResult(
        check_name="row_accounting",
        passed=unaccounted == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"of {rows_in:,} rows read {rows_valid:,} are valid and {rows_quarantined:,} quarantined",
        metadata={
            "rows_in": rows_in,
            "rows_valid": rows_valid,
            "rows_quarantined": rows_quarantined,
            "rows_unaccounted": unaccounted,
        },
    )


def _rule_table(figures: dict[str, Any], book: Rulebook, severity: str) -> dg.MetadataValue:
    reasons = {rule.name: rule.reason for rule in book.of_severity(severity)}
    if severity == "quarantine":
        reasons["not_castable"] = "a value has no lossless canonical form"
    records = [
        dg.TableRecord({"rule": one["rule"], "rows": one["count"], "reason": reasons[one["rule"]]})
        for one in sorted(figures["rule_counts"], key=lambda one: -int(one["count"]))
        if one["rule"] in reasons
    ]
    schema = dg.TableSchema([dg.TableColumn("rule"), dg.TableColumn("rows", "int"), dg.TableColumn("reason")])
    return dg.MetadataValue.table(records, schema)


def _columns_table(published_as: Mapping[str, str]) -> dg.MetadataValue:
    records = [dg.TableRecord({"column": name, "published as": found}) for name, found in published_as.items()]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn("column"), dg.TableColumn("published as")]))


def _counts_table(counts: list[dict[str, Any]], rows: int) -> dg.MetadataValue:
    records = [
        # A stranger's name may be as long as a caption.
        dg.TableRecord({"name": str(one["name"])[:60], "rows": one["count"], "share": one["count"] / max(rows, 1)})
        for one in counts
    ]
    schema = dg.TableSchema([dg.TableColumn("name"), dg.TableColumn("rows", "int"), dg.TableColumn("share", "float")])
    return dg.MetadataValue.table(records, schema)


def _digest(book: Rulebook, columns: ColumnsSpec) -> str:
    text = "".join(rule.model_dump_json() for rule in book.rules) + repr(sorted(columns.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _nulls_table(figures: dict[str, Any]) -> dg.MetadataValue:
    """Null shares of the scores in the languages with the most rows."""
    shown = [one["name"] for one in figures["language_counts"][:20]]
    nulls = [one for one in figures["null_counts_by_language"] if one["language"] in shown]
    records = [
        dg.TableRecord(
            {
                "language": str(one["language"])[:60],
                "column": one["column"],
                "rows": one["rows"],
                "share null": one["nulls"] / one["rows"],
            }
        )
        for one in sorted(nulls, key=lambda one: (shown.index(one["language"]), one["column"]))
    ]
    columns = [dg.TableColumn("language"), dg.TableColumn("column"), dg.TableColumn("rows", "int")]
    return dg.MetadataValue.table(records, dg.TableSchema([*columns, dg.TableColumn("share null", "float")]))
