"""What the measurements of metadata say about the goals."""

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.catalogue import PARTS, ROWS_PER_PART
from benchmarks.claims import Claim
from benchmarks.contender import Measured
from benchmarks.dagster_parts import DagsterParts
from benchmarks.metadata_peers import COPY, GX, OURS, PANDAS

FULL_SCALE_ROWS = PARTS * ROWS_PER_PART
GOAL_RATIO, GOAL_SECONDS, GOAL_MB, GOAL_GROWTH, GOAL_DUPLICATES_MB = 2.5, 240.0, 4000.0, 1.25, 8000.0


@dataclass(frozen=True)
class WholePass:
    """All parts of the catalogue, some at a time.

    Attributes:
        parts: How many there were.
        at_a_time: How many of them at a time.
        seconds: From the start of the first to the end of the last of the parts that were made together, added up.
        peaks_mb: The most memory each process has had, added up, after each part once all have had one.
    """

    parts: int
    at_a_time: int
    seconds: float
    peaks_mb: list[float]


def claims_of(
    measured: dict[str, list[Measured]], whole: WholePass, rest: dict[str, tuple[Measured, Any]], *, rows: int
) -> list[Claim]:
    """What the measurements say about one part, all of them, and what follows.

    Args:
        measured: What each peer and we took for parts that each had the machine for alone.
        whole: Our pass over all parts.
        rest: What the work after it took, and what came of it, by its name.
        rows: Of a part.
    """
    return [*_part_claims(measured), *_whole_claims(measured, whole, *rest["sample"], rows=rows), *_rest_claims(rest)]


def _part_claims(measured: dict[str, list[Measured]]) -> list[Claim]:
    mine, copied = _seconds(measured[OURS]), _seconds(measured[COPY])
    my_cpu, their_cpu = (statistics.median(one.cpu_s for one in measured[name]) for name in (OURS, COPY))
    alone = _peak(measured[OURS])
    found = [
        Claim(
            "one part, ours / peer", "s", mine, copied, COPY, mine / copied,
            goal=f"<= {GOAL_RATIO}", met=mine / copied <= GOAL_RATIO,
        ),
        Claim("one part, CPU time, ours / peer", "s", my_cpu, their_cpu, COPY, my_cpu / their_cpu),
    ]  # fmt: skip
    for name in (PANDAS, GX):
        theirs, peak = _seconds(measured[name]), _peak(measured[name])
        found.append(Claim("one part, peer / ours", "s", mine, theirs, name, theirs / mine))
        found.append(Claim("peak memory of one part, peer / ours", "MB", alone, peak, name, peak / alone))
    return found


def _whole_claims(
    measured: dict[str, list[Measured]], whole: WholePass, sample: Measured, from_sketches: int, *, rows: int
) -> list[Claim]:
    total_rows = whole.parts * rows
    seconds = (whole.seconds + sample.seconds) * FULL_SCALE_ROWS / total_rows
    copied = _seconds(measured[COPY]) * FULL_SCALE_ROWS / rows
    taken = "" if total_rows >= FULL_SCALE_ROWS else f", extrapolated from {total_rows:,} rows"
    peak, early = max(*whole.peaks_mb, sample.peak_mb), max(whole.peaks_mb[: max(1, len(whole.peaks_mb) // 8)])
    return [
        Claim(
            f"whole pass, {FULL_SCALE_ROWS:,} rows{taken}, {whole.at_a_time} parts at a time: validate, quarantine, "
            "profile, sample", "s", seconds, copied, f"{COPY}, one at a time", seconds / copied,
            goal=f"<= {GOAL_SECONDS:.0f}", met=seconds <= GOAL_SECONDS,
        ),
        Claim(f"of that, drawing the sample at the end, {from_sketches} parts from sketches", "s", sample.seconds),
        Claim(
            f"peak memory of the whole pass, {whole.at_a_time} parts at a time", "MB", peak,
            goal=f"<= {GOAL_MB:.0f}", met=peak <= GOAL_MB,
        ),
        Claim(
            "peak memory after all parts against after the first eighth", "MB", peak, early, "first eighth",
            peak / early, goal=f"<= {GOAL_GROWTH}", met=peak / early <= GOAL_GROWTH,
        ),
    ]  # fmt: skip


def _rest_claims(rest: dict[str, tuple[Measured, Any]]) -> list[Claim]:
    duplicates, counts = rest["duplicates"]
    first, again = rest["contract, first in a process"][0], rest["contract, again"][0]
    return [
        Claim(
            f"duplicates across {counts['parts']} parts, {counts['rows']:,} rows, {counts['url_rows']:,} listed",
            "s", duplicates.seconds,
        ),
        Claim(
            "peak memory of finding duplicates", "MB", duplicates.peak_mb,
            goal=f"<= {GOAL_DUPLICATES_MB:.0f}", met=duplicates.peak_mb <= GOAL_DUPLICATES_MB,
        ),
        Claim(
            "contract of a part with Great Expectations: first in a process, and again", "s", first.seconds,
            again.seconds, "again",
        ),
    ]  # fmt: skip


def dagster_claims_of(found: DagsterParts) -> list[Claim]:
    """What Dagster adds to a part, and what one takes with it."""
    claims, plain = [], found.plain
    for name, one in (("backfill", found.backfill), ("command line", found.command)):
        if one is None:
            continue
        job = f"job of one part through the {name}"
        claims += [
            Claim(f"{job}, CPU time", "s", one.cpu_s, plain.cpu_s, "plain calls", one.cpu_s / plain.cpu_s),
            Claim(
                f"{job}, time per part", "s", one.seconds, plain.seconds, "plain calls, one at a time",
                one.seconds / plain.seconds,
            ),
            Claim(f"CPU time that Dagster adds to a part, {name}", "s", one.cpu_s - plain.cpu_s),
        ]  # fmt: skip
    claims.append(Claim("one run of the backfill, start to end", "s", found.run_s))
    claims.append(Claim("one run of the backfill, waiting for its start", "s", found.queued_s))
    return claims


def _seconds(several: list[Measured]) -> float:
    return statistics.median(one.seconds for one in several)


def _peak(several: list[Measured]) -> float:
    return max(one.peak_mb for one in several)
