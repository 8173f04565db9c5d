"""The Dagster faces of what is checked about finished probes, in one step that can be run again alone.

Whether probing was healthy is judged while the probes are made, in ``assets``.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.probes.anomaly import DECLARED_MATCHES, AnomalyKind, classify, decompose
from laion_assets.probes.assets import table_of
from laion_assets.probes.contract import check_contract
from laion_assets.probes.describe import breach_records, contract_records, example_records, kind_records
from laion_assets.probes.verdict import anomaly_sentence, match_sentence, match_shares


def probe_checks(
    dataset: str,
    *,
    minimum_side_px: int,
    edges_px: Sequence[int],
    condition: dg.AutomationCondition[dg.AssetCheckKey] | None = None,
) -> list[dg.AssetChecksDefinition]:
    """Checks of ``dimension_probes`` that only read it.

    Args:
        dataset: Prefix of the asset keys.
        minimum_side_px: What the publisher promises of the short side.
        edges_px: Of the size classes that a straddler has its sides in, those of the report.
        condition: When they run by themselves.
    """
    key = dg.AssetKey([dataset, "dimension_probes"])

    def spec(name: str, description: str) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(name, asset=key, description=description, automation_condition=condition)

    @dg.multi_asset_check(
        name=f"{dataset}__dimension_probes_checks",
        specs=[
            spec(
                "below_1024_anomaly",
                f"No image is below {minimum_side_px} px; if some are, which of four kinds they are.",
            ),
            spec("declared_versus_true", "The sizes the metadata declares are those the web serves."),
            spec("probe_contract", "Every probe row is whole and does not contradict itself."),
        ],
        can_subset=True,
    )
    @outlasting_outages
    def dimension_probes_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        opened = lake.open()
        probes = opened.scan_parquet(opened.uri(key.path, "dimension_probes.parquet")).collect()
        population = opened.scan_parquet(opened.uri([dataset, "dimension_sample"], "dimension_sample.parquet"))
        population_rows = max(probes.height, round(population.select("weight").sum().collect().item() or 0))
        selected = {check.name for check in context.selected_asset_check_keys}
        classified = classify(probes, minimum_side_px=minimum_side_px, edges_px=edges_px)
        if "below_1024_anomaly" in selected:
            table = decompose(classified, population_rows=population_rows)
            by_kind = {row.kind: row for row in table}
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name="below_1024_anomaly",
                passed=not any(row.rows for row in table if row.kind is not AnomalyKind.STRADDLES_BUCKETS),
                severity=dg.AssetCheckSeverity.WARN,
                description=anomaly_sentence(table, minimum_side_px=minimum_side_px),
                metadata={
                    "kinds": table_of(kind_records(table)),
                    "examples": table_of(example_records(classified)),
                    **{f"{kind.value}_share": row.share.estimate for kind, row in by_kind.items() if row.out_of},
                },
            )
        if "declared_versus_true" in selected:
            shares = match_shares(classified, population_rows=population_rows)
            swapped = shares["swapped"].share
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name="declared_versus_true",
                passed=not (swapped.low > 0.01 or shares["exact"].share.high < 0.8),
                severity=dg.AssetCheckSeverity.WARN,
                description=match_sentence(classified, shares),
                metadata={
                    f"{word}_share": shares[word].share.estimate for word in DECLARED_MATCHES if shares[word].out_of
                }
                | {f"{word}_rows": shares[word].rows for word in DECLARED_MATCHES},
            )
        if "probe_contract" in selected:
            lines = check_contract(probes)
            broken = [line for line in lines if not line.is_met]
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name="probe_contract",
                passed=not broken,
                severity=dg.AssetCheckSeverity.ERROR,
                description=(
                    f"{len(lines)} expectations met by all {probes.height:,} rows."
                    if not broken
                    else "; ".join(f"{line.expectation}: {line.unexpected:,} rows do not" for line in broken)
                    + ". This is a fault of this program: report it with the rows under examples."
                ),
                metadata={
                    "expectations": table_of(contract_records(lines)),
                    "examples": table_of(breach_records(probes, lines)),
                },
            )

    return [dimension_probes_checks]
