"""Processes that begin with what takes long to import imported already, as those of Dagster's runs do."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from laion_assets.run_processes import WARM_MODULE

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([WARM_MODULE])


def start(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """Start a process that calls a function of a module, in the surroundings this process had when it first did so."""
    process = _FORKS.Process(target=function, args=arguments)
    process.start()
    return process
