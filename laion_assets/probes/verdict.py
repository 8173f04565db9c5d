"""What the figures of a probed sample mean, in a sentence each. Counting belongs to ``anomaly``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from laion_assets.probes.anomaly import DECLARED_MATCHES, AnomalyKind, KindShare
from laion_assets.probes.share import Share, weighted_share


@dataclass(frozen=True)
class MatchShare:
    """How many true sizes relate to the declared ones in one way, among those where both are known."""

    rows: int
    out_of: int
    share: Share


def match_shares(classified: pl.DataFrame, *, population_rows: int | None = None) -> dict[str, MatchShare]:
    """Shares of ``DECLARED_MATCHES`` in a frame that ``anomaly.classify`` returned."""
    weights = classified["weight"] if "weight" in classified.columns else pl.Series([1.0] * classified.height)
    matches = classified["declared_match"]
    out_of = matches.len() - matches.null_count()
    within = None if population_rows is None else population_rows * out_of / max(1, matches.len())
    shares = {}
    for word in DECLARED_MATCHES:
        hits = matches == word
        shares[word] = MatchShare(int(hits.sum() or 0), out_of, weighted_share(hits, weights, within))
    return shares


def anomaly_sentence(table: Sequence[KindShare], *, minimum_side_px: int) -> str:
    """What is artefact and what is defect among the images "below the minimum"."""
    by_kind = {row.kind: row for row in table}
    artefact = by_kind[AnomalyKind.STRADDLES_BUCKETS]
    declared = by_kind[AnomalyKind.DECLARED_BELOW_MINIMUM]
    true = by_kind[AnomalyKind.TRUE_BELOW_MINIMUM]
    swapped = by_kind[AnomalyKind.DECLARED_SWAPPED]
    said = []
    if artefact.rows:
        said.append(
            f"{artefact.share} of rows look too small only because one side lies on each side of a bucket's edge: "
            "an artefact of counting, keep them"
        )
    if not declared.out_of:
        said.append("the metadata declares no sizes")
    elif declared.rows:
        said.append(
            f"{declared.share} declare a side below {minimum_side_px} px: the publisher's own defect, exclude them"
        )
    else:
        said.append(f"no row declares a side below {minimum_side_px} px")
    if not true.out_of:
        said.append("no true size is known, so what the web serves cannot be said")
    elif true.rows:
        said.append(
            f"{true.share} of reachable images are declared large enough but now served below {minimum_side_px} px: "
            "enforce the minimum at download"
        )
    else:
        said.append(f"every reachable image that promises {minimum_side_px} px keeps its promise")
    if swapped.rows:
        said.append(f"{swapped.share} of reachable images have width and height exchanged")
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def match_sentence(classified: pl.DataFrame, shares: Mapping[str, MatchShare]) -> str:
    """Whether declared sizes can be relied on.

    Args:
        classified: what ``anomaly.classify`` returned.
        shares: what ``match_shares`` made of it.
    """
    out_of = shares["exact"].out_of
    if not out_of:
        return "No image has both a declared and a true size."
    told = ", ".join(
        f"{words} {shares[word].share}"
        for word, words in (
            ("exact", "as declared"),
            ("swapped", "with width and height exchanged"),
            ("scaled_down", "scaled down in the same shape"),
            ("replaced", "another size altogether"),
        )
    )
    advice = ""
    # A square image agrees with its row whichever way round the row says it.
    oblong = pl.col("declared_width") != pl.col("declared_height")
    exact = classified.filter((pl.col("declared_match") == "exact") & oblong)
    if shares["swapped"].rows > exact.height:
        advice = " Width and height are exchanged throughout: map them the other way round under columns in defs.yaml."
    return f"Of {out_of:,} images whose true size is known: {told}.{advice}"
