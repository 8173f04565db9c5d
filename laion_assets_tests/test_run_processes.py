"""What the process that runs are forked from may have done before."""

import subprocess
import sys


def test_what_runs_are_forked_from_has_no_thread_that_a_fork_would_wait_for() -> None:
    code = (
        "import sys, threading; import laion_assets.run_imports; "
        "print(threading.active_count(), 'polars' in sys.modules, "
        "all(name in sys.modules for name in ('great_expectations', 'dagster._core.storage.sqlite_storage')))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["1", "False", "True"]


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
