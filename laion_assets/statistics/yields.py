"""What choices of rows would leave, in rows and bytes; what downloading them takes; how large a sample must be."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from laion_assets.statistics.captions import is_blank, is_boilerplate, is_file_name, is_web_address
from laion_assets.statistics.document import SampleSize, Score, Statement, Strategy, Yield
from laion_assets.statistics.estimate import Estimate, Share
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import Bools, Z, exact_share, needed_for, scaled
from laion_assets.statistics.statements import say

HALF_WIDTHS = (0.05, 0.02, 0.01, 0.005, 0.001)

_SIZE = "{basis} short side ≥ {side} px"


@dataclass(frozen=True)
class Choice:
    """A condition on the metadata, and the true short side its images must reach (0 for any)."""

    id: str
    title: str
    template: str
    values: dict[str, str]
    where: Bools
    minimum_side_px: int


def similarity_cutoffs(scores: list[Score]) -> dict[str, float]:
    """The lower quartile per language group, rounded down to 0.001."""
    for score in scores:
        if score.name == "similarity":
            groups = score.groups or {"all": score.sample}
            quartiles = {name: group.percentiles["p25"].estimate for name, group in groups.items()}
            return {name: math.floor(value * 1000) / 1000 for name, value in quartiles.items() if value is not None}
    return {}


def choices(evidence: Evidence, cutoffs: dict[str, float]) -> list[Choice]:
    """The choices a report compares; those about scores the dataset does not publish are left out."""
    requirement = evidence.requirement
    side, high = requirement.minimum_side_px, requirement.minimum_high_side_px
    declared = pl.col("declared_short_side")
    # A row that declares no size may be large enough: only the image can tell.
    enough = evidence.has(declared.is_null() | (declared >= side))
    # So may one that declares less; where the web was asked, what it has is known.
    any_row = evidence.sample.everything if evidence.probed else enough
    places = {"side": "requirement/minimum_side_px tidy"}
    found = [
        Choice("everything", "Everything that answers", "any size", {}, evidence.sample.everything, 0),
        Choice("required", "Required size only", _SIZE, places, any_row, side),
        Choice(
            "high",
            "High resolution only",
            _SIZE,
            {"side": "requirement/minimum_high_side_px tidy"},
            evidence.has(declared.is_null() | (declared >= high)),
            high,
        ),
    ]
    if evidence.sized.any():
        smallest = evidence.rows.get_column("historical_bucket")
        label = f"< {requirement.edges_px[0]}"
        kept = (smallest != label).fill_null(value=True).to_numpy()
        found.insert(
            2,
            Choice(
                "historical",
                "Historical size classes",
                f"{_SIZE}, and not called too small by the historical scheme",
                places,
                enough & kept,
                side,
            ),
        )
    best, best_template, best_values = enough, _SIZE, dict(places)
    if cutoffs:
        english = evidence.has(pl.col("language") == "en")
        similarity = evidence.values("similarity")
        limit = np.where(english, cutoffs.get("en", math.nan), cutoffs.get("other", math.nan))
        limit = np.where(np.isnan(limit), cutoffs.get("all", math.nan), limit)
        names = {"en": "English", "other": "other languages", "all": "all"}
        told = " and ".join(f"{{{name}}} ({names[name]})" for name in cutoffs)
        found.append(
            Choice(
                "similarity",
                "Similarity above its lower quartile",
                f"{_SIZE}, similarity ≥ {told}",
                places | {name: f"similarity_cutoffs/{name} tidy" for name in cutoffs},
                enough & (similarity >= limit) & (similarity <= 1),
                side,
            )
        )
    for column, name, title, key in (
        ("pwatermark", "no_watermark", "No likely watermarks", "watermark_cutoff"),
        ("punsafe", "safe", "No likely unsafe images", "unsafe_cutoff"),
    ):
        cutoff = getattr(requirement, key)
        if evidence.rows.get_column(column).null_count() == evidence.rows.height:
            continue
        below = evidence.has(pl.col(column) < cutoff)
        place = {column: f"requirement/{key} tidy"}
        found.append(Choice(name, title, f"{_SIZE}, {column} < {{{column}}}", places | place, enough & below, side))
        best, best_template, best_values = (
            best & below,
            f"{best_template}, {column} < {{{column}}}",
            best_values | place,
        )
    caption = pl.col("caption")
    useless = is_blank(caption) | is_boilerplate(caption) | is_file_name(caption) | is_web_address(caption)
    if evidence.has(~is_blank(caption)).any():
        words = "a caption that says something"
        useful = ~evidence.has(useless)
        found.append(
            Choice("captions", "Captions that say something", f"{_SIZE}, {words}", places, enough & useful, side)
        )
        best, best_template = best & useful, f"{best_template}, {words}"
    found.append(Choice("combined", "All cleaning filters together", best_template, best_values, best, side))
    return found


def yields(evidence: Evidence, chosen: list[Choice], document: dict[str, object]) -> list[Yield]:
    """What each choice leaves."""
    return [_yield(evidence, choice, document) for choice in chosen]


def _yield(evidence: Evidence, choice: Choice, document: dict[str, object]) -> Yield:
    sample, left = evidence.sample, remaining(evidence, choice)
    lengths = evidence.values("file_bytes")
    known = ~np.isnan(lengths)
    share = sample.share(left)
    return Yield(
        id=choice.id,
        title=choice.title,
        condition=_condition(evidence, choice, document),
        attempted=_attempted(evidence, choice),
        share=share,
        rows=scaled(share, sample.population),
        bytes=sample.total(lengths, left),
        mean_bytes=sample.mean(lengths, left & known),
        lengths_known=sample.share(known, left) if evidence.probed else None,
    )


def _attempted(evidence: Evidence, choice: Choice) -> Share:
    sample = evidence.sample
    # A choice without a condition on the metadata asks for all rows, not for all sampled ones only.
    if choice.where is sample.everything:
        return exact_share(sample.population, sample.population)
    return sample.share(choice.where)


def _condition(evidence: Evidence, choice: Choice, document: dict[str, object]) -> Statement:
    by_declared = evidence.sized.any() and choice.where is not evidence.sample.everything
    sizes = [name for name, used in (("declared", by_declared), ("true", evidence.probed)) if used]
    template = choice.template.replace("{basis}", " and ".join(sizes) or "declared")
    return say(document, choice.id, template, **choice.values)


def remaining(evidence: Evidence, choice: Choice) -> Bools:
    """The sampled rows a choice leaves: by true size and without opt-outs, or by declared size when not probed."""
    if evidence.probed:
        wanted = (pl.col("true_short_side") >= choice.minimum_side_px) & ~pl.col("opted_out").fill_null(value=False)
        return choice.where & evidence.has(wanted)
    return choice.where


def strategy(evidence: Evidence, choice: Choice, found: Yield) -> Strategy | None:
    """What downloading a choice takes; None when nothing was probed."""
    if not evidence.probed or not len(evidence.sample.weight):
        return None
    requirement, sample = evidence.requirement, evidence.sample
    small = choice.where & evidence.has(pl.col("true_short_side") < choice.minimum_side_px)
    hosts = (
        evidence.rows.filter(pl.Series(choice.where))
        .group_by("host")
        .agg(pl.col("weight").sum())
        .sort(["weight", "host"], descending=[True, False])
    )
    busiest = hosts.item(0, "host") if hosts.height else None
    on_it = sample.share(choice.where & evidence.has(pl.col("host") == pl.lit(busiest, pl.String)))
    wanted = requirement.rows_wanted
    lengths = evidence.values("file_bytes")
    return Strategy(
        attempts=scaled(found.attempted, sample.population),
        images=found.rows,
        bytes=found.bytes,
        wasted_bytes=sample.total(lengths, small),
        wasted_lengths_known=sample.share(~np.isnan(lengths), small),
        line_hours=scaled(found.bytes, 8 / (requirement.bandwidth_mbit_s * 1e6) / 3600),
        busiest_host=busiest,
        busiest_host_rows=scaled(on_it, sample.population),
        busiest_host_hours=scaled(on_it, sample.population / requirement.requests_per_host_s / 3600),
        attempts_for_rows_wanted=needed_for(wanted, sample.share(remaining(evidence, choice), choice.where))
        if wanted
        else None,
    )


def sample_sizes(
    population: int, *, declared: Estimate | None, true: Estimate | None, reachable: Estimate | None
) -> list[SampleSize]:
    """Rows to sample so that a share is known to within plus or minus each half width (Cochran 1977, 4.4).

    Args:
        population: Rows the sample is drawn from.
        declared: The share that meets the requirement, of the rows as declared.
        true: The same of the reachable images; None when nothing was probed.
        reachable: The share of the rows that are reachable.
    """
    answering = (reachable.estimate if reachable else None) or 0.0
    likely = _nearest_to_half(true or declared)

    def among_reachable(half: float, share: float) -> int | None:
        """Rows to draw so that those of them which answer are enough."""
        if not answering:
            return None
        return min(population, math.ceil(rows_needed(half, share, round(population * answering)) / answering - 1e-9))

    return [
        SampleSize(
            half_width=half,
            rows_any_share=rows_needed(half, 0.5, population),
            rows_observed_share=None
            if likely is None
            else among_reachable(half, likely)
            if true
            else rows_needed(half, likely, population),
            rows_among_reachable=among_reachable(half, 0.5),
        )
        for half in HALF_WIDTHS
    ]


def rows_needed(half_width: float, share: float, population: int) -> int:
    """Rows of a simple random sample without replacement whose 95 % interval has that half width."""
    if population <= 1:
        return population
    unlimited = Z * Z * share * (1 - share) / half_width**2
    return max(1, math.ceil(unlimited / (1 + (unlimited - 1) / population) - 1e-9))


def _nearest_to_half(share: Estimate | None) -> float | None:
    """The value inside an interval that needs the largest sample."""
    if share is None or share.low is None or share.high is None:
        return None
    return min(max(0.5, share.low), share.high)
