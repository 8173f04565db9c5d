"""Strengths and limits, weighed on the figures.

Each judgement has thresholds of its own, looks at the interval and not at its middle where one is at hand, and may
have nothing to say. The thresholds are named here because they are opinions.
"""

import math
from functools import partial
from typing import Any, Literal

from laion_assets.statistics.declared import NO_NAME
from laion_assets.statistics.display import pluralize
from laion_assets.statistics.document import Statement, Statistics
from laion_assets.statistics.estimate import Share
from laion_assets.statistics.statements import say
from laion_assets.web.outcome import Fault

UNTOLD_LANGUAGES = (NO_NAME, "nolang")
"""What stands where the language of a caption is not known."""

Side = Literal["strength", "limit"]
Judged = tuple[Side, Statement]

MANY_REACHABLE = 0.8
FEW_REACHABLE = 0.5
MOSTLY_DEAD = 0.5
HARDLY_ANY_SMALL = 0.01
MUCH_HIGH_RESOLUTION = 0.1
ONE_SHAPE = 0.6
ONE_LANGUAGE = 0.9
SHORT_CAPTION_WORDS = 5
MANY_USELESS_CAPTIONS = 0.05
MANY_WATERMARKS = 0.1
MANY_UNSAFE = 0.01
CROWDED_HOST = 0.1
MANY_OUR_FAULT = 0.01
MANY_UNKNOWN_LENGTHS = 0.01
MANY_QUARANTINED = 0.01
PRECISE_HALF_WIDTH = 0.01
MANY_MATCHES = 0.95
SOME_MATCHES = 0.8
MATERIAL_GAP = 0.01
LARGEST_GAP_OF_LIKES = 0.05
COLUMNS_EXCHANGED = 0.5


def judge(found: Statistics, document: dict[str, Any]) -> tuple[list[Statement], list[Statement]]:
    """Strengths and limits, in the order of the report."""
    if found.coverage.sample_rows == 0:
        return [], []
    judged = [judgement for weigh in _WEIGHED for judgement in weigh(found, document)]
    return (
        [statement for side, statement in judged if side == "strength"],
        [statement for side, statement in judged if side == "limit"],
    )


def _promise(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    side = {"side": "declared_minimum_side_px tidy"}
    views = next(t for t in found.thresholds if t.minimum_side_px == found.declared_minimum_side_px).views
    held = views.declared_all or views.declared_sample
    if held is None:
        return [("limit", say(document, "promise", "The metadata declares no sizes: only probing shows them."))]
    where = "declared_all" if views.declared_all else "declared_sample"
    whose = "valid" if views.declared_all else "sampled"
    rows = found.coverage.rows_valid if views.declared_all else found.coverage.sample_rows
    those = pluralize("row", held.n) + ("" if held.n == rows else " with declared sizes")
    path = f"thresholds/{found.declared_minimum_side_px}/views/{where}"
    if held.count == held.n:
        every = "The only" if held.n == 1 else "Every one of the {n}"
        template = f"{every} {whose} {those} declares both sides at {{side}} px or more"
        template += ", as promised." if found.minimum_is_promised else "."
        return [("strength", say(document, "promise", template, n=f"{path}/n count", **side))]
    start = "The promise is broken: " if found.minimum_is_promised else "Not all rows declare enough: "
    if held.n == 1:
        template = f"{start}the only {whose} {those} declares a side below {{side}} px."
        return [("limit", say(document, "promise", template, **side))]
    if views.declared_all:
        path = "anomaly/kinds/declared_below_minimum/declared_all"
        declare = pluralize("declares", held.n - held.count, "declare")
        template = f"{start}{{few}} of the {{n}} valid {those} ({{share}}) {declare} a side below {{side}} px."
        places = {"few": f"{path}/count count", "n": f"{path}/n count", "share": f"{path} percent"}
        return [("limit", say(document, "promise", template, **places, **side))]
    template = f"{start}{{share}} of the {those} declare a side below {{side}} px."
    share = "anomaly/kinds/declared_below_minimum/share percent+ci"
    return [("limit", say(document, "promise", template, share=share, **side))]


def _true_size(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    tell = partial(say, document)
    side = found.requirement.minimum_side_px
    share = next(t for t in found.thresholds if t.minimum_side_px == side).views.true_sample
    if share is None or share.low is None or share.high is None:
        return []
    path = f"thresholds/{side}/views/true_sample"
    places = {"share": f"{path} percent+ci", "side": "requirement/minimum_side_px tidy"}
    if share.low >= 1 - HARDLY_ANY_SMALL:
        template = "What still answers is as large as required: {share} have at least {side} px."
        return [("strength", tell("true_size", template, **places))]
    if share.high < 1 - HARDLY_ANY_SMALL:
        template = "Not all that answers is large enough: only {share} have at least {side} px."
        return [("limit", tell("true_size", template, **places))]
    template = (
        "{share} of what answers has at least {side} px: too wide an interval to say whether that is enough; a larger "
        "sample would tell."
    )
    return [("limit", tell("true_size", template, **places))]


def _links(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    if found.reach is None:
        return [("limit", say(document, "links", "Links were not asked, so how many still work is not known."))]
    share = found.reach.reachable
    if share.low is None or share.high is None:
        return []
    places = {"share": "reach/reachable percent+ci"}
    if share.low >= MANY_REACHABLE:
        return [("strength", say(document, "links", "Most links live: {share} answer.", **places))]
    lost = 1 - (share.estimate or 0)
    dead = sum(ended.share.estimate or 0 for ended in found.reach.outcomes if ended.fault == Fault.LINK.value)
    if share.high < MANY_REACHABLE and dead < MOSTLY_DEAD * lost:
        template = "Only {share} of the links gave an image, but most of the others are not dead: see how they ended."
    elif share.high < FEW_REACHABLE:
        template = "More than half of the links are dead: only {share} still answer."
    elif share.high < MANY_REACHABLE:
        template = "Link rot is noticeable: {share} still answer."
    else:
        template = "How many links still work is known too roughly to judge: {share} answer."
    return [("limit", say(document, "links", template, **places))]


def _ours(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    if found.reach is None or (found.reach.our_fault.estimate or 0) <= MANY_OUR_FAULT:
        return []
    template = (
        "{share} of the probes failed on our side (resolver, network): the share of living links is understated. "
        "Probe again before deciding anything."
    )
    return [("limit", say(document, "our_fault", template, share="reach/our_fault percent+ci"))]


def _high_resolution(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    side = found.requirement.minimum_high_side_px
    views = next(t for t in found.thresholds if t.minimum_side_px == side).views
    share, where = (
        (views.true_sample, "true_sample")
        if views.true_sample is not None
        else (views.declared_sample, "declared_sample")
    )
    if share is None or share.low is None or share.high is None:
        return []
    what = "of the reachable images have" if where == "true_sample" else "of the rows declare"
    places = {"share": f"thresholds/{side}/views/{where} percent+ci", "side": "requirement/minimum_high_side_px tidy"}
    if share.low >= MUCH_HIGH_RESOLUTION:
        template = f"There is depth beyond the minimum: {{share}} {what} at least {{side}} px."
        return [("strength", say(document, "high_resolution", template, **places))]
    template = f"High resolution is thin: {{share}} {what} at least {{side}} px."
    return [("limit", say(document, "high_resolution", template, **places))]


def _matches(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    exact = next((match.share for match in found.agreement if match.name == "exact"), None)
    if exact is None or exact.low is None:
        return []
    places = {"share": "agreement/exact/share percent+ci"}
    if exact.low >= MANY_MATCHES:
        template = "Declared sizes can be trusted where the image still exists: {share} match to the pixel."
        return [("strength", say(document, "matches", template, **places))]
    if exact.low >= SOME_MATCHES:
        template = "Declared sizes are a good guess, not a fact: {share} of the reachable images have that very size."
    elif exact.high is not None and exact.high < SOME_MATCHES:
        template = "Declared sizes cannot be relied on: only {share} of the reachable images have that very size."
    else:
        template = (
            "Whether declared sizes can be relied on is open: {share} of the reachable images have that very size; a "
            "larger sample would tell."
        )
    return [("limit", say(document, "matches", template, **places))]


def _shapes(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    where: Literal["true_sample", "declared_sample"] = "true_sample" if found.reach else "declared_sample"
    shares = [(shape.name, getattr(shape.views, where)) for shape in found.aspect]
    known = [(share.estimate, name) for name, share in shares if share is not None and share.estimate is not None]
    if not known:
        return []
    largest, name = max(known)
    places = {"share": f"aspect/{name}/views/{where} percent+ci"}
    if largest > ONE_SHAPE:
        return [("limit", say(document, "shapes", f"One shape dominates: {{share}} are {name}.", **places))]
    template = f"Shapes are mixed: the most frequent one, {name}, makes {{share}}."
    return [("strength", say(document, "shapes", template, **places))]


def _precision(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    needed = next(size.rows_any_share for size in found.sample_sizes if size.half_width == PRECISE_HALF_WIDTH)
    places = {"n": "coverage/sample_rows full_count"}
    rows = f"{{n}} {pluralize('row', found.coverage.sample_rows)}"
    if found.coverage.sample_rows >= needed:
        template = f"The sample of {rows} is large enough to pin shares to within about one percentage point."
        return [("strength", say(document, "precision", template, **places))]
    template = f"The sample is small: with {rows}, shares are uncertain by more than one percentage point."
    return [("limit", say(document, "precision", template, **places))]


def _nonresponse(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    if found.reach is None:
        return []
    reached, missed = found.reach.declared_high_among_reached, found.reach.declared_high_among_unreached
    if reached.n == 0 or missed.n == 0:
        return []
    places = {
        "reached": "reach/declared_high_among_reached percent+ci",
        "missed": "reach/declared_high_among_unreached percent+ci",
        "side": "requirement/minimum_high_side_px tidy",
    }
    gap = abs((reached.estimate or 0) - (missed.estimate or 0))
    least, most = _difference(reached, missed)
    if least > 0 and gap >= MATERIAL_GAP:
        template = (
            "Images that answer are not like those that do not: {reached} against {missed} declare at least {side} px. "
            "Shares among reachable images do not carry over to all rows; use the bounds."
        )
        return [("limit", say(document, "nonresponse", template, **places))]
    if gap >= MATERIAL_GAP or most > LARGEST_GAP_OF_LIKES:
        return []  # too few rows to tell a difference from chance
    template = "Rows that answer look like those that do not: {reached} and {missed} declare at least {side} px."
    return [("strength", say(document, "nonresponse", template, **places))]


def columns_are_exchanged(found: Statistics) -> bool:
    """Whether width and height are exchanged throughout, rather than in single images."""
    share = found.anomaly.swapped_where_it_shows
    return share is not None and (share.estimate or 0) > COLUMNS_EXCHANGED


def _difference(one: Share, other: Share) -> tuple[float, float]:
    """The 95 % interval of how far the larger of two shares is above the smaller (Newcombe 1998)."""
    smaller, larger = sorted(
        (share.estimate or 0.0, share.low or 0.0, 1.0 if share.high is None else share.high) for share in (one, other)
    )
    gap = larger[0] - smaller[0]
    return (
        gap - math.hypot(larger[0] - larger[1], smaller[2] - smaller[0]),
        gap + math.hypot(larger[2] - larger[0], smaller[0] - smaller[1]),
    )


def _captions(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    median, useless = found.captions.words.percentiles["p50"], found.captions.useless
    if median.estimate is None or useless.low is None or useless.high is None:
        return []
    judged: list[Judged] = []
    places = {"words": "captions/words/percentiles/p50 tidy+ci"}
    if median.estimate < SHORT_CAPTION_WORDS:
        template = "Captions are short: half of them have {words} words or fewer."
        judged.append(("limit", say(document, "caption_words", template, **places)))
    else:
        template = "Captions say something: the median has {words} words."
        judged.append(("strength", say(document, "caption_words", template, **places)))
    if useless.low > MANY_USELESS_CAPTIONS:
        template = "{share} of the captions say nothing (blank, boilerplate, file names, addresses)."
        judged.append(("limit", say(document, "useless_captions", template, share="captions/useless percent+ci")))
    return judged


def _languages(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    if not found.languages or found.languages[0].sample is None:
        return []
    share = found.languages[0].sample.estimate
    if share is None:
        return []
    places = {"share": "languages/0/sample percent+ci"}
    if found.languages[0].name in UNTOLD_LANGUAGES:
        template = "The language of {share} of the captions is not known."
        return [("limit", say(document, "languages", template, **places))]
    if share > ONE_LANGUAGE:
        template = "Nearly all captions are in one language: {share}."
        return [("limit", say(document, "languages", template, **places))]
    template = "Captions come in more than one language; the most frequent makes {share}."
    return [("strength", say(document, "languages", template, **places))]


def _score(
    found: Statistics, document: dict[str, Any], column: str, name: str, limit: float, what: str
) -> list[Judged]:
    score = next((score for score in found.scores if score.name == column), None)
    if score is None:
        return []
    share = score.at_or_above_cutoff_all or score.at_or_above_cutoff
    if share is None or share.low is None:
        return []
    path = f"scores/{column}/at_or_above_cutoff" + ("_all" if score.at_or_above_cutoff_all else "")
    places = {"share": f"{path} percent+ci", "cutoff": f"scores/{column}/cutoff tidy"}
    if share.low > limit:
        template = f"{{share}} of the scored rows are {what} ({column} ≥ {{cutoff}})."
        return [("limit", say(document, name, template, **places))]
    template = f"Few rows are {what}: {{share}} of those scored ({column} ≥ {{cutoff}})."
    return [("strength", say(document, name, template, **places))]


def _watermarks(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    return _score(found, document, "pwatermark", "watermarks", MANY_WATERMARKS, "likely watermarked")


def _unsafe(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    return _score(found, document, "punsafe", "unsafe", MANY_UNSAFE, "likely unsafe")


def _hosts(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    share = found.hosts.top_1
    if share is None or share.estimate is None:
        return []
    places = {"share": "hosts/top_1 percent+ci", "top": "hosts/top_10 percent+ci"}
    if share.estimate >= CROWDED_HOST:
        template = (
            "One host holds {share} of the rows, the ten largest {top}: politeness there decides how long it takes."
        )
        return [("limit", say(document, "hosts", template, **places))]
    template = "URLs are spread over many hosts: the largest holds {share}, the ten largest {top}."
    return [("strength", say(document, "hosts", template, **places))]


def _opted_out(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    if found.reach is None or found.reach.opted_out.count == 0:
        return []
    template = "The publishers of {share} of the rows asked not to be used for training; those must be left out."
    return [("limit", say(document, "opted_out", template, share="reach/opted_out percent+ci"))]


def _lengths(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    unknown = found.reach.file_bytes_unknown if found.reach is not None else None
    if unknown is None or (unknown.estimate or 0) <= MANY_UNKNOWN_LENGTHS:
        return []
    if unknown.count == unknown.n:
        return [("limit", say(document, "lengths", "No server tells how long a file is: bytes cannot be estimated."))]
    template = "The length of {share} of the reachable images is not known: bytes count them at the mean of the others."
    return [("limit", say(document, "lengths", template, share="reach/file_bytes_unknown percent+ci"))]


def _quarantine(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    share = found.coverage.quarantined
    if share is None or share.estimate is None:
        return []
    places = {"share": "coverage/quarantined percent", "rows": "coverage/rows_in count"}
    published = f"{{rows}} published {pluralize('row', found.coverage.rows_in)}"
    if share.estimate > MANY_QUARANTINED:
        template = f"Of {published}, {{share}} were unusable and quarantined."
        return [("limit", say(document, "quarantine", template, **places))]
    template = f"The metadata is clean: of {published}, {{share}} had to be quarantined."
    return [("strength", say(document, "quarantine", template, **places))]


def _coverage(found: Statistics, document: dict[str, Any]) -> list[Judged]:
    cover, judged = found.coverage, list[Judged]()
    if cover.parts_expected is not None and cover.parts < cover.parts_expected:
        template = "Only {parts} of {expected} parts are here: the figures speak for those."
        places = {"parts": "coverage/parts full_count", "expected": "coverage/parts_expected full_count"}
        judged.append(("limit", say(document, "missing_parts", template, **places)))
    if cover.rows_valid is not None and cover.rows_valid != cover.population:
        rows = pluralize("row", cover.population)
        template = f"The sample stands for {{sampled}} {rows}, the profiles count {{valid}}: draw the sample again."
        places = {"sampled": "coverage/population full_count", "valid": "coverage/rows_valid full_count"}
        judged.append(("limit", say(document, "stale_sample", template, **places)))
    return judged


_WEIGHED = (
    _promise,
    _true_size,
    _links,
    _ours,
    _high_resolution,
    _matches,
    _shapes,
    _precision,
    _nonresponse,
    _captions,
    _languages,
    _watermarks,
    _unsafe,
    _hosts,
    _opted_out,
    _lengths,
    _quarantine,
    _coverage,
)
