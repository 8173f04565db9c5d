"""What the processes do that download until a test stops them.

Apart from the tests: what these import, the processes need not.
"""

import os
import resource
import sys
from pathlib import Path

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.shards import process
from laion_assets.shards.job import DownloadError, Job
from laion_assets.shards.session import run
from laion_assets.terminal import stderr_into


def carry_out(job_file: str, file_limit_bytes: int) -> None:
    """Carry out a job, as the process that Pipes starts does."""
    process.die_with_parent()
    if file_limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit_bytes, file_limit_bytes))
    try:
        run(Job.from_json(Path(job_file).read_text()), lambda line: print(line, flush=True))
    except DownloadError as error:
        sys.exit(str(error))


def materialise_shards(lake_uri: str, processes: int) -> None:
    """Execute a run, as the process does that the run launcher starts and sends SIGINT to on *Terminate*."""
    from laion_assets_tests.shards.test_termination import chain_of

    with stderr_into(Path(os.devnull)), dg.DagsterInstance.ephemeral() as instance:
        chain_of(Lake(lake_uri), instance, processes).materialise("shards", part="part-00000")
