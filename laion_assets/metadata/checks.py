"""The Dagster checks of the room: what is worth checking again alone, without reading the published part."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from laion_assets.lake.resource import LakeResource
from laion_assets.metadata.contract import ContractOutcome, check_contract, expectations_of, figures_of
from laion_assets.metadata.contract_docs import contract_page
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec


def metadata_checks(
    dataset: str,
    *,
    expectations: ExpectationsSpec,
    parts: dg.PartitionsDefinition,
    rules: RulesSpec | None = None,
) -> list[dg.AssetChecksDefinition]:
    """The checks on ``validated_metadata`` and ``metadata_profile``.

    Args:
        dataset: First segment of the asset keys.
        expectations: What the publisher promises.
        parts: One partition per published file.
        rules: The same as for the assets.
    """
    book = rulebook(rules, expectations)
    valid_key = dg.AssetKey([dataset, "validated_metadata"])
    profile_key = dg.AssetKey([dataset, "metadata_profile"])

    @dg.multi_asset_check(
        name=f"{dataset}__check_part",
        specs=[
            dg.AssetCheckSpec(
                "contract",
                asset=valid_key,
                description="The part's profile meets the Great Expectations suite made of tolerances and promises.",
                blocking=True,
                partitions_def=parts,
            ),
            dg.AssetCheckSpec(
                "below_1024_declared",
                asset=valid_key,
                description=f"No valid row declares a side below {expectations.minimum_side_px} px.",
                partitions_def=parts,
            ),
        ],
        can_subset=True,
        pool="metadata",
    )
    def check_part(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        store, part = lake.open(), context.partition_key
        chosen = {key.name for key in context.selected_asset_check_keys}
        profile = store.scan_parquet(store.uri(profile_key.path, f"{part}.parquet")).collect().row(0, named=True)
        if "contract" in chosen:
            suite = expectations_of(book, expectations, not_applicable=profile["rules_not_applicable"])
            outcome = check_contract(figures_of(profile), suite, part=part)
            docs_uri = store.uri(profile_key.path, f"contract/{part}.html")
            store.write_bytes(docs_uri, contract_page(outcome).encode())
            yield _contract_result(outcome, valid_key, docs_uri)
        if "below_1024_declared" in chosen:
            yield _below_minimum_result(profile, valid_key, expectations.minimum_side_px)

    return [check_part]


def _contract_result(outcome: ContractOutcome, key: dg.AssetKey, docs_uri: str) -> dg.AssetCheckResult:
    records = [
        dg.TableRecord(
            {
                "figure": one.expectation.figure,
                "found": one.value if one.value is not None else "nothing",
                "at least": one.expectation.minimum if one.expectation.minimum is not None else "",
                "at most": one.expectation.maximum if one.expectation.maximum is not None else "",
                "met": one.met,
                "severity": one.expectation.severity,
                "meaning": one.expectation.meaning,
            }
        )
        for one in sorted(outcome.outcomes, key=lambda one: one.met)
    ]
    columns = ("figure", "found", "at least", "at most", "met", "severity", "meaning")
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="contract",
        passed=outcome.met,
        severity=dg.AssetCheckSeverity.ERROR if outcome.critical else dg.AssetCheckSeverity.WARN,
        description=", ".join(one.expectation.figure for one in outcome.broken) or "all expectations are met",
        metadata={
            "expectations": dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in columns])),
            "expectations_met": len(outcome.outcomes) - len(outcome.broken),
            "expectations_broken": len(outcome.broken),
            "data_docs": dg.MetadataValue.url(docs_uri if "://" in docs_uri else f"file://{docs_uri}"),
        },
    )


def _below_minimum_result(profile: dict[str, Any], key: dg.AssetKey, minimum_side_px: int) -> dg.AssetCheckResult:
    below = sum(one["count"] for one in profile["short_side_counts"] if one["value"] < minimum_side_px)
    sized = profile["sized_rows"]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="below_1024_declared",
        passed=below == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{below:,} of {sized:,} rows declare a side below {minimum_side_px} px",
        metadata={
            "rows_below_minimum": below,
            "share_below_minimum": below / sized if sized else 0.0,
            "sized_rows": sized,
        },
    )
