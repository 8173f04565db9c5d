"""The benchmarks: parts are dealt out to processes and it ends when they do, claims are held against goals and told."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.claims import Claim, show, write
from benchmarks.contender import Measured
from benchmarks.metadata import measure_whole
from benchmarks.metadata_claims import WholePass, claims_of
from benchmarks.metadata_peers import COPY, GX, OURS, PANDAS

ROOT = Path(__file__).resolve().parent.parent


def test_all_parts_are_dealt_out_and_the_memory_of_both_processes_counts(tmp_path: Path) -> None:
    whole = measure_whole(tmp_path, parts=3, rows=300, console=Console(quiet=True))
    assert whole.parts == 3
    assert whole.seconds > 0
    for name in ("validated_metadata", "quarantined_metadata", "metadata_profile", "sample_sketch"):
        assert len(list((tmp_path / name).iterdir())) == 3, name
    assert min(whole.peaks_mb) > 0.7 * max(whole.peaks_mb)


def test_a_pass_whose_processes_fail_ends_with_an_error(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"validated_metadata/part-0000{number}.parquet").mkdir(parents=True)
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


def test_claims_come_as_a_table_for_a_readme_and_as_json(tmp_path: Path) -> None:
    claims = [
        Claim(
            "rows per second, and what they are", "1/s", 170_240_000.0, 85_120_000.0, "a peer", 2.0, ">= 2 x", met=True
        ),
        Claim("a share", "share", 0.99912, goal=">= 0.9995", met=False),
        Claim("memory", "MB", 12.5),
    ]
    printed = io.StringIO()
    show(claims, Console(file=printed, width=40))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.getvalue().splitlines()]
    assert cells[2:] == [
        ["rows per second, and what they are", "170,240,000 1/s", "85,120,000 1/s", "a peer", "2.00", ">= 2 x", "yes"],
        ["a share", "0.9991 share", "", "", "", ">= 0.9995", "NO"],
        ["memory", "12.50 MB", "", "", "", "", ""],
    ]
    write(claims, tmp_path / "claims.json")
    assert json.loads((tmp_path / "claims.json").read_text())[1] == {
        "claim": "a share", "unit": "share", "ours": 0.99912, "peer": None, "peer_name": "", "ratio": None,
        "goal": ">= 0.9995", "met": False,
    }  # fmt: skip


def _took(seconds: float, mb: float) -> Measured:
    return Measured(seconds, 2 * seconds, mb)


def test_the_whole_pass_is_held_against_the_goal_at_full_scale_with_its_sample() -> None:
    measured = {COPY: [_took(1.0, 500)], OURS: [_took(2.0, 900)], PANDAS: [_took(8.0, 2000)], GX: [_took(30, 3000)]}
    rest = {
        "sample": (_took(1.0, 700), 4),
        "duplicates": (_took(5.0, 9000), {"parts": 4, "rows": 5_320_000, "url_rows": 3}),
        "contract, first in a process": (_took(3.0, 300), 1),
        "contract, again": (_took(0.1, 300), 1),
    }

    def found(seconds: float) -> dict[str, Claim]:
        whole = WholePass(parts=4, at_a_time=2, seconds=seconds, peaks_mb=[1500.0, 1900.0])
        return {one.claim: one for one in claims_of(measured, whole, rest, rows=1_330_000)}

    (kept,) = [one for name, one in found(6.4).items() if name.startswith("whole pass")]
    (missed,) = [one for name, one in found(6.6).items() if name.startswith("whole pass")]
    assert kept.ours == pytest.approx(32 * 7.4)
    assert kept.met is True
    assert missed.ours == pytest.approx(32 * 7.6)
    assert missed.met is False
    assert kept.peer == pytest.approx(128.0)
    claims = found(6.4)
    assert claims["one part, ours / peer"].ratio == 2.0
    assert claims["one part, ours / peer"].met
    assert claims["peak memory after all parts against after the first eighth"].ratio == pytest.approx(1900 / 1500)
    assert claims["peak memory after all parts against after the first eighth"].met is False
    assert claims["peak memory of finding duplicates"].met is False
