"""The requirement table: criterion, measured, met or not.

An interval decides, not its middle: a criterion is met when all of the interval meets it, not met when none of it
does, and undecided in between.
"""

from typing import Any, Literal

from laion_assets.statistics.display import resolve
from laion_assets.statistics.document import Criterion
from laion_assets.statistics.estimate import Estimate
from laion_assets.statistics.spec import RequirementSpec
from laion_assets.statistics.statements import say

Comparison = Literal["at least", "at most"]
Verdict = Literal["met", "not met", "undecided"]


def verdict(measured: Estimate, comparison: Comparison, target: float) -> Verdict:
    """Whether an interval lies on the right side of a target."""
    low, high = measured.low, measured.high
    if measured.estimate is None:
        return "undecided"
    if comparison == "at least":
        if low is not None and low >= target:
            return "met"
        return "not met" if high is not None and high < target else "undecided"
    if high is not None and high <= target:
        return "met"
    return "not met" if low is not None and low > target else "undecided"


def criteria(document: dict[str, Any], requirement: RequirementSpec) -> list[Criterion]:
    """The table; criteria that are not asked for, or whose figure the dataset does not publish, are left out."""
    side, high = requirement.minimum_side_px, requirement.minimum_high_side_px
    promised = f"thresholds/{document['declared_minimum_side_px']}/views"
    asked: list[tuple[str, str, dict[str, str], Comparison, float | None, str, str]] = [
        (
            "declared_minimum",
            "Declared sides of at least {side} px, as published",
            {"side": "declared_minimum_side_px tidy"},
            "at least",
            1.0,
            "share",
            f"{promised}/declared_all|{promised}/declared_sample",
        ),
        (
            "true_minimum",
            "Reachable images with both sides of at least {side} px",
            {"side": "requirement/minimum_side_px tidy"},
            "at least",
            requirement.minimum_size_share,
            "share",
            f"thresholds/{side}/views/true_sample",
        ),
        (
            "high_resolution",
            "Reachable images with both sides of at least {side} px",
            {"side": "requirement/minimum_high_side_px tidy"},
            "at least",
            requirement.minimum_high_share,
            "share",
            f"thresholds/{high}/views/true_sample",
        ),
        (
            "reachable",
            "Links that still give an image",
            {},
            "at least",
            requirement.minimum_reachable_share,
            "share",
            "reach/reachable",
        ),
        (
            "rows",
            "Images left after all cleaning filters",
            {},
            "at least",
            requirement.rows_wanted,
            "rows",
            "yields/combined/rows",
        ),
        (
            "caption_words",
            "Median words per caption",
            {},
            "at least",
            requirement.minimum_median_words,
            "words",
            "captions/words/percentiles/p50",
        ),
        (
            "captions",
            "Captions that say nothing",
            {},
            "at most",
            requirement.maximum_boilerplate_share,
            "share",
            "captions/useless",
        ),
        (
            "watermarks",
            "Likely watermarks (pwatermark ≥ {cutoff})",
            {"cutoff": "requirement/watermark_cutoff tidy"},
            "at most",
            requirement.maximum_watermark_share,
            "share",
            "scores/pwatermark/at_or_above_cutoff_all|scores/pwatermark/at_or_above_cutoff",
        ),
        (
            "unsafe",
            "Likely unsafe images (punsafe ≥ {cutoff})",
            {"cutoff": "requirement/unsafe_cutoff tidy"},
            "at most",
            requirement.maximum_unsafe_share,
            "share",
            "scores/punsafe/at_or_above_cutoff_all|scores/punsafe/at_or_above_cutoff",
        ),
    ]
    found = []
    for name, template, values, comparison, target, unit, path in asked:
        measured = _measured(document, path)
        if target is None or measured is None or (path.startswith("captions/") and measured.n == 0):
            continue
        found.append(
            Criterion.model_validate(
                {
                    "id": name,
                    "criterion": say(document, name, template, **values),
                    "comparison": comparison,
                    "target": target,
                    "unit": unit,
                    "measured": measured,
                    "verdict": verdict(measured, comparison, target),
                }
            )
        )
    return found


def _measured(document: dict[str, Any], paths: str) -> Estimate | None:
    """The first figure there is: an exact one stands before the estimate of the same."""
    for path in paths.split("|"):
        try:
            value = resolve(document, path)
        except (KeyError, IndexError, TypeError):
            continue
        if value is not None:
            return Estimate(**{key: value[key] for key in Estimate.model_fields})
    return None
