"""The command on the sandbox, over real HTTP: its figures are the truth, and a second time it asks only what is new."""

import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import laion_assets
from laion_assets.cli import main
from laion_assets.sandbox.running import RunningSandbox
from laion_assets_tests.analyze.conftest import SPEC

ROOT = Path(laion_assets.__file__).parent.parent
HUB = "hf://datasets/laion/relaion-high-resolution"


def probes_in(folder: Path, dataset: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"lake/{dataset}/dimension_probes/dimension_probes.parquet")


def readme_commands() -> list[list[str]]:
    """What the README says to type, word by word: the analysis of a hub's dataset, and that of a file."""
    typed = re.findall(r"^\$ \.venv/bin/laion-assets (analyze .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    return [shlex.split(command) for command in typed]


@pytest.mark.timeout(600)  # two analyses
@pytest.mark.usefixtures("on_sandbox", "without_panels")
def test_the_readme_s_command_finds_what_the_sandbox_planted_and_probes_no_row_twice(
    truth: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, _ = readme_commands()
    first = CliRunner().invoke(main, [*command, "--sample", "120"])
    assert first.exit_code == 0, first.output
    assert "2 read" in first.output
    assert "url = URL, caption = TEXT, declared_width = WIDTH" in first.output

    (folder,) = (tmp_path / "analysis").iterdir()
    dataset = "relaion_high_resolution"
    small = probes_in(folder, dataset)
    assert small.height == 120
    second = CliRunner().invoke(main, [*command, "--sample", "10000"])
    assert second.exit_code == 0, second.output
    assert "2 reused" in second.output

    probes = probes_in(folder, dataset)
    again = small.join(probes, on=["part", "row"], suffix="_again")
    known = again.filter(pl.col("outcome").is_in(["ok", "not_found", "dns_failed", "not_an_image"]))
    assert known.height > 90
    assert known["probed_at"].to_list() == known["probed_at_again"].to_list()

    both = probes.join(truth, on=["part", "row"], suffix="_in_truth")
    assert both.height == probes.height > SPEC.rows * 0.95
    told = both.filter(pl.col("outcome") != pl.col("expected_outcome"))
    assert told.is_empty(), told.select("url", "fault", "outcome", "expected_outcome")
    reached = both.filter(pl.col("outcome") == "ok")
    assert reached["true_width"].to_list() == reached["true_width_in_truth"].to_list()

    statistics = json.loads((folder / "statistics.json").read_text())
    assert statistics["reach"]["reachable"]["count"] == reached.height
    assert f"Of {both.height} sampled links, {reached.height} (" in second.output.replace("\u00a0", " ")
    for name in ("report.html", f"{dataset}_analysis.png", f"{dataset}_sample_analysis.csv", "report.md"):
        assert (folder / name).stat().st_size > 10_000
        assert f"analysis/{dataset}/{name}" in second.output
    assert pl.read_csv(folder / f"{dataset}_sample_analysis.csv").height == probes.height


@pytest.mark.usefixtures("on_sandbox", "without_panels")
def test_the_readme_s_command_for_a_file_without_a_header_makes_a_report(
    truth: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, command = readme_commands()
    links = truth.filter(pl.col("url").str.starts_with("http")).head(50).select("url", caption=pl.lit("a"))
    links.write_csv(command[1], separator="\t", include_header=False)
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "analysis/links/report.html").exists()


@pytest.mark.usefixtures("on_sandbox", "without_panels")
def test_the_example_prints_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["analyze_laion_hr.py", "80"])
    runpy.run_path(str(ROOT / "examples/analyze_laion_hr.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.search(r"^short_side: median \d+ declared, [\d.]+ true \(\d+ to \d+\)$", printed, re.MULTILINE)
    assert re.search(r"^straddles_buckets: \d+\.\d+% \(", printed, re.MULTILINE)
    assert (tmp_path / "analysis/laion_hr/report.html").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_while_probing_ends_in_one_line_and_loses_nothing(on_sandbox: RunningSandbox, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "laion-assets"), "analyze", HUB, "--out", str(tmp_path / "out")]
    environment = {**os.environ, **on_sandbox.environment, "PYTHONUNBUFFERED": "1"}
    kept = tmp_path / "out/lake/relaion_high_resolution/dimension_probes/kept_probes"
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        deadline = time.monotonic() + 150
        while not list(kept.glob("*.parquet")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "Interrupted. Run it again: what is done is kept." in printed
    assert "Traceback" not in printed
    assert sum(pl.read_parquet(path).height for path in kept.glob("*.parquet")) > 0
