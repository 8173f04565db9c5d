"""What follows from the numbers: the summary, the sentence about the anomaly, and the rest in its order.

Every sentence is chosen by the figures: on another population another one stands here. Strengths and limits are
weighed in ``judgements``, advice is in ``advice``.
"""

from functools import partial
from typing import Any

from laion_assets.statistics.advice import download_strategy, recommendations
from laion_assets.statistics.document import Conclusions, Statement, Statistics
from laion_assets.statistics.judgements import judge
from laion_assets.statistics.statements import say


def conclude(found: Statistics, document: dict[str, Any]) -> Conclusions:
    """All sentences of the report.

    Args:
        found: Everything measured.
        document: The same as plain values, for the numbers in the sentences.
    """
    strengths, limits = judge(found, document)
    return Conclusions(
        summary=summary(found, document),
        anomaly=about_the_anomaly(found, document),
        strengths=strengths,
        limits=limits,
        recommendations=recommendations(found, document),
        strategy=download_strategy(found, document),
    )


def summary(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """The first sentences a reader sees."""
    tell = partial(say, document)
    rows = {"rows": "coverage/population count", "parts": "coverage/sample_parts full_count"}
    if found.coverage.sample_rows == 0:
        return [tell("empty", "There are no valid rows: nothing can be said about sizes, links or captions.")]
    lines = []
    plural = "part" if found.coverage.sample_parts == 1 else "parts"
    if found.reach is None:
        lines.append(
            tell(
                "declared_only",
                f"{{rows}} rows in {{parts}} {plural}, {{sample}} of them sampled. The web was not asked: everything "
                "below is what the publisher declares, not what the images are.",
                sample="coverage/sample_rows full_count",
                **rows,
            )
        )
    else:
        lines.append(
            tell(
                "probed",
                f"{{rows}} rows in {{parts}} {plural}. Of {{sample}} sampled links, {{reached}} ({{share}}) still give "
                "an image whose size could be read.",
                sample="coverage/sample_rows full_count",
                reached="coverage/measured_rows full_count",
                share="reach/reachable percent",
                **rows,
            )
        )
    lines.extend(_headline(found, document))
    side = "requirement/minimum_side_px tidy"
    if found.reach is not None:
        lines.append(
            tell(
                "obtainable",
                "About {images} images ({low} to {high}) with both sides of at least {side} px can be had today, "
                "{bytes} to download.",
                images="yields/required/rows count",
                low="yields/required/rows/low count",
                high="yields/required/rows/high count",
                bytes="yields/required/bytes bytes",
                side=side,
            )
        )
    return lines


def _headline(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """The anomaly in one sentence."""
    historical = found.anomaly.historical.declared_sample
    if historical is None or not historical.count:
        return []
    places = {"share": "anomaly/historical/declared_sample percent", "edge": "requirement/edges_px/0 tidy"}
    genuine = found.anomaly.genuinely_small.count
    if genuine == 0:
        template = (
            "The {share} that size classes by both sides call “<\u00a0{edge}” are an artefact: not one of those rows "
            "declares a side below {edge} px."
        )
    elif genuine == historical.count:
        template = (
            "The {share} that size classes by both sides call “<\u00a0{edge}” are real: each of those rows declares "
            "a side below {edge} px."
        )
    else:
        template = (
            "Of the {share} that size classes by both sides call “<\u00a0{edge}”, part is artefact and part is real: "
            "{genuine} of the rows declare a side below {edge} px."
        )
        places["genuine"] = "anomaly/genuinely_small percent"
    return [say(document, "headline", template, **places)]


def about_the_anomaly(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """What is artefact and what is defect, in plain sentences."""
    return [*_reproduced(found, document), *_served(found, document), *_exchanged(found, document)]


def _reproduced(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    tell = partial(say, document)
    historical = found.anomaly.historical.declared_sample
    if historical is None:
        return [tell("no_sizes", "The metadata declares no sizes, so there is no historical figure to explain.")]
    edge = {"edge": "requirement/edges_px/0 tidy"}
    if historical.count == 0:
        return [
            tell(
                "absent", "Not even the historical scheme finds a sampled row “<\u00a0{edge}”: no anomaly here.", **edge
            )
        ]
    places = {
        **edge,
        "share": "anomaly/historical/declared_sample percent",
        "low": "anomaly/historical/declared_sample/low percent",
        "high": "anomaly/historical/declared_sample/high percent",
        "straddling": "anomaly/kinds/straddles_buckets/share percent",
        "genuine": "anomaly/genuinely_small percent",
    }
    start = "The historical scheme puts {share} ({low} to {high}) of the rows into “<\u00a0{edge}”. "
    genuine = found.anomaly.genuinely_small.count
    del places["straddling" if genuine in (0, historical.count) else "low"]
    if genuine in (0, historical.count):
        del places["genuine"]
        end = (
            "All of them are straddlers, with one side on each side of a class edge and none below {edge} px: an "
            "artefact of the classes, not a defect of the data. Classes by the short side have no such gap."
            if genuine == 0
            else "All of them declare a short side below {edge} px: a defect of the data, not of the classes."
        )
    else:
        places["low"] = "anomaly/historical/declared_sample/low percent"
        end = (
            "{straddling} of the rows are straddlers, with one side on each side of a class edge: an artefact. "
            "{genuine} declare a short side below {edge} px: a defect."
        )
    return [tell("reproduced", start + end, **places)]


def _served(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    tell = partial(say, document)
    side = {"side": "declared_minimum_side_px tidy"}
    if found.reach is None:
        return [
            tell(
                "not_probed", "Whether the web still serves at least {side} px was not asked; only probes tell.", **side
            )
        ]
    true_below = next(kind for kind in found.anomaly.kinds if kind.kind == "true_below_minimum").share
    path = "anomaly/kinds/true_below_minimum/share"
    if true_below.n == 0:
        return [tell("none_reached", "No image was reached, so nothing is known about true sizes.")]
    if true_below.count == 0:
        return [
            tell(
                "served_as_promised",
                "No reachable image of the sample is below {side} px although its row declares more; the share of "
                "such images is at most {high} (95 % confidence).",
                high=f"{path}/high percent",
                **side,
            )
        ]
    return [
        tell(
            "served_smaller",
            "The defect that matters is not in the metadata: {share} ({low} to {high}) of the reachable images are "
            "declared large enough but now come with a side below {side} px. Only the image itself shows it.",
            share=f"{path} percent",
            low=f"{path}/low percent",
            high=f"{path}/high percent",
            **side,
        )
    ]


def _exchanged(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    swapped = next(kind for kind in found.anomaly.kinds if kind.kind == "declared_swapped").share
    if swapped.n == 0:
        return []
    path = "anomaly/kinds/declared_swapped/share"
    if swapped.count == 0:
        return [
            say(
                document,
                "not_exchanged",
                "Width and height are not exchanged in any reachable row (at most {high} of them, 95 % confidence).",
                high=f"{path}/high percent",
            )
        ]
    if (swapped.estimate or 0) > 0.5:
        template = (
            "Width and height are exchanged in {share} of the reachable rows: map the columns the other way round."
        )
    else:
        template = "Width and height are exchanged in {share} of the reachable rows: single images, not the columns."
    return [say(document, "exchanged", template, share=f"{path} percent")]
