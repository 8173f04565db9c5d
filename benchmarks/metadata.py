"""One pass over a full-scale metadata catalogue: validate, quarantine, profile, sample, find duplicates.

``python -m benchmarks.metadata [--quick] [--json FILE] [--parts N] [--rows N] [--folder DIR]``. Parts are made some at
a time, written to the disk, and then timed, so that the disk need not hold all of them beside their validated form.
Every contender runs in a process of its own that lives through all its parts, which is what tells whether memory grows
with their number. Contenders are compared on parts that each has the machine for alone; the whole pass takes two parts
at a time, dealt out to two processes, as many as the pool ``metadata`` has slots. ``dagster_parts`` adds Dagster.
"""

import argparse
import os
import queue
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.catalogue import PARTS, ROWS_PER_PART, Catalogue
from benchmarks.claims import show, write
from benchmarks.contender import Contender, Measured, contenders
from benchmarks.dagster_parts import measure_dagster
from benchmarks.metadata_claims import WholePass, claims_of, dagster_claims_of
from benchmarks.metadata_follow_ups import contract, duplicates, sample
from benchmarks.metadata_peers import CONTENDERS, COPY, GX, OURS, PANDAS, our_pass

# The copy is measured on as many parts as it takes for a steady median; pandas and Great Expectations are slow.
COPIED_PARTS, PANDAS_PARTS, GX_PARTS = 8, 2, 1
AT_A_TIME = 2
# Parts of the whole pass are made some at a time, outside the clock; all of them would need the disk twice. That takes
# longer than the processes keep memory (30 s, ``dirty_decay_ms``), and to have it back costs each of them 1 s of
# processor time, which parts that are all there would not cost: the fewer such pauses, the better.
MADE_AT_ONCE = 32
BACKFILLED_PARTS, COMMANDED_PARTS = 8, 2
WARM_UP_ROWS = 20_000
# Fewer of a small catalogue: a sample is one row in 17,000 of the full one, never more than one in 200.
SAMPLE_ROWS, SAMPLED_AT_MOST = 10_000, 200


def measure_alone(folder: Path, *, parts: int, rows: int, console: Console) -> dict[str, list[Measured]]:
    """Let the contenders take turns on the first parts of the catalogue."""
    catalogue = Catalogue(rows_per_part=rows)
    shares = {COPY: COPIED_PARTS, OURS: COPIED_PARTS, PANDAS: PANDAS_PARTS, GX: GX_PARTS}
    measured: dict[str, list[Measured]] = {name: [] for name in shares}
    with (
        contenders(*(CONTENDERS[name] for name in shares)) as started,
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
    validated.mkdir(exist_ok=True)
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
        contenders(*[our_pass] * AT_A_TIME) as started,
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
    return WholePass(parts, AT_A_TIME, seconds, history or [sum(peaks.values())])


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
            contenders(sample, duplicates, contract) as (sampling, finding, checking),
            console.status("sample, duplicates, contract"),
        ):
            rest["sample"] = sampling.run(folder, min(SAMPLE_ROWS, parts * rows // SAMPLED_AT_MOST))
            rest["duplicates"] = finding.run(folder)
            profile = folder / "metadata_profile" / "part-00000.parquet"
            rest["contract, first in a process"] = checking.run(profile)
            rest["contract, again"] = checking.run(profile)
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
        write(claims, arguments.json)


if __name__ == "__main__":
    main()
