"""How large the images are: distributions, size classes, thresholds, shapes, each in its three views."""

from collections.abc import Mapping, Sequence

import polars as pl

from laion_assets.metadata.size_classes import DEFAULT_EDGES_PX, bucket_labels
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.document import Class, SizeMeasure, Threshold
from laion_assets.statistics.estimate import Distribution, Estimate, Views
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import exact, exact_share

ASPECTS = ("square", "landscape", "portrait")
_UNITS = {"width": "px", "height": "px", "short_side": "px", "megapixels": "MP"}


def size_measures(evidence: Evidence) -> list[SizeMeasure]:
    """Width, height, short side and megapixels."""
    return [
        SizeMeasure.model_validate(
            {
                "name": name,
                "unit": unit,
                "views": Views[Distribution](
                    declared_all=_exact_distribution(evidence.declared, name),
                    declared_sample=evidence.sample.distribution(evidence.values(f"declared_{name}"), evidence.sized)
                    if evidence.sized.any()
                    else None,
                    true_sample=evidence.sample.distribution(evidence.values(f"true_{name}"), evidence.measured)
                    if evidence.probed
                    else None,
                ),
            }
        )
        for name, unit in _UNITS.items()
    ]


def _exact_distribution(declared: Declared | None, name: str) -> Distribution | None:
    if declared is None or declared.short_side.n == 0:
        return None
    if name == "megapixels":
        # Profiles count in steps of 0.01 MP, rounded down, but sum up every pixel.
        mean = declared.pixels_sum / 1e6 / declared.sized_rows
        return declared.centi_megapixels.distribution(scale=0.01, mean=mean)
    return {"width": declared.width, "height": declared.height, "short_side": declared.short_side}[name].distribution()


def short_side_classes(evidence: Evidence) -> list[Class]:
    """Size classes by the short side: half-open, covering every size."""
    edges = evidence.requirement.edges_px
    counts = evidence.declared.short_side if evidence.declared else None
    limits = [0, *edges, float("inf")]
    return [
        Class(
            name=label,
            views=evidence.views(
                pl.col("declared_bucket") == label,
                pl.col("true_bucket") == label,
                exact=counts.between(limits[index], limits[index + 1]) if counts is not None and counts.n else None,
            ),
            over_all_rows=evidence.sample.bounds(evidence.has(pl.col("true_bucket") == label), evidence.measured)
            if evidence.probed
            else None,
        )
        for index, label in enumerate(bucket_labels(edges))
    ]


def historical_classes(evidence: Evidence) -> list[Class]:
    """Size classes by the historical scheme, which asks for both sides in one class."""
    labels = bucket_labels(evidence.requirement.edges_px)
    # Profiles count by the default edges; for others, only the sample can tell.
    counted = evidence.declared if evidence.requirement.edges_px == DEFAULT_EDGES_PX else None
    counts = counted.historical_buckets if counted else {}
    return _classes(evidence, labels, counts, declared="historical_bucket", true="true_historical_bucket")


def _classes(
    evidence: Evidence, names: Sequence[str], counts: Mapping[str, int], *, declared: str, true: str
) -> list[Class]:
    """One class per name, by the columns that hold the names; exact where they were counted over all rows."""
    rows = sum(counts.values())
    return [
        Class(
            name=name,
            views=evidence.views(
                pl.col(declared) == name,
                pl.col(true) == name,
                exact=exact_share(counts.get(name, 0), rows) if rows else None,
            ),
        )
        for name in names
    ]


def thresholds(evidence: Evidence) -> list[Threshold]:
    """How many images have both sides at least as long as each edge, the promise and the requirement."""
    requirement = evidence.requirement
    sides = {*requirement.edges_px, requirement.minimum_side_px, requirement.minimum_high_side_px}
    counts = evidence.declared.short_side if evidence.declared else None
    found = []
    for side in sorted({*sides, evidence.minimum_side_px}):
        true = pl.col("true_short_side") >= side
        reached = evidence.has(true)
        found.append(
            Threshold(
                minimum_side_px=side,
                views=evidence.views(
                    pl.col("declared_short_side") >= side,
                    true,
                    exact=counts.at_least(side) if counts is not None and counts.n else None,
                ),
                over_all_rows=evidence.sample.bounds(reached, evidence.measured) if evidence.probed else None,
                obtainable=evidence.sample.share(reached) if evidence.probed else None,
            )
        )
    return found


def aspect_classes(evidence: Evidence) -> list[Class]:
    """Square, landscape and portrait."""
    counts = dict(evidence.declared.aspect) if evidence.declared else {}
    return _classes(evidence, ASPECTS, counts, declared="declared_aspect", true="true_aspect")


def aspect_mean(evidence: Evidence) -> Views[Estimate]:
    """Mean of width / height."""
    declared, sample = evidence.declared, evidence.sample
    rows = sum(declared.aspect.values()) if declared else 0
    return Views[Estimate](
        declared_all=exact(declared.aspect_sum / rows, rows) if declared and rows else None,
        declared_sample=sample.mean(evidence.values("declared_aspect_ratio"), evidence.sized)
        if evidence.sized.any()
        else None,
        true_sample=sample.mean(evidence.values("true_aspect_ratio"), evidence.measured) if evidence.probed else None,
    )
