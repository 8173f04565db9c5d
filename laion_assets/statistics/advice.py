"""Recommendations with what each would leave, and how to download: chosen by the figures.

The numbers are measured in ``yields``; only the words are here.
"""

from functools import partial
from typing import Any

from laion_assets.statistics.display import pluralize
from laion_assets.statistics.document import Criterion, Share, Statement, Statistics
from laion_assets.statistics.judgements import CROWDED_HOST, MANY_OUR_FAULT, columns_are_exchanged
from laion_assets.statistics.statements import say

WORTH_RETRYING = 0.01
LITTLE = 0.95


def recommendations(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """What to keep and what to drop."""
    if found.coverage.sample_rows == 0:
        return []
    return [
        *_classes(found, document),
        *_declared_small(found, document),
        *_swapped(found, document),
        *_true_size(found, document),
        *_high(found, document),
        *_filters(found, document),
        *_enough(found, document),
    ]


def known_lengths(known: Share | None, path: str) -> tuple[str, dict[str, str]]:
    """What bytes rest on, to stand behind them, and its places; nothing where every length is known."""
    if known is None or known.count == known.n:
        return "", {}
    told = ", going by the {lengths} of {files} sampled ones whose length is known"
    return told, {"lengths": f"{path}/count full_count", "files": f"{path}/n full_count"}


def _leaves(name: str, found: Statistics) -> tuple[str, dict[str, str]]:
    """The number as in the table beside, where its interval stands."""
    places = {"rows": f"yields/{name}/rows count"}
    choice = next(choice for choice in found.yields if choice.id == name)
    left = choice.rows.estimate
    if found.reach is None:
        links = pluralize("its link still works", left, "their links still work")
        return f" It leaves {{rows}} {pluralize('row', left)}, as far as {links}.", places
    template = f" It leaves {{rows}} {pluralize('image', left)}"
    if choice.bytes.estimate is None:
        return f"{template}.", places
    return f"{template}, {{bytes}}.", places | {"bytes": f"yields/{name}/bytes bytes"}


def _classes(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    if not _kind(found, "straddles_buckets"):
        return []
    template = (
        "Class sizes by the short side. The historical scheme would throw away {share} of the rows although both of "
        "their sides are large enough."
    )
    return [say(document, "short_side", template, share="anomaly/kinds/straddles_buckets/share percent+ci")]


def _declared_small(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    exact = next(k.declared_all for k in found.anomaly.kinds if k.kind == "declared_below_minimum")
    if not (exact.count if exact else _kind(found, "declared_below_minimum")):
        return []
    path = "anomaly/kinds/declared_below_minimum/" + ("declared_all" if exact else "share")
    template = "Exclude the {share} of rows that declare a side below {side} px before asking for anything."
    places = {"share": f"{path} percent+ci", "side": "declared_minimum_side_px tidy"}
    return [say(document, "declared_small", template, **places)]


def _swapped(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    if not columns_are_exchanged(found):
        return []
    return [say(document, "swapped", "Exchange the width and height columns, in the dataset's YAML or with --columns.")]


def _true_size(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    side = {"side": "requirement/minimum_side_px tidy"}
    ending, places = _leaves("required", found)
    if found.reach is None:
        template = "Probe a sample before downloading: declared sizes do not tell what the web serves now."
        return [say(document, "required", template)]
    too_small = next(t for t in found.thresholds if t.minimum_side_px == found.requirement.minimum_side_px)
    share = too_small.views.true_sample
    if share is None or share.n == 0:
        return []
    if share.count < share.n and _kind(found, "true_below_minimum"):
        template = "Enforce {side} px on the image itself while downloading; the metadata cannot be trusted for it."
    elif share.count < share.n:
        template = "Enforce {side} px on the image itself while downloading: not all that answers has it."
    else:
        template = "Keep the check for {side} px while downloading, although no sampled image failed it."
    return [say(document, "required", template + ending, **side, **places)]


def _high(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    kept = next(choice for choice in found.yields if choice.id == "high")
    if kept.rows.estimate is None:
        return []
    ending, places = _leaves("high", found)
    side = {"side": "requirement/minimum_high_side_px tidy"}
    wanted = found.requirement.rows_wanted
    if kept.share.count == 0:
        return [say(document, "high", "Do not ask for {side} px and more: the sample holds no such image.", **side)]
    if wanted is None:
        start = "Take only {side} px and more where detail matters more than numbers."
    elif kept.rows.low is not None and kept.rows.low >= wanted:
        start = "Take only {side} px and more: that alone gives the images wanted."
    else:
        start = "Do not restrict to {side} px and more: that would not give the images wanted."
    return [say(document, "high", start + ending, **side, **places)]


def _filters(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """Watermarks, unsafe images, captions, similarity: advised where the requirement is not met, else optional."""
    if not next(choice for choice in found.yields if choice.id == "required").share.count:
        return []  # nothing is left to drop anything from
    missed = {line.id for line in found.criteria if line.verdict != "met"}
    kept = {choice.id for choice in found.yields}
    lines = []
    for name, criterion, what in (
        ("safe", "unsafe", "likely unsafe images"),
        ("no_watermark", "watermarks", "likely watermarks"),
        ("captions", "captions", "captions that say nothing"),
    ):
        if name in kept:
            ending, places = _leaves(name, found)
            start = f"Dropping {what} " + ("costs little." if _costs_little(name, found) else "is optional.")
            lines.append(say(document, name, (f"Drop {what}." if criterion in missed else start) + ending, **places))
    if "similarity" in kept:
        ending, places = _leaves("similarity", found)
        grouped = " within each language group rather than by one cut-off" if len(found.similarity_cutoffs) > 1 else ""
        start = f"Raise similarity{grouped}, if captions must fit closely."
        lines.append(say(document, "similarity", start + ending, **places))
    return lines


def _costs_little(name: str, found: Statistics) -> bool:
    """Whether a filter leaves nearly all that the required size alone does; rows without a score do not pass one."""
    left = {choice.id: choice.share.estimate or 0.0 for choice in found.yields}
    return left[name] >= LITTLE * left["required"]


def _enough(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    line = _criterion(found, "rows")
    if line is None:
        return []
    places = {"wanted": "requirement/rows_wanted count", "rows": "yields/combined/rows count+ci"}
    left = f"{{rows}} {pluralize('image', found.yields[-1].rows.estimate)}"
    if line.verdict == "met":
        ending = f"still leave {left}, enough for the {{wanted}} wanted: apply them all."
    elif line.verdict == "not met":
        ending = f"leave {left}, fewer than the {{wanted}} wanted: choose among them."
    else:
        ending = f"leave about {left}; whether that reaches the {{wanted}} wanted is open."
    return [say(document, "enough", f"The cleaning filters together {ending}", **places)]


def download_strategy(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """How to go about downloading what all filters together leave."""
    tell, plan, reach = partial(say, document), found.strategy, found.reach
    if plan is None or reach is None:
        return []
    if not plan.images.estimate:
        return [tell("nothing", "There is nothing to download: no sampled row passes all filters and answers.")]
    places = {
        "all": "coverage/population count",
        "attempts": "strategy/attempts count+ci",
        "images": "strategy/images count+ci",
    }
    template = (
        f"Filter on the metadata first: of {{all}} {pluralize('row', found.coverage.population)}, {{attempts}} "
        f"{pluralize('has', plan.attempts.estimate, 'have')} to be asked for, and about {{images}} "
        f"{pluralize('image', plan.images.estimate)} will come"
    )
    if plan.bytes.estimate is not None:
        basis, lengths = known_lengths(found.yields[-1].lengths_known, "yields/combined/lengths_known")
        template += f", {{bytes}}{basis}"
        places |= {"bytes": "strategy/bytes bytes+ci", **lengths}
    lines = [tell("filter_first", f"{template}.", **places)]
    if (reach.our_fault.estimate or 0) > MANY_OUR_FAULT:
        lines.append(
            tell(
                "fix_first",
                "Repair our own resolver or network first: it failed on {share} of the probes.",
                share="reach/our_fault percent+ci",
            )
        )
    if plan.wasted_bytes.estimate:
        basis, lengths = known_lengths(plan.wasted_lengths_known, "strategy/wasted_lengths_known")
        template = f"Read the header before the body: it saves images that turn out too small, {{bytes}}{basis}."
        lines.append(tell("header_first", template, bytes="strategy/wasted_bytes bytes+ci", **lengths))
    lines.extend(_pace(found, document))
    if (reach.undecided.estimate or 0) > WORTH_RETRYING:
        template = "Ask again later for what was only busy: {share} of the rows failed in a way that may pass."
        lines.append(tell("retry", template, share="reach/undecided percent+ci"))
    else:
        lines.append(tell("no_retry", "One pass is enough: hardly any failure is of a kind that passes."))
    if reach.opted_out.count:
        lines.append(
            tell("opt_out", "Honour X-Robots-Tag: {share} of the rows opt out.", share="reach/opted_out percent+ci")
        )
    lines.extend(_wanted(found, document))
    return lines


def _wanted(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    """How many rows to ask for so that the images wanted arrive; whether there are so many, the requirement decided."""
    line = _criterion(found, "rows")
    if line is None:
        return []
    places = {"wanted": "requirement/rows_wanted count", "attempts": "strategy/attempts_for_rows_wanted count+ci"}
    images = f"{{wanted}} {pluralize('image', found.requirement.rows_wanted)}"
    asked = None if found.strategy is None else found.strategy.attempts_for_rows_wanted
    rows = f"{{attempts}} {pluralize('row', asked.estimate if asked else None)}"
    if line.verdict == "met":
        template = f"For {images}, asking for {rows} is enough: a random part of what passes the filters."
        return [say(document, "part_is_enough", template, **places)]
    if line.verdict == "not met":
        template = f"{images} would take {rows}, more than pass the filters: relax a filter."
        return [say(document, "not_enough", template, **places)]
    template = f"{images} would take {rows}, about as many as pass the filters: ask for all of them."
    return [say(document, "all_of_them", template, **places)]


def _pace(found: Statistics, document: dict[str, Any]) -> list[Statement]:
    plan = found.strategy
    if plan is None or plan.line_hours.estimate is None or plan.busiest_host_hours.estimate is None:
        return []
    places = {
        "line": "strategy/line_hours hours+ci",
        "rate": "requirement/bandwidth_mbit_s tidy",
        "host": "strategy/busiest_host_hours hours+ci",
        "requests": "requirement/requests_per_host_s tidy",
    }
    if plan.busiest_host_hours.estimate > plan.line_hours.estimate:
        template = (
            "Politeness sets the pace, not the line: at {requests} requests a second the busiest host alone needs "
            "{host}, while {rate} Mbit/s would carry the bytes in {line}. Start with that host and keep it busy."
        )
    else:
        template = (
            "The line sets the pace: {rate} Mbit/s carry the bytes in {line}; at {requests} requests a second the "
            "busiest host needs {host}."
        )
    share = found.hosts.top_1.estimate if found.hosts.top_1 else None
    shuffle = " Shuffle hosts, or one shop's rows line up." if share is not None and share >= CROWDED_HOST else ""
    return [say(document, "pace", template + shuffle, **places)]


def _kind(found: Statistics, name: str) -> int:
    return next(kind.share.count for kind in found.anomaly.kinds if kind.kind == name)


def _criterion(found: Statistics, name: str) -> Criterion | None:
    return next((line for line in found.criteria if line.id == name), None)
