"""What comes with the images: captions, and the scores of the publisher's models."""

import math

import numpy as np
import polars as pl

from laion_assets.statistics.captions import characters, is_blank, is_boilerplate, is_file_name, is_web_address, words
from laion_assets.statistics.document import Captions, Score
from laion_assets.statistics.estimate import Distribution, Share
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.intervals import exact_share

POSSIBLE = {"similarity": (-1, 1), "punsafe": (0, 1), "pwatermark": (0, 1)}
"""What a cosine and a probability can be. Published rows carry similarities of 6016; a mean over those says nothing."""


def captions(evidence: Evidence) -> Captions:
    """Length, words, and the shares that say nothing."""
    sample, caption = evidence.sample, pl.col("caption")
    # A dataset without captions has no bad ones.
    published = np.full(evidence.rows.height, evidence.rows.get_column("caption").is_not_null().any())
    useless = is_blank(caption) | is_boilerplate(caption) | is_file_name(caption) | is_web_address(caption)
    lengths = evidence.rows.select(characters=characters(caption), words=words(caption))
    stripped = caption.fill_null("").str.strip_chars().str.to_lowercase()
    repeated = (pl.col("url").n_unique().over(stripped) > 1) & ~is_blank(caption)
    return Captions(
        characters=sample.distribution(lengths.get_column("characters").cast(pl.Float64).to_numpy(), published),
        words=sample.distribution(lengths.get_column("words").cast(pl.Float64).to_numpy(), published),
        blank=sample.share(evidence.has(is_blank(caption)), published),
        boilerplate=sample.share(evidence.has(is_boilerplate(caption)), published),
        file_name=sample.share(evidence.has(is_file_name(caption)), published),
        web_address=sample.share(evidence.has(is_web_address(caption)), published),
        useless=sample.share(evidence.has(useless), published),
        repeated=sample.share(evidence.has(repeated), published),
    )


def scores(evidence: Evidence) -> list[Score]:
    """Similarity, punsafe and pwatermark; a score the dataset does not publish is left out."""
    requirement = evidence.requirement
    cutoffs = {"similarity": None, "punsafe": requirement.unsafe_cutoff, "pwatermark": requirement.watermark_cutoff}
    found = []
    for name, cutoff in cutoffs.items():
        known = evidence.has(pl.col(name).is_between(*POSSIBLE[name]))
        if not known.any():
            continue
        values = evidence.values(name)
        found.append(
            Score.model_validate(
                {
                    "name": name,
                    "missing": evidence.sample.share(~known),
                    "sample": evidence.sample.distribution(values, known),
                    "groups": _groups(evidence) if name == "similarity" else {},
                    "cutoff": cutoff,
                    "at_or_above_cutoff": None
                    if cutoff is None
                    else evidence.sample.share(evidence.has(pl.col(name) >= cutoff), known),
                    "at_or_above_cutoff_all": _exact_share(evidence, name, cutoff),
                }
            )
        )
    return found


def _exact_share(evidence: Evidence, name: str, cutoff: float | None) -> Share | None:
    if cutoff is None or evidence.declared is None or abs(cutoff * 100 - round(cutoff * 100)) > 1e-9:
        return None
    # Scores come as float32: where the cut-off itself, rounded to that, lies below it, profiles count it a step lower.
    if math.floor(float(np.float32(cutoff)) * 100) != round(cutoff * 100):
        return None
    counts = evidence.declared.scores.get(name)
    if counts is None:
        return None
    # Profiles count impossible scores in bins of their own beyond [-100, 100], see ``metadata.profile``.
    possible = counts.between(POSSIBLE[name][0] * 100, POSSIBLE[name][1] * 100 + 1).count
    reached = counts.between(round(cutoff * 100), POSSIBLE[name][1] * 100 + 1).count
    return exact_share(reached, possible) if possible else None


def _groups(evidence: Evidence) -> dict[str, Distribution]:
    """English and everything else: two models made the similarity, their values are not comparable."""
    english = evidence.has(pl.col("language") == "en")
    values = evidence.values("similarity")
    possible = evidence.has(pl.col("similarity").is_between(*POSSIBLE["similarity"]))
    groups = {"en": english, "other": ~english}
    return {
        name: evidence.sample.distribution(values, inside & possible)
        for name, inside in groups.items()
        if (inside & possible).any() and evidence.rows.get_column("language").null_count() < evidence.rows.height
    }
