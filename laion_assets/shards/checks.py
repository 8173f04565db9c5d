"""The Dagster checks of shards."""

from typing import TYPE_CHECKING

import dagster as dg

from laion_assets.lake.resource import LakeResource, outlasting_outages
from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.spec import SubsetSpec

if TYPE_CHECKING:
    from laion_assets.shards.accounting import Accounting

EVERY_ROW_ACCOUNTED = "every_row_accounted"
TARS_INTACT = "tars_intact"


def accounting_result(books: "Accounting") -> dg.AssetCheckResult:
    """The books of one part as a check."""
    return dg.AssetCheckResult(
        check_name=EVERY_ROW_ACCOUNTED,
        passed=books.balanced,
        description="; ".join(books.findings)
        if books.findings
        else f"{books.planned:,} planned rows, each with one outcome; {books.images:,} images in {books.shards} tars",
        metadata={
            "planned rows": books.planned,
            "rows with an outcome": sum(books.outcomes.values()),
            "images": books.images,
            "findings": len(books.findings),
        },
    )


def shard_checks(
    dataset: str,
    subset: SubsetSpec,
    *,
    spec: ShardsSpec,
    minimum_side_px: int,
    parts: dg.PartitionsDefinition,
) -> list[dg.AssetChecksDefinition]:
    """Checks of shards that can be run alone: the audit.

    Args:
        dataset: the dataset's name.
        subset: whose shards these are.
        spec: how they were made.
        minimum_side_px: what the dataset promises; ``spec`` may ask for something else.
        parts: the dataset's partitions.
    """
    key = [dataset, subset.name, "shards"]
    required = spec.keeping(minimum_side_px).minimum_side_px

    @dg.asset_check(
        asset=dg.AssetKey(key),
        name=TARS_INTACT,
        partitions_def=parts,
        description=f"Every tar is read to its end and is the one that was written; samples are complete, true sizes "
        f"at least {required} px; {spec.decode_share:.0%} of the images are decoded and have the recorded size. "
        "Delete the tar of a shard found damaged and launch the part again: it is made anew.",
    )
    @outlasting_outages
    def tars_intact(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        from laion_assets.shards.audit import audit

        seen = audit(lake.open(), key, context.partition_key, minimum_side_px=required, decode_share=spec.decode_share)
        return dg.AssetCheckResult(
            passed=seen.passed,
            description="; ".join(seen.findings)
            if seen.findings
            else f"{seen.samples:,} samples in {seen.shards} tars, {seen.decoded:,} images decoded",
            metadata={
                "samples": seen.samples,
                "images decoded": seen.decoded,
                "megapixels decoded": seen.decoded_pixels / 1e6,
                "findings": seen.wrong,
            },
        )

    return [tars_intact]
