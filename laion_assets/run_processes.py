"""How a code server starts the process of a run: as a fork of one that has imported what runs import.

Dagster starts each in a new interpreter, which imports Dagster, our modules and Great Expectations again: most of what
a part cost. It has no setting for that, so here Python's fork server does what Python's spawning would. What a run
does, how it is watched and how it is stopped stay Dagster's business, on one machine and on many.
"""

import multiprocessing
import sys
from multiprocessing.context import ForkServerProcess

WARM_MODULE = "laion_assets.run_imports"

_CODE_SERVER = ["api", "grpc"]


def start_runs_warm() -> None:
    """In a process that is a code server, start runs as forks from now on; elsewhere do nothing."""
    # A run is told its code server's command line and has it for its own; it has a parent, which the server has not.
    if sys.argv[1:3] != _CODE_SERVER or multiprocessing.parent_process() is not None:
        return
    multiprocessing.set_forkserver_preload([WARM_MODULE])
    multiprocessing.get_context("spawn").Process = ForkServerProcess  # type: ignore[assignment,misc]
