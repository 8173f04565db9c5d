"""What follows from the numbers: the summary, the sentences about the anomaly, and the rest in its order.

Every sentence is chosen by the figures: on another population another one stands here. Strengths and limits are
weighed in ``judgements``, advice is in ``advice``.
"""

from functools import partial
from typing import Any

from laion_assets.statistics.advice import download_strategy, known_lengths, recommendations
from laion_assets.statistics.display import pluralize
from laion_assets.statistics.document import Conclusions, Statement, Statistics
from laion_assets.statistics.estimate import Share
from laion_assets.statistics.judgements import columns_are_exchanged, judge
from laion_assets.statistics.statements import say


def conclude(found: Statistics, document: dict[str, Any]) -> Conclusions:
    """All sentences of the report.

    Args:
        found: Everything measured.
        document: The same as plain values, for the numbers in the sentences.
    """
    if found.coverage.sample_rows == 0:
        nothing = say(document, "empty", "There are no valid rows: nothing can be said about sizes, links or captions.")
        return Conclusions(summary=[nothing], anomaly=[], strengths=[], limits=[], recommendations=[], strategy=[])
    strengths, limits = judge(found, document)
    return Conclusions(
        summary=[*_asked(found, document), *_headline(found, document), *_obtainable(found, document)],
        anomaly=[*_reproduced(found, document), *_served(found, document), *_exchanged(found, document)],
        strengths=strengths,
        limits=limits,
        recommendations=recommendations(found, document),
        strategy=download_strategy(found, document),
    )


def _asked(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """What the report rests on."""
    places = {
        "rows": "coverage/population count",
        "parts": "coverage/parts full_count",
        "sample": "coverage/sample_rows full_count",
    }
    cover = found.coverage
    start = f"{{rows}} {pluralize('row', cover.population)} in {{parts}} {pluralize('part', cover.parts)}"
    if found.reach is None:
        template = (
            f"{start}, {{sample}} of them sampled. The web was not asked: everything below is what the publisher "
            "declares, not what the images are."
        )
        return [say(document, "declared_only", template, **places)]
    template = (
        f"{start}. Of {{sample}} sampled {pluralize('link', cover.sample_rows)}, {{reached}} ({{share}}) gave an image "
        "whose size could be read."
    )
    places |= {"reached": "coverage/measured_rows full_count", "share": "reach/reachable percent"}
    return [say(document, "probed", template, **places)]


def _obtainable(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """What a download today would give."""
    if found.reach is None:
        return []
    side = {"side": "requirement/minimum_side_px tidy"}
    left = next(choice for choice in found.yields if choice.id == "required")
    if left.share.count == 0:
        template = "Not one sampled image with both sides of at least {side} px can be had today."
        return [say(document, "obtainable", template, **side)]
    about = "" if left.rows.method == "census" else "About "
    template = f"{about}{{images}} {pluralize('image', left.rows.estimate)} with both sides of at least {{side}} px"
    template += " can be had today"
    places = {"images": "yields/required/rows count+ci", **side}
    if left.bytes.estimate is not None:
        basis, lengths = known_lengths(left.lengths_known, "yields/required/lengths_known")
        template += f", {{bytes}} to download{basis}"
        places |= {"bytes": "yields/required/bytes bytes+ci", **lengths}
    return [say(document, "obtainable", f"{template}.", **places)]


def _historical(found: Statistics) -> tuple[str, Share, int] | None:
    """The historical figure that can be explained best: path, share, and how many of its rows really are small.

    Over all rows where the profiles tell that none is small; else in the sample. None without declared sizes.
    """
    exact, sampled = found.anomaly.historical.declared_all, found.anomaly.historical.declared_sample
    smallest = found.anomaly.short_side.declared_all
    if exact is not None and smallest is not None and smallest.count == 0:
        return "anomaly/historical/declared_all", exact, 0
    if sampled is None:
        return None
    return "anomaly/historical/declared_sample", sampled, found.anomaly.genuinely_small.count


def _headline(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """The anomaly in one sentence."""
    historical = _historical(found)
    if historical is None or historical[1].count == 0:
        return []
    path, share, genuine = historical
    places = {"share": f"{path} percent+ci", "edge": "requirement/edges_px/0 tidy"}
    start = "The {share} that size classes by both sides call “<\u00a0{edge}” are "
    if genuine == 0:
        template = start + "an artefact: not one of those rows declares a side below {edge} px."
    elif genuine == share.count:
        template = start + "real: every one of those rows declares a side below {edge} px."
    else:
        template = (
            "Of the {share} that size classes by both sides call “<\u00a0{edge}”, {straddling} are an artefact; "
            "{genuine} declare a side below {edge} px."
        )
        places["straddling"] = "anomaly/kinds/straddles_buckets/within_historical percent+ci"
        places["genuine"] = "anomaly/genuine_within_historical percent+ci"
    return [say(document, "headline", template, **places)]


def _reproduced(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """What the historical figure is made of."""
    tell = partial(say, document)
    historical = _historical(found)
    if historical is None:
        return [tell("no_sizes", "The metadata declares no sizes, so there is no historical figure to explain.")]
    path, share, genuine = historical
    kind = "valid" if share.method == "exact" else "sampled"
    whose = f"{'the ' if share.n > 1 else ''}{{n}} {kind} {pluralize('row', share.n)}"
    places = {"edge": "requirement/edges_px/0 tidy", "n": f"{path}/n count"}
    if share.count == 0:
        template = f"The historical scheme calls none of {whose} “<\u00a0{{edge}}”: there is no anomaly here."
        return [tell("absent", template, **places)]
    places["share"] = f"{path} percent+ci"
    start = f"The historical scheme puts {{share}} of {whose} into “<\u00a0{{edge}}”. "
    if genuine == 0:
        end = (
            "All of them are straddlers, with one side on each side of a class edge and none below {edge} px: an "
            "artefact of the classes, not a defect of the data. Classes by the short side have no such gap."
        )
    elif genuine == share.count:
        end = "All of them declare a short side below {edge} px: a defect of the data, not of the classes."
    else:
        end = (
            "{straddling} of the sampled rows are straddlers, with one side on each side of a class edge: an artefact. "
            "{genuine} declare a short side below {edge} px: a defect."
        )
        places["straddling"] = "anomaly/kinds/straddles_buckets/share percent+ci"
        places["genuine"] = "anomaly/genuinely_small percent+ci"
    return [tell("reproduced", start + end, **places)]


def _served(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """Whether the web serves what the metadata promises."""
    tell = partial(say, document)
    side = {"side": "declared_minimum_side_px tidy"}
    if found.reach is None:
        template = "Whether the web still serves at least {side} px was not asked; only probes tell."
        return [tell("not_probed", template, **side)]
    if found.reach.reachable.count == 0:
        return [tell("none_reached", "No image was reached, so nothing is known about true sizes.")]
    small = next(kind for kind in found.anomaly.kinds if kind.kind == "true_below_minimum").share
    path = "anomaly/kinds/true_below_minimum/share"
    if small.n == 0:
        template = "{share} of the reachable images have at least {side} px on both sides; no row had declared a size."
        level = f"thresholds/{found.declared_minimum_side_px}/views/true_sample"
        return [tell("undeclared", template, share=f"{level} percent+ci", **side)]
    if small.count:
        template = (
            "The defect that only a probe sees: {share} of the reachable images are declared large enough, but now "
            "come with a side below {side} px."
        )
        return [tell("served_smaller", template, share=f"{path} percent+ci", **side)]
    template = "No reachable image of the sample is below {side} px although its row declares more"
    if small.method == "census":
        return [tell("served_as_promised", f"{template}.", **side)]
    template += "; the share of such images is at most {high} (95 % confidence)."
    return [tell("served_as_promised", template, high=f"{path}/high percent", **side)]


def _exchanged(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """Whether width and height are exchanged."""
    swapped = next(kind for kind in found.anomaly.kinds if kind.kind == "declared_swapped").share
    path = "anomaly/kinds/declared_swapped/share"
    if swapped.n == 0:
        return []
    if swapped.count == 0:
        template = "Width and height are exchanged in no reachable row"
        if swapped.method == "census":
            return [say(document, "not_exchanged", f"{template}.")]
        template += " of the sample; the share of such rows is at most {high} (95 % confidence)."
        return [say(document, "not_exchanged", template, high=f"{path}/high percent")]
    places = {"share": f"{path} percent+ci"}
    template = "Width and height are exchanged in {share} of the reachable rows: single images, not the columns."
    if columns_are_exchanged(found):
        places["shows"] = "anomaly/swapped_where_it_shows percent+ci"
        template = (
            "Width and height are exchanged in {share} of the reachable rows, and in {shows} of those where it shows "
            "(the image has these two sides, and they differ): the columns are the wrong way round."
        )
    return [say(document, "exchanged", template, **places)]
