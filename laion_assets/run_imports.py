"""What the process of a run needs and that can be imported before it is forked.

Modules only, and none that starts threads of its own: a fork has none of its parent's threads, and would wait for them
for ever. Polars starts one when it is imported, so it and our own modules, which are quick, are left to the run.
"""

import contextlib
import gc
import importlib

# What is imported here stays: to look for garbage in it would be a seventh of the time that takes.
gc.disable()

import dagster._grpc.impl  # noqa: E402, F401 (where a run begins)

import laion_assets.instance_storage  # noqa: E402, F401 (and with it where Dagster keeps runs and events)
from laion_assets.metadata import gx_engine  # noqa: E402

with contextlib.suppress(ImportError):  # only where it was asked for is it installed
    import dagster_postgres.storage  # noqa: F401

gx_engine.load()

# What Dagster itself imports only when an instance is opened, or a job executed.
for name in (
    "dagster._core.definitions.repository_definition.repository_data_builder",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.workspace.autodiscovery",
    "upath.core",
    "upath.implementations.local",
):
    importlib.import_module(name)

# Nor need a run look for any in it, or copy it to do so.
gc.collect()
gc.freeze()
gc.enable()
