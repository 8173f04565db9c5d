"""One pass over a full-scale metadata catalogue: validate, quarantine, profile, sample, find duplicates.

``python -m benchmarks.metadata [--quick] [--json FILE] [--parts N] [--rows N] [--folder DIR]``. Parts are made some at
a time, written to the disk, and then timed, so that the disk need not hold all of them beside their validated form.
Every contender runs in a process of its own that lives through all its parts, which is what tells whether memory grows
with their number. Contenders are compared on parts that each has the machine for alone; the whole pass takes two parts
at a time, dealt out to two processes, as many as the pool ``metadata`` has slots. ``dagster_parts`` adds Dagster.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import queue
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import PARTS, ROWS_PER_PART, Catalogue
from benchmarks.dagster_parts import DagsterParts, measure_dagster
from benchmarks.metadata_peers import CONTENDERS

FULL_SCALE_ROWS = PARTS * ROWS_PER_PART
COPY, OURS, PANDAS, GX = CONTENDERS
# The copy is measured on as many parts as it takes for a steady median; pandas and Great Expectations are slow.
COPIED_PARTS, PANDAS_PARTS, GX_PARTS = 8, 2, 1
AT_A_TIME = 2
# Parts of the whole pass are made some at a time, outside the clock; all of them would need the disk twice. That takes
# longer than the processes keep memory (30 s, ``dirty_decay_ms``), and to have it back costs each of them 1 s of
# processor time, which parts that are all there would not cost: the fewer such pauses, the better.
MADE_AT_ONCE = 32
BACKFILLED_PARTS, COMMANDED_PARTS = 8, 2
WARM_UP_ROWS = 20_000
SAMPLE_ROWS = 10_000
GOAL_RATIO, GOAL_SECONDS, GOAL_MB, GOAL_DUPLICATES_MB = 2.5, 240.0, 4000.0, 8000.0


@dataclass(frozen=True)
class Claim:
    """One line of the result: what is claimed, what was measured, and whether it holds."""

    claim: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    goal: str
    met: bool | None


@dataclass(frozen=True)
class Measured:
    """What a contender took for one piece of work."""

    seconds: float
    cpu_s: float
    peak_mb: float


class Contender:
    """A process that does the same kind of work again and again when told to."""

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(name, theirs), daemon=True)
        self._process.start()

    def run(self, *arguments: Any) -> tuple[Measured, Any]:  # noqa: ANN401 (whatever the work takes and gives)
        """Do one piece of work."""
        self._ours.send(arguments)
        measured, result = self._ours.recv()
        return Measured(**measured), result

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # it died of what it will say itself
            self._ours.send(None)
        self._process.join()


def _work(name: str, told: Connection) -> None:
    """In the child: time what is asked for, imports and a first small part excluded."""
    functions: dict[str, Callable[..., Any]] = {
        **CONTENDERS,
        "duplicates": _duplicates,
        "sample": _sample,
        "contract": _contract,
    }
    while (arguments := told.recv()) is not None:
        wall, cpu = time.perf_counter(), _cpu_s()
        result = functions[name](*arguments)
        wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
        told.send(({"seconds": wall, "cpu_s": cpu, "peak_mb": _peak_mb()}, result))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Most memory this process has had. Not getrusage's: a child inherits that from the process it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _duplicates(folder: Path) -> dict[str, int]:
    import polars as pl

    from laion_assets.metadata.duplicates import find_duplicates

    paths = sorted((folder / "validated_metadata").glob("*.parquet"))
    sources = {path.stem: partial(pl.scan_parquet, path) for path in paths}
    return asdict(find_duplicates(sources, folder / "duplicate_urls"))


def _sample(folder: Path) -> int:
    import polars as pl

    from laion_assets.lake.lake import Lake
    from laion_assets.metadata.sketch import sketches_of
    from laion_assets.probes.sample import draw_sample
    from laion_assets.probes.spec import SampleSpec

    parts = {path.stem: pl.scan_parquet(path) for path in sorted((folder / "validated_metadata").glob("*.parquet"))}
    sketches = sketches_of(Lake(str(folder.parent)), folder.name, sorted(parts), seed=0)
    draw_sample(parts, SampleSpec(size=SAMPLE_ROWS, seed=0), sketches=sketches)
    return len(parts)


def _contract(profile: Path) -> int:
    import polars as pl

    from laion_assets.metadata.contract import check_contract, expectations_of, figures_of
    from laion_assets.metadata.contract_docs import contract_page
    from laion_assets.metadata.rulebook import rulebook
    from laion_assets.metadata.spec import ExpectationsSpec

    row = pl.read_parquet(profile).row(0, named=True)
    suite = expectations_of(
        rulebook(), ExpectationsSpec(), rows=row["rows_in"], not_applicable=row["rules_not_applicable"]
    )
    return len(contract_page(check_contract(figures_of(row), suite, part=row["part"])))


@contextlib.contextmanager
def contenders(*names: str) -> Iterator[list[Contender]]:
    """Processes that do what is named, ended at the end of the block."""
    started = [Contender(name) for name in names]
    try:
        yield started
    finally:
        for one in started:
            one.stop()


@dataclass(frozen=True)
class WholePass:
    """All parts of the catalogue, some at a time.

    Attributes:
        parts: How many there were.
        seconds: From the start of the first to the end of the last of the parts that were made together, added up.
        peaks_mb: The most memory each process has had, added up, after each part once all have had one.
    """

    parts: int
    seconds: float
    peaks_mb: list[float]


def measure_alone(folder: Path, *, parts: int, rows: int, console: Console) -> dict[str, list[Measured]]:
    """Let the contenders take turns on the first parts of the catalogue."""
    catalogue = Catalogue(rows_per_part=rows)
    shares = {COPY: COPIED_PARTS, OURS: COPIED_PARTS, PANDAS: PANDAS_PARTS, GX: GX_PARTS}
    measured: dict[str, list[Measured]] = {name: [] for name in shares}
    with (
        contenders(*shares) as started,
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        console.status("") as status,
    ):
        target = Path(scratch) / "validated_metadata" / "out.parquet"
        _warm_up(started, Path(scratch))
        for number in range(min(parts, COPIED_PARTS)):
            raw = catalogue.write(Path(scratch), number)
            _wait_for_the_disk(raw)
            for (name, share), contender in zip(shares.items(), started, strict=True):
                if number < share:
                    status.update(f"part {number + 1}: {name}")
                    measured[name].append(contender.run(raw, target)[0])
                    _wait_for_the_disk(target)
            raw.unlink()
    return measured


def measure_whole(folder: Path, *, parts: int, rows: int, console: Console) -> WholePass:
    """Our pass over the whole catalogue; what it writes stays in ``folder``, laid out as a dataset in a lake."""
    catalogue, seconds = Catalogue(rows_per_part=rows), 0.0
    validated = folder / "validated_metadata"
    validated.mkdir()
    free: queue.SimpleQueue[Contender] = queue.SimpleQueue()
    peaks: dict[Contender, float] = {}
    history: list[float] = []

    def take(raw: Path) -> None:
        contender = free.get()
        try:
            peaks[contender] = contender.run(raw, validated / raw.name)[0].peak_mb
        finally:
            free.put(contender)
        if len(peaks) == min(AT_A_TIME, parts):
            history.append(sum(peaks.values()))

    with (
        contenders(*[OURS] * AT_A_TIME) as started,
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        ThreadPoolExecutor(AT_A_TIME) as waiting,
        console.status("") as status,
    ):
        _warm_up(started, Path(scratch))
        for contender in started:
            free.put(contender)
        for first in range(0, parts, MADE_AT_ONCE):
            status.update(f"whole pass: part {first + 1} of {parts}")
            numbers = range(first, min(first + MADE_AT_ONCE, parts))
            made = [catalogue.write(Path(scratch), number) for number in numbers]
            for raw in made:
                _wait_for_the_disk(raw)
            began = time.perf_counter()
            list(waiting.map(take, made))
            seconds += time.perf_counter() - began
            for raw in made:
                raw.unlink()
    return WholePass(parts, seconds, history or [sum(peaks.values())])


def _wait_for_the_disk(made: Path) -> None:
    """What was written before is on the disk, and is not written while somebody is timed."""
    with made.open("rb") as file:
        os.fsync(file.fileno())


def _warm_up(started: list[Contender], scratch: Path) -> None:
    small = Catalogue(seed=1, rows_per_part=WARM_UP_ROWS).write(scratch, 99_999)
    target = scratch / "validated_metadata" / "out.parquet"
    target.parent.mkdir()
    for contender in started:
        contender.run(small, target)


def claims_of(
    measured: dict[str, list[Measured]], whole: WholePass, rest: dict[str, tuple[Measured, Any]], *, rows: int
) -> list[Claim]:
    """What the measurements say about the goals."""
    ours, parts = measured[OURS], whole.parts
    mine = statistics.median(one.seconds for one in ours)
    found = []
    for name, goal in ((COPY, GOAL_RATIO), (PANDAS, None), (GX, None)):
        theirs = statistics.median(one.seconds for one in measured[name])
        ratio = mine / theirs if name == COPY else theirs / mine
        claim = "one part, ours / peer" if name == COPY else "one part, peer / ours"
        found.append(
            Claim(claim, "s", mine, theirs, name, ratio, f"<= {goal}" if goal else "", ratio <= goal if goal else None)
        )
    my_cpu = statistics.median(one.cpu_s for one in ours)
    their_cpu = statistics.median(one.cpu_s for one in measured[COPY])
    found.append(Claim("one part, CPU time, ours / peer", "s", my_cpu, their_cpu, COPY, my_cpu / their_cpu, "", None))
    sample, _ = rest["sample"]
    total = whole.seconds + sample.seconds
    total_rows = parts * rows
    at_full_scale = total * FULL_SCALE_ROWS / total_rows
    claim = "whole pass" if total_rows >= FULL_SCALE_ROWS else f"whole pass, extrapolated from {total_rows:,} rows"
    copied = statistics.median(one.seconds for one in measured[COPY]) * FULL_SCALE_ROWS / rows
    found.append(
        Claim(
            f"{claim} to {FULL_SCALE_ROWS:,} rows, {AT_A_TIME} parts at a time: validate, quarantine, profile, sample",
            "s", at_full_scale, copied, COPY + ", one at a time", at_full_scale / copied, f"<= {GOAL_SECONDS:.0f}",
            at_full_scale <= GOAL_SECONDS,
        )
    )  # fmt: skip
    alone = max(one.peak_mb for one in ours)
    found.append(Claim("peak memory, one part at a time", "MB", alone, None, "", None, "", None))
    peak = max(*whole.peaks_mb, sample.peak_mb)
    early = max(whole.peaks_mb[: max(1, len(whole.peaks_mb) // 8)])
    claim = f"peak memory of the whole pass, {AT_A_TIME} parts at a time"
    found.append(Claim(claim, "MB", peak, None, "", None, f"<= {GOAL_MB:.0f}", peak <= GOAL_MB))
    found.append(
        Claim(
            "peak memory after all parts against after the first eighth", "MB", peak, early, "first eighth",
            peak / early, "<= 1.25", peak / early <= 1.25,
        )
    )  # fmt: skip
    for name, peak_of in ((PANDAS, measured[PANDAS]), (GX, measured[GX])):
        theirs = max(one.peak_mb for one in peak_of)
        found.append(Claim("peak memory, peer / ours", "MB", alone, theirs, name, theirs / alone, "", None))
    duplicates, counts = rest["duplicates"]
    found.append(
        Claim(
            f"duplicates across {counts['parts']} parts, {counts['rows']:,} rows, {counts['url_rows']:,} listed", "s",
            duplicates.seconds, None, "", None, "", None,
        )
    )  # fmt: skip
    fits = duplicates.peak_mb <= GOAL_DUPLICATES_MB
    goal_text = f"<= {GOAL_DUPLICATES_MB:.0f}"
    found.append(Claim("peak memory of finding duplicates", "MB", duplicates.peak_mb, None, "", None, goal_text, fits))
    first, again = rest["contract, first in a process"][0], rest["contract, again"][0]
    found.append(
        Claim(
            "contract of a part with Great Expectations: first in a process, and again", "s", first.seconds,
            again.seconds, "again", None, "", None,
        )
    )  # fmt: skip
    return found


def dagster_claims_of(found: DagsterParts) -> list[Claim]:
    """What Dagster adds to a part, and what one takes with it."""
    claims = []
    for name, one in (("backfill", found.backfill), ("command line", found.command)):
        if one is None:
            continue
        claims.append(
            Claim(
                f"job of one part through the {name}, CPU time", "s", one.cpu_s, found.plain.cpu_s, "plain calls",
                one.cpu_s / found.plain.cpu_s, "", None,
            )
        )  # fmt: skip
        claims.append(
            Claim(
                f"job of one part through the {name}, time per part", "s", one.seconds, found.plain.seconds,
                "plain calls, one at a time", one.seconds / found.plain.seconds, "", None,
            )
        )  # fmt: skip
        added = one.cpu_s - found.plain.cpu_s
        claims.append(Claim(f"CPU time that Dagster adds to a part, {name}", "s", added, None, "", None, "", None))
    claims.append(Claim("one run of the backfill, start to end", "s", found.run_s, None, "", None, "", None))
    claims.append(
        Claim("one run of the backfill, waiting for its start", "s", found.queued_s, None, "", None, "", None)
    )
    return claims


def show(claims: list[Claim], console: Console) -> None:
    """Print the table, one line per claim however narrow the place is: it goes into a README."""
    table = Table("claim", "ours", "peer", "", "ratio", "goal", "met", box=box.MARKDOWN)
    for column in table.columns:
        column.no_wrap = True
    for one in claims:
        table.add_row(
            one.claim,
            f"{one.ours:,.2f} {one.unit}",
            "" if one.peer is None else f"{one.peer:,.2f} {one.unit}",
            one.peer_name,
            "" if one.ratio is None else f"{one.ratio:.2f}",
            one.goal,
            {True: "yes", False: "NO", None: ""}[one.met],
        )
    wide = Console(file=console.file, width=300, no_color=True)
    with wide.capture() as lines:
        wide.print(table)
    print("\n".join(line.rstrip() for line in lines.get().splitlines() if line.strip()), file=console.file)


def main() -> None:
    """Measure, print, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="two parts of 150,000 rows: ends within a minute")
    parser.add_argument("--json", type=Path, help="write the claims here")
    parser.add_argument("--parts", type=int, help=f"parts ({PARTS}; 2 with --quick)")
    parser.add_argument("--rows", type=int, help=f"rows per part ({ROWS_PER_PART:,}; 150,000 with --quick)")
    parser.add_argument(
        "--folder",
        type=Path,
        help=f"where to work; needs about 170 bytes per row, and for {MADE_AT_ONCE} parts twice that",
    )
    arguments = parser.parse_args()
    parts = arguments.parts or (2 if arguments.quick else PARTS)
    rows = arguments.rows or (150_000 if arguments.quick else ROWS_PER_PART)
    console = Console()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="metadata-benchmark-", dir=arguments.folder))
    try:
        needed, free = (parts + min(parts, MADE_AT_ONCE)) * rows * 170, shutil.disk_usage(folder).free
        if needed > free:
            sys.exit(
                f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed. Give --parts or --folder."
            )
        console.print(f"{parts} parts of {rows:,} rows, {os.cpu_count()} cores, in {folder}")
        measured = measure_alone(folder, parts=parts, rows=rows, console=console)
        whole = measure_whole(folder, parts=parts, rows=rows, console=console)
        rest: dict[str, tuple[Measured, Any]] = {}
        with (
            contenders("sample", "duplicates", "contract") as (sample, duplicates, contract),
            console.status("sample, duplicates, contract"),
        ):
            rest["sample"] = sample.run(folder)
            rest["duplicates"] = duplicates.run(folder)
            profile = folder / "metadata_profile" / "part-00000.parquet"
            rest["contract, first in a process"] = contract.run(profile)
            rest["contract, again"] = contract.run(profile)
        # Its code servers end a moment after it, and may still write; the whole folder is removed in the end.
        with (
            tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch,
            console.status("") as status,
        ):
            through_dagster = measure_dagster(
                Path(scratch),
                rows=rows,
                backfilled=min(parts, BACKFILLED_PARTS),
                commanded=0 if arguments.quick else COMMANDED_PARTS,
                told=status.update,
            )
        claims = claims_of(measured, whole, rest, rows=rows) + dagster_claims_of(through_dagster)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(claims, console)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in claims], indent=2) + "\n")


if __name__ == "__main__":
    main()
