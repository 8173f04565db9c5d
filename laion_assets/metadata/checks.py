"""The Dagster checks of the room: what is worth checking again alone, without reading the published part."""

import time
from collections.abc import Callable, Iterator, Mapping

import dagster as dg
import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.metadata import check_results
from laion_assets.metadata.acceptance import CONTRACT, accepted_parts, record_verdict
from laion_assets.metadata.check_results import CheckFinding
from laion_assets.metadata.contract import check_contract, expectations_of, figures_of
from laion_assets.metadata.contract_docs import FOLDER, contract_page
from laion_assets.metadata.drift import compare_parts
from laion_assets.metadata.positional_union import compare_null_shares
from laion_assets.metadata.profile import PROFILE_SCHEMA
from laion_assets.metadata.row_hashes import check_hashes, sampled_positions
from laion_assets.metadata.rulebook import Rulebook, rulebook
from laion_assets.metadata.spec import ExpectationsSpec, RulesSpec
from laion_assets.metadata.spelled_sizes import compare_spelled_sizes

PART_DRIFT = "part_drift"


def metadata_checks(
    dataset: str,
    *,
    expectations: ExpectationsSpec,
    parts: dg.PartitionsDefinition,
    rules: RulesSpec | None = None,
    drift_condition: dg.AutomationCondition[dg.AssetCheckKey] | None = None,
) -> list[dg.AssetChecksDefinition]:
    """The checks on ``validated_metadata`` (one step per part) and ``metadata_profile`` (over all parts).

    Args:
        dataset: First segment of the asset keys.
        expectations: What the publisher promises.
        parts: One partition per published file.
        rules: The same as for the assets.
        drift_condition: When the check over all parts runs by itself.
    """
    book = rulebook(rules, expectations)
    valid_key = dg.AssetKey([dataset, "validated_metadata"])
    profile_key = dg.AssetKey([dataset, "metadata_profile"])
    minimum = expectations.minimum_side_px

    def spec(name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name, asset=valid_key, description=description, blocking=blocking, partitions_def=parts
        )

    # One step for all: a step costs 0.2 s and importing Great Expectations some seconds.
    @dg.multi_asset_check(
        name=f"{dataset}__check_part",
        specs=[
            spec(CONTRACT, "The profile meets the Great Expectations suite of tolerances and promises.", blocking=True),
            spec("below_1024_declared", f"No valid row declares a side below {minimum} px."),
            spec("positional_union", "Null shares of punsafe and pwatermark keep their order across languages."),
            spec("url_caption_hash", "The published hash is the one of URL and caption, on a thousand seeded rows."),
            spec("swapped_sizes", "Sizes spelled in URLs agree with declared ones as they are, not swapped."),
        ],
        can_subset=True,
        pool="metadata",
    )
    @outlasting_outages
    def check_part(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        store, part = lake.open(), context.partition_key
        profile = store.scan_parquet(store.uri(profile_key.path, f"{part}.parquet")).collect().row(0, named=True)
        rows = store.scan_parquet(store.uri(valid_key.path, f"{part}.parquet"))
        nulls = [tuple(one.values()) for one in profile["null_counts_by_language"]]
        findings: dict[str, Callable[[], CheckFinding]] = {
            "below_1024_declared": lambda: check_results.below_minimum_finding(profile, minimum),
            "positional_union": lambda: check_results.union_finding(compare_null_shares(nulls)),
            "url_caption_hash": lambda: check_results.hash_finding(check_hashes(_hash_sample(rows, profile, part))),
            "swapped_sizes": lambda: check_results.swap_finding(compare_spelled_sizes(rows)),
        }
        chosen = {key.name for key in context.selected_asset_check_keys}
        for name, find in findings.items():
            if name in chosen:
                yield _result(valid_key, name, find())
        if CONTRACT in chosen:
            started = time.monotonic()
            finding, docs_uri = _contract(store, profile, book, expectations, profile_key, part)
            extra: dict[str, dg.MetadataValue] = {
                "data_docs": lake.link(docs_uri),
                "data_docs_path": dg.MetadataValue.path(docs_uri),
                "seconds": dg.MetadataValue.float(time.monotonic() - started),
            }
            yield _result(valid_key, CONTRACT, finding, extra)

    @dg.asset_check(
        name=PART_DRIFT,
        asset=profile_key,
        description="All parts look like random shuffles of one dataset, tested and corrected for the number of looks.",
        pool="metadata",
        automation_condition=drift_condition,
    )
    @outlasting_outages
    def part_drift(lake: LakeResource) -> dg.AssetCheckResult:
        store = lake.open()
        accepted = accepted_parts(store, dataset, "metadata_profile")
        uris = [store.uri(profile_key.path, f"{part}.parquet") for part in accepted]
        profiles = store.scan_parquet(uris).collect() if uris else pl.DataFrame(schema=PROFILE_SCHEMA)
        return _result(profile_key, PART_DRIFT, check_results.drift_finding(compare_parts(profiles)))

    return [check_part, part_drift]


def _contract(
    store: Lake,
    profile: dict[str, object],
    book: Rulebook,
    expectations: ExpectationsSpec,
    profile_key: dg.AssetKey,
    part: str,
) -> tuple[CheckFinding, str]:
    not_applicable = [str(name) for name in profile["rules_not_applicable"]]  # type: ignore[attr-defined]
    rows = int(str(profile["rows_in"]))
    suite = expectations_of(book, expectations, rows=rows, not_applicable=not_applicable)
    outcome = check_contract(figures_of(profile), suite, part=part)
    docs_uri = store.uri(profile_key.path, f"{FOLDER}/{part}.html")
    store.write_bytes(docs_uri, contract_page(outcome).encode())
    finding = check_results.contract_finding(outcome)
    record_verdict(store, profile_key.path[0], part, failure=finding.sentence if finding.blocks else None)
    return finding, docs_uri


def _hash_sample(rows: pl.LazyFrame, profile: dict[str, int], part: str) -> pl.DataFrame:
    positions = sampled_positions(profile["rows_valid"], part=part)
    position = pl.int_range(pl.len(), dtype=pl.Int64)
    chosen = rows.select("row", "url", "caption", "row_hash").filter(position.is_in(positions))
    return chosen.collect()


def _result(
    key: dg.AssetKey, name: str, finding: CheckFinding, extra: Mapping[str, dg.MetadataValue] | None = None
) -> dg.AssetCheckResult:
    tables = {
        title: dg.MetadataValue.table(
            [dg.TableRecord(dict(record)) for record in records],
            dg.TableSchema([dg.TableColumn(column) for column in (records[0] if records else ())]),
        )
        for title, records in finding.tables.items()
    }
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if finding.blocks else dg.AssetCheckSeverity.WARN,
        description=finding.sentence,
        metadata={**finding.figures, **tables, **(extra or {})},
    )
