"""The Dagster face of the statistics: read profiles, sample and probes, measure, write the report."""

import hashlib
from collections.abc import Mapping, Sequence

import dagster as dg
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.statistics.document import Statistics
from laion_assets.statistics.estimate import Estimate
from laion_assets.statistics.spec import RequirementSpec

OWNERS = ["team:laion-assets"]

Shown = float | int | dg.TextMetadataValue | dg.TableMetadataValue | dg.MarkdownMetadataValue


def statistics_assets(
    dataset: str,
    *,
    title: str,
    requirement: RequirementSpec,
    minimum_side_px: int,
    parts: dg.PartitionsDefinition,
    group: str,
    declared_only: bool = False,
) -> list[dg.AssetsDefinition]:
    """``resolution_statistics`` of one dataset.

    Args:
        dataset: Prefix of the asset keys.
        title: The name people use.
        requirement: What the report measures against.
        minimum_side_px: What the publisher promises.
        parts: The dataset's parts; figures of fewer than all known ones say so.
        group: Asset group.
        declared_only: Report on what is declared and do not wait for probes.
    """
    key = dg.AssetKey([dataset, "resolution_statistics"])
    sources = ["metadata_profile", "dimension_sample", *([] if declared_only else ["dimension_probes"])]

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([dataset, name]) for name in sources],
        description="Declared and true sizes, reachability, captions and scores with 95 % intervals, the anomaly taken "
        "apart, and what it all means: as CSV, PNG, JSON, Markdown and HTML.",
        group_name=group,
        kinds={"polars", "matplotlib", "html"},
        owners=OWNERS,
        code_version="1",
        pool="metadata",
    )
    def resolution_statistics(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        from laion_assets.statistics.declared import Declared
        from laion_assets.statistics.evidence import Evidence
        from laion_assets.statistics.measure import measure
        from laion_assets.statistics.publish import make_files

        store = lake.open()
        profiles = _profiles(store, dataset)
        known = len(parts.get_partition_keys(dynamic_partitions_store=context.instance))
        evidence = Evidence.of(
            _sample(store, dataset, declared_only=declared_only),
            declared=Declared.of(profiles) if profiles is not None else None,
            requirement=requirement,
            minimum_side_px=minimum_side_px,
        )
        found = measure(evidence, dataset=dataset, title=title, parts_expected=known or None)
        for statement in found.conclusions.summary:
            context.log.info("%s", statement.text)
        files = make_files(evidence, found)
        for name, content in files.content.items():
            store.write_bytes(store.uri(key.path, name), content)
        return dg.MaterializeResult(
            metadata=_described(found, files.preview)
            | {
                "folder": dg.MetadataValue.path(store.uri(key.path, "report.html").removesuffix("/report.html")),
                "report": dg.MetadataValue.path(store.uri(key.path, "report.html")),
                "bytes": sum(len(content) for content in files.content.values()),
            },
            data_version=dg.DataVersion(_digest(files.content)),
        )

    return [resolution_statistics]


def _profiles(store: Lake, dataset: str) -> pl.DataFrame | None:
    asset = [dataset, "metadata_profile"]
    names = store.list_names(asset, ".parquet")
    return store.scan_parquet([store.uri(asset, name) for name in names]).collect() if names else None


def _sample(store: Lake, dataset: str, *, declared_only: bool) -> pl.DataFrame:
    name = "dimension_sample" if declared_only else "dimension_probes"
    return store.scan_parquet(store.uri([dataset, name], f"{name}.parquet")).collect()


def _digest(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(hashlib.sha256(content[name]).digest())
    return digest.hexdigest()


def _described(found: Statistics, preview: str) -> dict[str, Shown]:
    """Picture, tables and numbers for the UI. The picture is our own; text of strangers is not in it as markup."""
    numbers: dict[str, float | int | None] = {
        "rows": found.coverage.population,
        "dagster/row_count": found.coverage.sample_rows,
        "sample_rows": found.coverage.sample_rows,
        "measured_rows": found.coverage.measured_rows,
        **_interval("historical_too_small_share", found.anomaly.historical.declared_sample),
        **_interval("short_side_too_small_share", found.anomaly.short_side.declared_sample),
        **{f"{kind.kind}_share": kind.share.estimate for kind in found.anomaly.kinds},
        **_interval("reachable_share", found.reach.reachable if found.reach else None),
        "median_true_short_side_px": _median(found, "true_sample"),
        "median_declared_short_side_px": _median(found, "declared_sample"),
        "criteria_met": sum(line.verdict == "met" for line in found.criteria),
        "criteria_not_met": sum(line.verdict == "not met" for line in found.criteria),
    }
    for level in found.thresholds:
        numbers |= _interval(f"true_at_least_{level.minimum_side_px}_share", level.views.true_sample)
    for kept in found.yields:
        numbers[f"yield_{kept.id}_rows"] = kept.rows.estimate
        numbers[f"yield_{kept.id}_bytes"] = kept.bytes.estimate
    tables: dict[str, Shown] = {
        "summary": dg.MetadataValue.text(" ".join(line.text for line in found.conclusions.summary)),
        "requirement": _table(
            [
                {
                    "criterion": line.criterion.text,
                    "target": line.target,
                    "measured": line.measured.estimate,
                    "low": line.measured.low,
                    "high": line.measured.high,
                    "verdict": line.verdict,
                }
                for line in found.criteria
            ]
        ),
        "anomaly": _table(
            [
                {
                    "kind": kind.kind,
                    "rows": kind.share.count,
                    "out_of": kind.share.n,
                    "share": kind.share.estimate,
                    "low": kind.share.low,
                    "high": kind.share.high,
                    "what_to_do": kind.advice,
                }
                for kind in found.anomaly.kinds
            ]
        ),
        "size_classes": _table(
            [
                {
                    "class": by_side.name,
                    "historical_declared": _estimate(by_both.views.declared_sample),
                    "short_side_declared": _estimate(by_side.views.declared_sample),
                    "short_side_true": _estimate(by_side.views.true_sample),
                }
                for by_side, by_both in zip(found.buckets, found.historical_buckets, strict=True)
            ]
        ),
        "yields": _table(
            [
                {
                    "choice": kept.title,
                    "condition": kept.condition.text,
                    "share": kept.share.estimate,
                    "rows": kept.rows.estimate,
                    "bytes": kept.bytes.estimate,
                }
                for kept in found.yields
            ]
        ),
        "picture": dg.MetadataValue.md(f"![analysis]({preview})"),
    }
    return {**{name: value for name, value in numbers.items() if value is not None}, **tables}


def _interval(name: str, value: Estimate | None) -> dict[str, float | None]:
    if value is None:
        return {}
    return {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}


def _estimate(value: Estimate | None) -> float | None:
    return value.estimate if value else None


def _median(found: Statistics, view: str) -> float | None:
    distribution = getattr(next(size for size in found.sizes if size.name == "short_side").views, view)
    return distribution.percentiles["p50"].estimate if distribution else None


def _table(records: Sequence[Mapping[str, str | int | float | None]]) -> dg.TableMetadataValue:
    columns = list(records[0]) if records else []
    types = {
        name: "string" if any(isinstance(record[name], str) for record in records) else "float" for name in columns
    }
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(record)) for record in records],
        schema=dg.TableSchema([dg.TableColumn(name, types[name]) for name in columns]),
    )
