"""The Dagster face of the statistics: read profiles, sample and probes, measure, write the report."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata.acceptance import accepted_parts
from laion_assets.statistics.spec import RequirementSpec

# Building the document's models takes 30 ms, which every process of Dagster would spend on loading definitions.
if TYPE_CHECKING:
    from laion_assets.statistics.document import Statistics
    from laion_assets.statistics.estimate import Estimate

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
    minimum_is_promised: bool = True,
) -> list[dg.AssetsDefinition]:
    """``resolution_statistics`` of one dataset.

    Args:
        dataset: Prefix of the asset keys.
        title: The name people use.
        requirement: What the report measures against.
        minimum_side_px: What declared sizes are measured against.
        parts: The dataset's parts; figures of fewer than all known ones say so.
        group: Asset group.
        declared_only: Report on what is declared and do not wait for probes.
        minimum_is_promised: Whether the publisher promises that minimum, or only who asks wants it.
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
        code_version="4",
        pool="metadata",
    )
    @outlasting_outages
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
        found = measure(
            evidence,
            dataset=dataset,
            title=title,
            parts_expected=known or None,
            minimum_is_promised=minimum_is_promised,
        )
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
    parts = accepted_parts(store, dataset, asset[-1])
    return store.scan_parquet([store.uri(asset, f"{part}.parquet") for part in parts]).collect() if parts else None


def _sample(store: Lake, dataset: str, *, declared_only: bool) -> pl.DataFrame:
    name = "dimension_sample" if declared_only else "dimension_probes"
    return store.scan_parquet(store.uri([dataset, name], f"{name}.parquet")).collect()


def _digest(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(hashlib.sha256(content[name]).digest())
    return digest.hexdigest()


def _described(found: "Statistics", preview: str) -> dict[str, Shown]:
    """What the UI shows: the picture and tables to read, then numbers that plot over time.

    The picture is our own; text of strangers is not in it as markup.
    """
    from laion_assets.statistics.display import UNKNOWN, count, shown

    formats = {"share": "percent", "rows": "count", "words": "tidy"}
    targets = {**formats, "share": "round_percent"}
    return {
        "summary": dg.MetadataValue.text(" ".join(line.text for line in found.conclusions.summary)),
        "picture": dg.MetadataValue.md(f"![analysis]({preview})"),
        "requirement": _table(
            {
                "criterion": line.criterion.text,
                "target": f"{line.comparison} {shown(line.target, targets[line.unit])}",
                "measured": _with_interval(line.measured, formats[line.unit]),
                "method": _methods(line.measured),
                "verdict": line.verdict,
            }
            for line in found.criteria
        ),
        "anomaly": _table(
            {
                "kind": kind.kind,
                "rows": f"{count(kind.share.count)} of {count(kind.share.n)} {kind.of}",
                "share": _with_interval(kind.share, "percent"),
                "method": _methods(kind.share),
                "what to do": kind.advice,
            }
            for kind in found.anomaly.kinds
        ),
        "sizes": _table(
            {
                "measure": f"{measure.name.replace('_', ' ')}, {measure.unit}",
                "of": name,
                "mean": _with_interval(view.mean, "tidy"),
            }
            | {p: _with_interval(value, "tidy") for p, value in view.percentiles.items()}
            | {"method": _methods(view.mean, *view.percentiles.values())}
            for measure in found.sizes
            for name, view in (
                ("declared, all rows", measure.views.declared_all),
                ("declared, sampled", measure.views.declared_sample),
                ("true, reachable", measure.views.true_sample),
            )
            if view is not None and view.n
        ),
        "size_classes": _table(
            {
                "class": by_side.name,
                "historical scheme, declared": _with_interval(by_both.views.declared_sample, "percent"),
                "short side, declared": _with_interval(by_side.views.declared_sample, "percent"),
                "short side, true": _with_interval(by_side.views.true_sample, "percent"),
                "method": _methods(
                    by_both.views.declared_sample, by_side.views.declared_sample, by_side.views.true_sample
                ),
            }
            for by_side, by_both in zip(found.buckets, found.historical_buckets, strict=True)
        ),
        "yields": _table(
            {
                "choice": kept.title,
                "condition": kept.condition.text,
                "share": _with_interval(kept.share, "percent"),
                "images": _with_interval(kept.rows, "count"),
                "bytes": _with_interval(kept.bytes, "bytes"),
                "known lengths": UNKNOWN
                if kept.lengths_known is None
                else f"{count(kept.lengths_known.count)} of {count(kept.lengths_known.n)}",
                "method": _methods(kept.share, kept.rows, kept.bytes),
            }
            for kept in found.yields
        ),
        **_numbers(found),
    }


def _numbers(found: "Statistics") -> dict[str, float | int]:
    """Figures worth following from one materialisation to the next."""
    required = found.requirement.minimum_side_px
    large = next(level for level in found.thresholds if level.minimum_side_px == required).views.true_sample
    numbers: dict[str, float | int | None] = {
        "dagster/row_count": found.coverage.sample_rows,
        "population_rows": found.coverage.population,
        "measured_rows": found.coverage.measured_rows,
        **_ends("reachable_share", found.reach.reachable if found.reach else None),
        **_ends("large_enough_share", large),
        **_ends("historical_too_small_share", found.anomaly.historical.declared_sample),
        **{f"{kind.kind}_share": kind.share.estimate for kind in found.anomaly.kinds},
        "median_declared_short_side_px": _median(found, "declared_sample"),
        "median_true_short_side_px": _median(found, "true_sample"),
        "criteria_met": sum(line.verdict == "met" for line in found.criteria),
        "criteria_not_met": sum(line.verdict == "not met" for line in found.criteria),
    }
    for kept in found.yields:
        if kept.id in ("required", "high", "combined"):
            numbers[f"yield_{kept.id}_rows"] = None if kept.rows.estimate is None else round(kept.rows.estimate)
            numbers[f"yield_{kept.id}_bytes"] = None if kept.bytes.estimate is None else round(kept.bytes.estimate)
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in numbers.items()
        if value is not None
    }


def _ends(name: str, value: "Estimate | None") -> dict[str, float | None]:
    return {} if value is None else {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}


def _with_interval(value: "Estimate | None", form: str) -> str:
    from laion_assets.statistics.display import UNKNOWN, range_texts, shown
    from laion_assets.statistics.intervals import UNDOUBTED

    if value is None or value.estimate is None:
        return UNKNOWN
    if value.method in UNDOUBTED:
        return shown(value.estimate, form)
    return f"{shown(value.estimate, form)} ({' to '.join(range_texts([value.low, value.high], form))})"


def _methods(*values: "Estimate | None") -> str:
    """How the numbers of one line are made."""
    from laion_assets.statistics.intervals import METHODS

    used = {value.method for value in values if value is not None and value.estimate is not None}
    return "; ".join(method.name for name, method in METHODS.items() if name in used)


def _median(found: "Statistics", view: str) -> float | None:
    distribution = getattr(next(size for size in found.sizes if size.name == "short_side").views, view)
    return distribution.percentiles["p50"].estimate if distribution else None


def _table(records: Iterable[Mapping[str, str]]) -> dg.TableMetadataValue:
    listed = list(records)
    columns = list(listed[0]) if listed else []
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(record)) for record in listed],
        schema=dg.TableSchema([dg.TableColumn(name, "string") for name in columns]),
    )
