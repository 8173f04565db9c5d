"""The Dagster faces of ``dimension_sample`` and ``dimension_probes``: read, call, write, say what happened."""

import hashlib
from collections.abc import Mapping, Sequence

import dagster as dg
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata.acceptance import accepted_parts
from laion_assets.metadata.sketch import SKETCHES, sketches_of
from laion_assets.metadata.table_assets import column_lineage, column_schema
from laion_assets.probes.column_origins import PROBE_ORIGINS, sample_origins
from laion_assets.probes.describe import COLUMN_MEANINGS, Record, coverage_records, health_records, outcome_records
from laion_assets.probes.health import diagnose_run
from laion_assets.probes.probe import probe_sample
from laion_assets.probes.progress import Progress
from laion_assets.probes.sample import SAMPLE_SCHEMA, Sample, draw_sample
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.probes.share import weighted_share
from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.outcome import Outcome
from laion_assets.web.resource import WebResource

OWNERS = ["team:laion-assets"]
TROUBLE = "trouble"
"""The metadata of probes that were not healthy which says why, in a few words."""


def probe_assets(
    dataset: str,
    *,
    sample: SampleSpec,
    probe: ProbeSpec,
    minimum_side_px: int,
    parts: dg.PartitionsDefinition,
    group: str,
) -> list[dg.AssetsDefinition]:
    """``dimension_sample`` and ``dimension_probes`` of one dataset.

    Args:
        dataset: Prefix of the asset keys.
        sample: Which rows are drawn.
        probe: How they are probed.
        minimum_side_px: What the short side must reach.
        parts: The dataset's parts; a sample of fewer than all known ones says so.
        group: Asset group.
    """
    return [
        _dimension_sample(dataset, sample, published=parts, group=group),
        _dimension_probes(dataset, probe, minimum_side_px=minimum_side_px, group=group),
    ]


def _dimension_sample(
    dataset: str,
    spec: SampleSpec,
    *,
    published: dg.PartitionsDefinition,
    group: str,
) -> dg.AssetsDefinition:
    key = dg.AssetKey([dataset, "dimension_sample"])
    validated = dg.AssetKey([dataset, "validated_metadata"])

    @dg.asset(
        key=key,
        deps=[validated],
        description=f"{spec.size:,} rows drawn uniformly from all materialised parts, the same ones every time (seed "
        f"{spec.seed}); a smaller sample lies within a larger one.",
        group_name=group,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        code_version="1",
        pool="metadata",
        metadata={"dagster/column_schema": column_schema(SAMPLE_SCHEMA, COLUMN_MEANINGS)},
        check_specs=[
            dg.AssetCheckSpec(
                "coverage",
                asset=key,
                description="The sample speaks for the whole dataset: every known part is there, and no row twice.",
            )
        ],
    )
    @outlasting_outages
    def dimension_sample(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        store = lake.open()
        accepted = accepted_parts(store, dataset)
        parts = {part: store.scan_parquet(store.uri(validated.path, f"{part}.parquet")) for part in accepted}
        try:
            drawn = draw_sample(parts, spec, sketches=sketches_of(store, dataset, accepted, seed=spec.seed))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            finding = " ".join(str(error).split())[:300]
            sentence = "Drawing a sample from %s/%s failed (%s); it is drawn from all rows."
            context.log.warning(sentence, dataset, SKETCHES, finding)
            drawn = draw_sample(parts, spec)
        known = published.get_partition_keys(dynamic_partitions_store=context.instance)
        uri = store.uri(key.path, "dimension_sample.parquet")
        size_bytes = store.write_parquet(uri, drawn.frame)
        context.log.info("%s", f"{drawn.frame.height:,} of {drawn.population_rows:,} rows drawn, {len(parts)} parts")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": drawn.frame.height,
                "population_rows": drawn.population_rows,
                "parts_covered": len(parts),
                "parts_from_sketches": drawn.from_sketches,
                "seed": spec.seed,
                "bytes": size_bytes,
                "parts": table_of(coverage_records(drawn.coverage)),
                "dagster/column_lineage": column_lineage(validated, sample_origins(spec)),
                "dagster/uri": uri,
            },
            data_version=_content_version(store, uri),
            check_results=[_coverage(drawn, known=len(known))],
        )

    return dimension_sample


def _coverage(drawn: Sample, *, known: int) -> dg.AssetCheckResult:
    there, rows = len(drawn.coverage), drawn.frame.height
    twice = rows - drawn.frame.select("part", "row").n_unique()
    sentence = f"{rows:,} of {drawn.population_rows:,} rows, from {there} of {max(known, there)} known parts."
    if there < known:
        sentence += " Figures speak for these parts only: materialise validated_metadata for the others as well."
    if not rows:
        sentence += " There is nothing to draw from: materialise validated_metadata for at least one part."
    return dg.AssetCheckResult(
        check_name="coverage",
        passed=there >= known and not twice and rows > 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata={
            "parts_covered": there,
            "parts_known": known,
            "rows": rows,
            "rows_twice": twice,
            "population_rows": drawn.population_rows,
        },
    )


def _dimension_probes(dataset: str, spec: ProbeSpec, *, minimum_side_px: int, group: str) -> dg.AssetsDefinition:
    key = dg.AssetKey([dataset, "dimension_probes"])
    sample = dg.AssetKey([dataset, "dimension_sample"])

    @dg.asset(
        key=key,
        deps=[sample],
        description="One outcome per sampled row, asked of the web, and the true stored size where there is one.",
        group_name=group,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        code_version="1",
        pool="web",
        metadata={"dagster/column_schema": column_schema({**SAMPLE_SCHEMA, **PROBE_SCHEMA}, COLUMN_MEANINGS)},
        check_specs=[
            dg.AssetCheckSpec(
                "probing_was_healthy",
                asset=key,
                blocking=True,
                description="The outcomes are about the links, not about our resolver, our network or our manners.",
            )
        ],
    )
    @outlasting_outages
    def dimension_probes(
        context: dg.AssetExecutionContext, lake: LakeResource, web: WebResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        opened = lake.open()
        rows = opened.scan_parquet(opened.uri(sample.path, "dimension_sample.parquet")).collect()
        kept = ProbeStore(opened, key.path)

        def tell(progress: Progress) -> None:
            context.log.info("%s", progress)

        run = probe_sample(rows, web=web.spec(), spec=spec, store=kept, on_progress=tell)
        probes = run.frame.select([*SAMPLE_SCHEMA, *PROBE_SCHEMA])
        health, doubtful = diagnose_run(probes, afresh=run.afresh)
        if not health.is_healthy:
            kept.forget(doubtful)
        uri = opened.uri(key.path, "dimension_probes.parquet")
        size_bytes = opened.write_parquet(uri, probes)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": probes.height,
                "bytes": size_bytes,
                "urls_asked": run.asked,
                "urls_reused": run.reused,
                "probes_per_second": run.asked / run.seconds if run.asked else 0.0,
                "bytes_per_url": run.bytes_read / run.asked if run.asked else 0.0,
                "requests_per_url": run.requests / run.asked if run.asked else 0.0,
                "seconds": run.seconds,
                **_shares(probes, minimum_side_px),
                **({} if health.is_healthy else {TROUBLE: health.sick[0].finding}),
                "outcomes": table_of(outcome_records(probes)),
                "dagster/column_lineage": column_lineage(sample, PROBE_ORIGINS),
                "dagster/uri": uri,
            },
            data_version=_content_version(opened, uri),
            check_results=[
                dg.AssetCheckResult(
                    check_name="probing_was_healthy",
                    passed=health.is_healthy,
                    description=str(health),
                    metadata={
                        "hosts": health.hosts,
                        "probes": health.probes,
                        "signs": table_of(health_records(health)),
                    },
                )
            ],
        )

    return dimension_probes


def table_of(records: Sequence[Record]) -> dg.TableMetadataValue:
    """Records as the UI shows them."""
    types = {str: "string", bool: "bool", int: "int", float: "float"}
    columns = [dg.TableColumn(name, types[type(value)]) for name, value in (records[0] if records else {}).items()]
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records], schema=dg.TableSchema(columns))


def _shares(probes: pl.DataFrame, minimum_side_px: int) -> Mapping[str, float]:
    if not probes.height:
        return {}
    weights = probes["weight"]
    ok = weighted_share(probes["outcome"] == Outcome.OK.value, weights)
    shares = {"ok_share": ok.estimate, "ok_share_low": ok.low, "ok_share_high": ok.high}
    is_large = probes.select(pl.min_horizontal("true_width", "true_height") >= minimum_side_px).to_series()
    if is_large.null_count() < is_large.len():
        shares["large_enough_share_of_ok"] = weighted_share(is_large, weights).estimate
    return shares


def _content_version(lake: Lake, uri: str) -> dg.DataVersion:
    with lake.local_file(uri) as path, path.open("rb") as file:
        return dg.DataVersion(hashlib.sha256(file.read()).hexdigest())
