"""The whole chain over real HTTP, as `make demo` runs it, on a smaller sandbox."""

import io
import json
import os
import shutil
import signal
import sys
import tarfile
import time
from pathlib import Path
from unittest import mock

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from laion_assets.demo import RESULTS, run_demo
from laion_assets.home import Home
from laion_assets.metadata.size_classes import historical_bucket, short_side_bucket
from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.spec import SandboxSpec
from laion_assets.terminal import stderr_into
from laion_assets_tests import warm

# A fixed port, since its URLs stand in the metadata: another port would be another dataset for the second run.
SPEC = SandboxSpec(parts=2, rows_per_part=800, port=19080)

# Stages, and the line that says the one before has ended.
STAGES = {
    "the start of the sandbox": "laion-assets demo",
    "fetching and validating": "discover the parts",
    "probing": "fetch and validate parts",
    "downloading": "sample, probe, report",
    "indexing": "download shards",
}


def demo(folder: Path) -> str:
    """Run the demo in this process and return what it printed."""
    printed = io.StringIO()
    with mock.patch.dict(os.environ):
        code = run_demo(Home(folder), Console(file=printed, width=160), spec=SPEC)
    assert code == 0, printed.getvalue()
    return printed.getvalue()


def manifest(folder: Path) -> dict[str, object]:
    read = json.loads((folder / "lake/laion_hr/vlm_1024/index/manifest.json").read_text())
    assert isinstance(read, dict)
    return read


def rows_of_shards(folder: Path) -> pl.DataFrame:
    """Every row in the books of the shards."""
    return pl.concat(
        [pl.read_parquet(path) for path in sorted(folder.glob("lake/laion_hr/vlm_1024/shards/*/*.parquet"))]
    )


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder)


@pytest.fixture(scope="module")
def truth(first_run: tuple[Path, str]) -> pl.DataFrame:
    folder, _ = first_run
    with start_sandbox(SPEC, cache=folder / "sandbox") as sandbox:
        return sandbox.truth()


def test_it_leaves_the_files_it_names(first_run: tuple[Path, str]) -> None:
    folder, printed = first_run
    for name in RESULTS:
        assert (folder / name).stat().st_size > 10_000
        assert name in printed
    assert "make dev" in printed


def test_the_figures_of_the_sample_are_those_of_the_sandbox_s_truth(
    first_run: tuple[Path, str], truth: pl.DataFrame
) -> None:
    folder, _ = first_run
    probes = pl.read_parquet(folder / "lake/laion_hr/dimension_probes/dimension_probes.parquet")
    both = probes.select("part", "row", "outcome", "true_width", "true_height").join(
        truth, on=["part", "row"], how="left", suffix="_in_truth"
    )
    assert both.height == probes.height > 1550
    told = both.filter(pl.col("outcome") != pl.col("expected_outcome"))
    assert told.is_empty(), told.select("url", "fault", "outcome", "expected_outcome").head(5)

    reached = both.filter(pl.col("outcome") == "ok")
    assert reached["true_width"].to_list() == reached["true_width_in_truth"].to_list()
    assert reached["true_height"].to_list() == reached["true_height_in_truth"].to_list()

    statistics = json.loads((folder / "lake/laion_hr/resolution_statistics/statistics.json").read_text())
    width, height = pl.col("declared_width"), pl.col("declared_height")
    for table, bucket in (("buckets", short_side_bucket), ("historical_buckets", historical_bucket)):
        counts = dict(both.group_by(bucket(width, height).alias("bucket")).len().iter_rows())
        found = {one["name"]: one["views"]["declared_sample"]["count"] for one in statistics[table]}
        assert {name: count for name, count in found.items() if count} == counts


def test_every_planned_row_is_in_the_shards_books_and_every_image_in_a_tar(
    first_run: tuple[Path, str], truth: pl.DataFrame
) -> None:
    folder, _ = first_run
    shards = folder / "lake/laion_hr/vlm_1024/shards"
    rows = rows_of_shards(folder)
    told = manifest(folder)
    assert rows.height == told["rows"]
    assert rows["outcome"].null_count() == 0
    assert rows["key"].n_unique() == rows.height

    members = []
    for path in shards.glob("*/*.tar"):
        with tarfile.open(path) as tar:
            members += [(path.parent.name, name) for name in tar.getnames() if name.endswith(".json")]
    assert len(members) == len(set(members)) == told["images"] == rows.filter(pl.col("outcome") == "ok").height

    both = rows.join(truth, on="url", how="left", suffix="_in_truth").unique("key")
    wrong = both.filter((pl.col("outcome") == "ok") != (pl.col("expected_download_outcome") == "ok"))
    # The true size decides too, which the sandbox leaves to the one who asks.
    wrong = wrong.filter(pl.min_horizontal("true_width", "true_height") >= 1024)
    assert wrong.is_empty(), wrong.select("url", "fault", "outcome", "expected_download_outcome").head(5)


def test_what_came_lies_in_the_intervals_of_the_plan(first_run: tuple[Path, str]) -> None:
    """Hours are told but not held to: they are those of whatever machine this runs on."""
    folder, _ = first_run
    told = json.loads((folder / "lake/laion_hr/vlm_1024/index/plan_against_actual.json").read_text())
    figures = {one["figure"]: one for one in told}
    assert list(figures) == ["images", "bytes to transfer", "bytes to store", "hours"]
    assert [one for one in told if not one["inside"] and one["figure"] != "hours"] == []
    assert figures["images"]["actual"] == manifest(folder)["images"]
    assert figures["hours"]["actual"] > 0


def test_a_second_run_reuses_everything_and_changes_nothing(first_run: tuple[Path, str]) -> None:
    folder, _ = first_run
    before = {path: path.read_bytes() for path in (folder / "lake").rglob("*") if path.is_file()}
    printed = demo(folder)
    assert "2 reused" in printed
    assert "1 run" not in printed
    assert "2 run" not in printed
    assert {path: path.read_bytes() for path in (folder / "lake").rglob("*") if path.is_file()} == before


def demo_in_a_terminal(folder: Path) -> None:
    """What a process does that runs the demo as in a terminal of its own."""
    os.setsid()
    # Drawing the panels takes longer than all the rest, and nobody looks.
    with stderr_into(Path(os.devnull)), mock.patch("laion_assets.statistics.publish.PANELS", {}):
        sys.exit(run_demo(Home(folder), Console(width=160), spec=SPEC))


def stopped_during(stage: str, folder: Path, signal_number: int) -> tuple[int | None, str]:
    """Start the demo and stop it shortly after a stage began: its exit code, and what it printed."""
    process = warm.start(demo_in_a_terminal, folder)
    printed = []
    for line in process.printed:
        printed.append(line)
        if STAGES[stage] in line:
            time.sleep(0.5)
            # Ctrl-C reaches every process of the terminal; a killer takes the one it names.
            stop = os.killpg if signal_number == signal.SIGINT else os.kill
            stop(process.pid, signal_number)
            break
    code, rest = process.end(within_s=240)
    return code, "".join([*printed, rest])


def test_killed_in_every_stage_it_completes_in_the_end_with_the_same_shards(
    tmp_path: Path, first_run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = first_run
    monkeypatch.setattr("laion_assets.statistics.publish.PANELS", {})
    for stage in STAGES:
        assert stopped_during(stage, tmp_path, signal.SIGKILL)[0] == -signal.SIGKILL
    demo(tmp_path)
    both = rows_of_shards(tmp_path).join(rows_of_shards(folder), on="key", how="full", suffix="_undisturbed")
    for said in ("outcome", "error_message"):
        other = both.filter(pl.col(said).ne_missing(pl.col(f"{said}_undisturbed")))
        assert other.select("url", said, f"{said}_undisturbed").rows() == []
    assert manifest(tmp_path) == manifest(folder)
    with mock.patch.dict(os.environ):
        Home(tmp_path).enter()
        with dg.DagsterInstance.get() as instance:
            unfinished = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    assert unfinished == []


@pytest.mark.parametrize("stage", ["the start of the sandbox", "probing", "downloading"])
def test_interrupted_it_says_that_what_is_done_is_kept(tmp_path: Path, first_run: tuple[Path, str], stage: str) -> None:
    # What was made before, less the assets from that stage on.
    shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
    for asset in {"probing": ["dimension_sample"], "downloading": ["vlm_1024/shards"]}.get(stage, []):
        shutil.rmtree(tmp_path / "lake" / "laion_hr" / asset)
    code, printed = stopped_during(stage, tmp_path, signal.SIGINT)
    assert code == 130
    assert "Interrupted. Run it again: what is done is kept." in printed
    assert "Traceback" not in printed
