"""The Dagster checks of shards."""

from typing import TYPE_CHECKING

import dagster as dg

from laion_assets.shards.spec import ShardsSpec
from laion_assets.subsets.spec import SubsetSpec

if TYPE_CHECKING:
    from laion_assets.shards.accounting import Accounting

EVERY_ROW_ACCOUNTED = "every_row_accounted"


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
    dataset: str,  # noqa: ARG001
    subset: SubsetSpec,  # noqa: ARG001
    *,
    spec: ShardsSpec,  # noqa: ARG001
    parts: dg.PartitionsDefinition,  # noqa: ARG001
) -> list[dg.AssetChecksDefinition]:
    """Checks of shards that can be run alone."""
    return []
