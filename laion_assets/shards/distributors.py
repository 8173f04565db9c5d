"""What img2dataset's distributors need of the machine, and what they leave to it that has to be said.

How work is handed out is theirs.
"""

import contextlib
import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator

from laion_assets.shards.job import DownloadError


def require(distributor: str) -> None:
    """Whether a distributor can be used here.

    Raises:
        DownloadError: Its package, or the Java that Spark runs in, is missing.
    """
    if distributor == "multiprocessing":
        return
    if importlib.util.find_spec(distributor) is None:
        raise DownloadError(f"distributor: {distributor} is not installed. Install it, or use multiprocessing.")
    if distributor == "pyspark" and not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        raise DownloadError(
            "distributor: pyspark finds no Java. Install a runtime, set JAVA_HOME to it, or use multiprocessing."
        )


@contextlib.contextmanager
def held_to(distributor: str, processes: int, *, shards: int) -> Iterator[None]:
    """While the block runs, a distributor has so many processes at once; left to itself, Ray has one per core.

    Args:
        distributor: which one.
        processes: how many.
        shards: how many are to be made: as many tasks, of which a large cluster runs all at once.

    Raises:
        DownloadError: Ray's cluster is there already and would have more.
    """
    # Spark would start whatever `python3` is on its machine's path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if distributor != "ray":
        yield
        return
    ray = importlib.import_module("ray")
    ray.init(**({} if os.environ.get("RAY_ADDRESS") else {"num_cpus": processes, "include_dashboard": False}))
    try:
        at_once = min(int(ray.cluster_resources().get("CPU", 0)), shards)
        if at_once > processes:
            raise DownloadError(
                f"distributor: Ray's cluster runs {at_once} tasks at once and {processes} processes may ask the web. "
                "Set processes, and the web's per_host if need be, to as many, or use a smaller cluster."
            )
        yield
    finally:
        ray.shutdown()
