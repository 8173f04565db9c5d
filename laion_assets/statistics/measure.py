"""From what was observed to the whole document, in the order in which one figure needs another."""

from typing import Any

from laion_assets.statistics.anomaly import agreement, anomaly
from laion_assets.statistics.conclusions import conclude
from laion_assets.statistics.document import SCHEMA_VERSION, Conclusions, Coverage, Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import METHODS, exact_share
from laion_assets.statistics.reach import hosts, languages, reach
from laion_assets.statistics.requirement import criteria
from laion_assets.statistics.sizes import (
    aspect_classes,
    aspect_mean,
    historical_classes,
    short_side_classes,
    size_measures,
    thresholds,
)
from laion_assets.statistics.texts import captions, scores
from laion_assets.statistics.yields import choices, sample_sizes, similarity_cutoffs, strategy, yields


def measure(
    evidence: Evidence, *, dataset: str, title: str, parts_expected: int | None = None, minimum_is_promised: bool = True
) -> Statistics:
    """Everything the report says.

    Args:
        evidence: What was observed.
        dataset: The dataset's name, as in asset keys.
        title: The name people use.
        parts_expected: Parts the dataset is known to have; None when not known.
        minimum_is_promised: Whether the publisher promises the minimum side, or only who asks wants it.
    """
    requirement, sample = evidence.requirement, evidence.sample
    historical, short_side = historical_classes(evidence), short_side_classes(evidence)
    reached, levels = reach(evidence), thresholds(evidence)
    found_scores = scores(evidence)
    cutoffs = similarity_cutoffs(found_scores)
    required = next(level for level in levels if level.minimum_side_px == requirement.minimum_side_px)
    smallest = evidence.declared.short_side.values if evidence.declared else None
    found = Statistics(
        schema_version=SCHEMA_VERSION,
        dataset=dataset,
        title=title,
        declared_minimum_side_px=evidence.minimum_side_px,
        minimum_is_promised=minimum_is_promised,
        requirement=requirement,
        coverage=_coverage(evidence, parts_expected),
        sizes=size_measures(evidence),
        buckets=short_side,
        historical_buckets=historical,
        thresholds=levels,
        smallest_declared_side_px=int(smallest[0]) if smallest is not None and len(smallest) else None,
        aspect=aspect_classes(evidence),
        aspect_mean=aspect_mean(evidence),
        anomaly=anomaly(evidence, historical, short_side),
        agreement=agreement(evidence),
        reach=reached,
        hosts=hosts(evidence),
        languages=languages(evidence),
        captions=captions(evidence),
        scores=found_scores,
        similarity_cutoffs=cutoffs,
        criteria=[],
        yields=[],
        sample_sizes=sample_sizes(
            sample.population,
            declared=required.views.declared_sample,
            true=required.views.true_sample,
            reachable=reached.reachable if reached else None,
        ),
        strategy=None,
        methods={name: method.meaning for name, method in METHODS.items()},
        conclusions=Conclusions(summary=[], anomaly=[], strengths=[], limits=[], recommendations=[], strategy=[]),
    )
    chosen = choices(evidence, cutoffs)
    left = yields(evidence, chosen, plain(found))
    found = found.model_copy(update={"yields": left, "strategy": strategy(evidence, chosen[-1], left[-1])})
    found = found.model_copy(update={"criteria": criteria(plain(found), requirement)})
    # Twelve digits are more than any figure has; the rest differs between processors.
    found = Statistics.model_validate(_rounded(plain(found)))
    return found.model_copy(update={"conclusions": conclude(found, plain(found))})


def plain(found: Statistics) -> dict[str, Any]:
    """The document as plain values, as ``statistics.json`` holds them."""
    return found.model_dump(mode="json")


def _rounded(value: Any) -> Any:  # noqa: ANN401 (walks whatever the document holds)
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value


def _coverage(evidence: Evidence, parts_expected: int | None) -> Coverage:
    declared, rows = evidence.declared, evidence.rows
    probed = rows.get_column("probed_at").drop_nulls()
    first, last = probed.min(), probed.max()
    return Coverage(
        parts=declared.parts if declared else rows.get_column("part").n_unique(),
        parts_expected=parts_expected,
        rows_in=declared.rows_in if declared else None,
        rows_valid=declared.rows_valid if declared else None,
        rows_quarantined=declared.rows_quarantined if declared else None,
        quarantined=exact_share(declared.rows_quarantined, declared.rows_in) if declared else None,
        population=evidence.sample.population,
        sample_rows=rows.height,
        sample_parts=rows.get_column("part").n_unique(),
        weighted=evidence.sample.weighted,
        probed_rows=rows.get_column("outcome").drop_nulls().len(),
        measured_rows=int(evidence.measured.sum()),
        probed_from=str(first)[:16] + " UTC" if first is not None else None,
        probed_to=str(last)[:16] + " UTC" if last is not None else None,
    )
