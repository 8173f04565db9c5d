"""The same figures of several datasets in one table, a row per dataset.

Reads what ``resolution_statistics`` wrote and computes nothing anew: a figure here is the figure in that dataset's
report.
"""

from collections.abc import Sequence

import polars as pl

from laion_assets.statistics.document import Distribution, Share, Statistics

COMPARISON_SCHEMA: dict[str, pl.DataType] = {
    "dataset": pl.String(),
    "title": pl.String(),
    "rows": pl.Int64(),
    "sample_rows": pl.Int64(),
    "median_short_side_declared_px": pl.Float64(),
    "median_short_side_true_px": pl.Float64(),
    "required_side_px": pl.Int64(),
    "meets_required_side": pl.Float64(),
    "meets_required_side_low": pl.Float64(),
    "meets_required_side_high": pl.Float64(),
    "reachable": pl.Float64(),
    "reachable_low": pl.Float64(),
    "reachable_high": pl.Float64(),
    "mean_file_bytes": pl.Float64(),
    "median_caption_words": pl.Float64(),
    "quarantined": pl.Float64(),
}
"""Shares are of 1, with the ends of their 95 % intervals; ``meets_required_side`` is among reachable images."""


def compare_datasets(documents: Sequence[Statistics]) -> pl.DataFrame:
    """One row per dataset, by name.

    Args:
        documents: the ``statistics.json`` of each dataset.
    """
    rows = [_row(document) for document in sorted(documents, key=lambda document: document.dataset)]
    return pl.DataFrame(rows, schema=COMPARISON_SCHEMA)


def _row(document: Statistics) -> dict[str, object]:
    short_side = next(measure for measure in document.sizes if measure.name == "short_side").views
    required = document.requirement.minimum_side_px
    meets = next(
        (threshold.views.true_sample for threshold in document.thresholds if threshold.minimum_side_px == required),
        None,
    )
    reach = document.reach
    return {
        "dataset": document.dataset,
        "title": document.title,
        "rows": document.coverage.population,
        "sample_rows": document.coverage.sample_rows,
        "median_short_side_declared_px": _median(short_side.declared_all or short_side.declared_sample),
        "median_short_side_true_px": _median(short_side.true_sample),
        "required_side_px": required,
        **_share("meets_required_side", meets),
        **_share("reachable", reach.reachable if reach else None),
        "mean_file_bytes": reach.file_bytes.mean.estimate if reach else None,
        "median_caption_words": _median(document.captions.words),
        "quarantined": document.coverage.quarantined.estimate if document.coverage.quarantined else None,
    }


def _median(distribution: Distribution | None) -> float | None:
    return distribution.percentiles["p50"].estimate if distribution else None


def _share(name: str, share: Share | None) -> dict[str, float | None]:
    return {
        name: share.estimate if share else None,
        f"{name}_low": share.low if share else None,
        f"{name}_high": share.high if share else None,
    }
