"""The benchmark of a whole pass: parts are dealt out to processes, and it ends when they do."""

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.metadata import measure_whole

ROOT = Path(__file__).resolve().parent.parent


def test_all_parts_are_dealt_out_and_the_memory_of_both_processes_counts(tmp_path: Path) -> None:
    whole = measure_whole(tmp_path, parts=3, rows=300, console=Console(quiet=True))
    assert whole.parts == 3
    assert whole.seconds > 0
    assert len(list(tmp_path.glob("part-?????.profile.parquet"))) == 3
    assert min(whole.peaks_mb) > 0.7 * max(whole.peaks_mb)


def test_a_pass_whose_processes_fail_ends_with_an_error(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"part-0000{number}.parquet").mkdir()
    code = (
        "import pathlib, sys, rich.console\n"
        "from benchmarks.metadata import measure_whole\n"
        "measure_whole(pathlib.Path(sys.argv[1]), parts=3, rows=300, console=rich.console.Console())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 1
    assert "directory" in ran.stderr
