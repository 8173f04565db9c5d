"""What Dagster adds to a part: the same work by plain calls, through a real backfill, and through the command line.

Called by ``python -m benchmarks.metadata``. The work is the job ``laion_hr_parts``: fetch, validate, profile, check
with Great Expectations, select the rows of every subset. The backfill is launched as a person would in ``laion-assets
dev``: webserver, daemon, run queue and a process per run, in a home of its own. Processor time counts all of them.
"""

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.catalogue import Catalogue
from laion_assets.home import PROJECT_ROOT, Home
from laion_assets.lake.lake import Lake

DATASET = "laion_hr"
JOB = f"{DATASET}_parts"
_BIN = Path(sys.executable).parent
_READY_S, _BACKFILL_S = 180.0, 3600.0
_POLL_S = 0.25
_IDLE_S = 3.0
_LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
_RUNS = "{ runsOrError { ... on Runs { results { status creationTime startTime endTime } } } }"


@dataclass(frozen=True)
class PerPart:
    """What one part took, on average over the parts done.

    Attributes:
        seconds: From asking to the end of the last part, divided by the number of parts.
        cpu_s: Processor time of everything that took part in it.
    """

    parts: int
    seconds: float
    cpu_s: float


@dataclass(frozen=True)
class DagsterParts:
    """The three ways, on parts of the same size.

    Attributes:
        idle_cpu_share: Processor time a second that webserver and daemon use while nothing runs; taken off the
            backfill's.
        run_s: How long one run of the backfill took, from its start to its end, two to four of them at a time.
        queued_s: How long one waited for its start.
    """

    plain: PerPart
    backfill: PerPart
    command: PerPart | None
    idle_cpu_share: float
    run_s: float
    queued_s: float


def measure_dagster(
    folder: Path,
    *,
    rows: int,
    backfilled: int,
    commanded: int,
    told: Callable[[str], None] = lambda _what: None,
) -> DagsterParts:
    """Do the job in the three ways.

    Args:
        folder: Scratch, of which nothing is removed.
        rows: Rows per part.
        backfilled: How many parts the backfill and the plain calls do.
        commanded: How many parts the command line does; 0 leaves it out.
        told: Called with what is being done.
    """
    published = folder / "published"
    published.mkdir()
    catalogue = Catalogue(seed=2, rows_per_part=rows)
    keys = [f"part-{number:05d}" for number in range(backfilled + commanded)]
    for number, key in enumerate(keys):
        told(f"making {key} for Dagster")
        catalogue.write(published, number)
    home = Home(folder / "home")
    environment = {**os.environ, **home.environment(), "LAION_HR_SOURCE": str(published)}
    environment |= {"LAION_HR_PARTS": str(len(keys)), "LAION_HR_ROWS": str(rows * len(keys))}
    told("the job of a part by plain calls")
    plain = _plain(folder / "plain", keys[:backfilled], environment)
    told("the job of a part through a backfill")
    with _user_interface(home, published, environment) as (process, graphql):
        before = _cpu_s(process)
        time.sleep(_IDLE_S)
        idle = (_cpu_s(process) - before) / _IDLE_S
        backfill = _backfill(process, graphql, keys[:backfilled])
        runs = graphql(_RUNS, {})["runsOrError"]["results"]
    told("the job of a part through the command line")
    command = _command(keys[backfilled:], environment) if commanded else None
    return DagsterParts(
        plain=plain,
        backfill=PerPart(backfill.parts, backfill.seconds, backfill.cpu_s - idle * backfill.seconds),
        command=command,
        idle_cpu_share=idle,
        run_s=statistics.mean(run["endTime"] - run["startTime"] for run in runs),
        queued_s=statistics.mean(run["startTime"] - run["creationTime"] for run in runs),
    )


def plain_job(keys: Sequence[str]) -> None:
    """The work of the job for some parts, as plain calls: what is left of it without Dagster."""
    from laion_assets.dataset import ImageTextDataset
    from laion_assets.definitions import defs
    from laion_assets.registration import datasets

    (dataset,) = (one for one in datasets(defs()) if one.name == DATASET)
    assert isinstance(dataset, ImageTextDataset)  # noqa: S101 (for the reader)
    lake = Lake(os.environ["LAION_ASSETS_LAKE"])
    _plain_part(dataset, lake, keys[0])  # imports, outside the clock
    wall, cpu = time.perf_counter(), time.process_time()
    for key in keys:
        _plain_part(dataset, lake, key)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))


def _plain_part(dataset: Any, lake: Lake, key: str) -> None:  # noqa: ANN401 (an ImageTextDataset)
    from laion_assets.lake.parquet import write_parquet
    from laion_assets.metadata import check_results, part_files
    from laion_assets.metadata.contract import check_contract, expectations_of, figures_of
    from laion_assets.metadata.contract_docs import contract_page
    from laion_assets.metadata.positional_union import compare_null_shares
    from laion_assets.metadata.reading import open_published
    from laion_assets.metadata.row_hashes import check_hashes
    from laion_assets.metadata.rulebook import rulebook
    from laion_assets.metadata.sketch import SKETCHES, Sketch
    from laion_assets.metadata.spelled_sizes import compare_spelled_sizes
    from laion_assets.metadata.validation import validate
    from laion_assets.sources.fetching import open_source
    from laion_assets.subsets.rows import write_rows
    from laion_assets.subsets.selection import select

    source = open_source(dataset.source)
    part = source.find_part(key)
    raw_uri = lake.uri([DATASET, "raw_metadata"], part.file_name)
    with lake.publish_resumable(raw_uri) as path:
        source.fetch(part, path)
    names = ("quarantined_metadata", "metadata_profile", SKETCHES, "validated_metadata")
    uris = [lake.uri([DATASET, name], f"{key}.parquet") for name in names]
    book, sketch = rulebook(dataset.rules, dataset.expectations), Sketch(key, seed=dataset.sample.seed)
    with lake.local_file(raw_uri) as raw, lake.publish_many(uris) as (quarantined, profile_path, sketch_path, valid):
        with open_published(raw, part=key, columns=dataset.columns, scratch=valid.parent) as table:
            profile = validate(table, book, valid_path=valid, quarantine_path=quarantined, sketch=sketch)
        write_parquet(profile, profile_path)
        sketch.write(sketch_path, valid=valid)
        for written in (quarantined, profile_path, valid):
            part_files.describe(written)
    figures = profile.row(0, named=True)
    rows = lake.scan_parquet(uris[-1])
    check_results.below_minimum_finding(figures, dataset.expectations.minimum_side_px)
    compare_null_shares([tuple(one.values()) for one in figures["null_counts_by_language"]])
    check_hashes(rows.select("row", "url", "caption", "row_hash").head(1000).collect())
    compare_spelled_sizes(rows)
    suite = expectations_of(
        book, dataset.expectations, rows=figures["rows_in"], not_applicable=figures["rules_not_applicable"]
    )
    page = contract_page(check_contract(figures_of(figures), suite, part=key))
    lake.write_bytes(lake.uri([DATASET, "metadata_profile"], f"contract/{key}.html"), page.encode())
    for subset in dataset.subsets:
        selection = select(rows, subset, part=key)
        write_rows(lake, DATASET, subset.name, key, selection)


def _plain(folder: Path, keys: Sequence[str], environment: Mapping[str, str]) -> PerPart:
    code = f"from benchmarks.dagster_parts import plain_job; plain_job({list(keys)!r})"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "LAION_ASSETS_LAKE": str(folder)},
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, cpu_s = json.loads(ran.stdout.splitlines()[-1])
    return PerPart(len(keys), seconds / len(keys), cpu_s / len(keys))


@contextlib.contextmanager
def _user_interface(
    home: Home, published: Path, environment: Mapping[str, str]
) -> Iterator[tuple[psutil.Process, Callable[[str, dict[str, Any]], Any]]]:
    """``laion-assets dev`` on these parts, and how to ask it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"

    def graphql(query: str, variables: dict[str, Any]) -> Any:  # noqa: ANN401 (as JSON has it)
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (ours, on loopback)
            return json.load(answer)["data"]

    log = home.folder.parent / "dev.log"
    place = ["--source", str(published), "--home", str(home.folder), "--port", str(port)]
    command = [str(_BIN / "laion-assets"), "dev", *place]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True) as process,
    ):
        try:
            deadline = time.monotonic() + _READY_S
            while True:
                with contextlib.suppress(OSError, KeyError, TypeError):
                    workspace = graphql(_REPOSITORIES, {})
                    if workspace["repositoriesOrError"]["nodes"]:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the Dagster UI did not start. It said: {log.read_text()[-2000:]}")
                time.sleep(_POLL_S)
            yield psutil.Process(process.pid), graphql
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _backfill(process: psutil.Process, graphql: Callable[[str, dict[str, Any]], Any], keys: Sequence[str]) -> PerPart:
    repository = {"repositoryLocationName": "laion_assets", "repositoryName": "__repository__"}
    params = {
        "selector": {"partitionSetName": f"{JOB}_partition_set", "repositorySelector": repository},
        "partitionNames": list(keys),
    }
    wall, cpu = time.perf_counter(), _cpu_s(process)
    launched = graphql(_LAUNCH, {"params": params})["launchPartitionBackfill"]
    if launched["__typename"] != "LaunchBackfillSuccess":
        raise RuntimeError(f"the backfill was not launched: {launched}")
    deadline = time.monotonic() + _BACKFILL_S
    while True:
        statuses = [run["status"] for run in graphql(_RUNS, {})["runsOrError"]["results"]]
        if statuses == ["SUCCESS"] * len(keys):
            break
        if {"FAILURE", "CANCELED"} & set(statuses) or time.monotonic() > deadline:
            raise RuntimeError(f"the backfill did not succeed: {statuses}")
        time.sleep(_POLL_S)
    seconds, cpu_s = time.perf_counter() - wall, _cpu_s(process) - cpu
    return PerPart(len(keys), seconds / len(keys), cpu_s / len(keys))


def _command(keys: Sequence[str], environment: Mapping[str, str]) -> PerPart:
    wall, cpu = time.perf_counter(), _cpu_s(psutil.Process())
    for key in keys:
        subprocess.run(
            [_BIN / "dg", "launch", "--job", JOB, "--partition", key],
            env=dict(environment),
            cwd=PROJECT_ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    seconds, cpu_s = time.perf_counter() - wall, _cpu_s(psutil.Process()) - cpu
    return PerPart(len(keys), seconds / len(keys), cpu_s / len(keys))


def _cpu_s(process: psutil.Process) -> float:
    """Processor time of a process and all that it started, those that have ended included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
