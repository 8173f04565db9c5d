"""What the process that runs are forked from may have done before."""

import os
import re
import subprocess
import sys
from pathlib import Path


def test_what_runs_are_forked_from_has_no_thread_that_a_fork_would_wait_for() -> None:
    code = (
        "import sys, threading; from pathlib import Path; import laion_assets.run_imports; "
        "names = {path.read_text().strip() for path in Path('/proc/self/task').glob('*/comm')}; "
        "from laion_assets.metadata.contract_docs import _view; "
        "print('page.j2' in {name for _, name in _view().env.cache.keys()}); "
        "print(threading.active_count(), names <= {'python', 'python3', 'jemalloc_bg_thd'}, "
        "{'great_expectations', 'dagster._core.storage.sqlite_storage', 'laion_assets.definitions'} <= {*sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["True", "1", "True", "True"]


def test_a_fork_s_queries_run_in_threads_and_clear_away_what_they_spilled(tmp_path: Path) -> None:
    """A polars that was forked in the middle of its work, or without its threads, would hang or fill the disk."""
    code = """
import os, pathlib, time
import laion_assets.run_imports
import polars as pl

def fork(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def query():
    frame = pl.select(number=pl.int_range(600_000).hash(1), text=pl.int_range(600_000).cast(pl.String))
    in_order = frame.lazy().sort("number").collect(engine="streaming")
    assert in_order["number"].is_sorted() and in_order["text"].n_unique() == 600_000
    assert fork(lambda: None) == 0, "a fork of a fork has been told already"
    deadline = time.monotonic() + 20
    while [*pathlib.Path(os.environ["POLARS_OOC_SPILL_DIR"]).rglob("*.ipc")]:
        assert time.monotonic() < deadline, "what was spilled is still there"
        time.sleep(0.05)

print(fork(query), fork(query))
"""
    spilled = {"POLARS_OOC_SPILL_DIR": str(tmp_path), "POLARS_OOC_SPILL_MIN_BYTES": "1"}
    with_little = {"POLARS_OOC_MEMORY_BUDGET_MB": "5", "POLARS_OOC_LOG_METRICS": "1", "POLARS_VERBOSE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **spilled, **with_little},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.stdout.split() == ["0", "0"]
    assert re.search(r"file_mb\(written=(?!0\.0)", ran.stderr), "it did spill"


def test_only_a_code_server_forks_its_runs() -> None:
    code = (
        "import multiprocessing, sys; from laion_assets.run_processes import start_runs_warm; "
        "sys.argv[1:] = sys.argv[1].split(); start_runs_warm(); "
        "print(multiprocessing.get_context('spawn').Process.__name__)"
    )

    def process_of(command: str) -> str:
        ran = subprocess.run([sys.executable, "-c", code, command], check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    assert process_of("api grpc --socket /tmp/one") == "ForkServerProcess"
    assert process_of("job execute -m api grpc") == "SpawnProcess"
