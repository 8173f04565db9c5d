"""What a run needs and its process can inherit from the one it is forked from: imported modules, compiled templates.

Nothing that starts threads: a fork has none of its parent's threads, and would wait for them for ever. Polars starts
one when it is imported, so here it is imported but for that, and each fork does the rest. It starts more when it first
computes, which making the definitions does (predicates are tried), so each fork makes its own.
"""

import contextlib
import gc
import importlib
import importlib.util
import os

import dagster._grpc.impl  # noqa: F401 (where a run begins)

import laion_assets.instance_storage  # (and with it where Dagster keeps runs and events)
from laion_assets.metadata import contract_docs, gx_engine

with contextlib.suppress(ImportError):  # only where it was asked for is it installed
    import dagster_postgres.storage  # noqa: F401

gx_engine.load()
contract_docs.compile_templates()

# What Dagster and we import only when an instance is opened, or a job executed.
for name in (
    "dagster._core.definitions.repository_definition.repository_data_builder",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.workspace.autodiscovery",
    "upath.core",
    "upath.implementations.local",
):
    importlib.import_module(name)

_POLARS = ("_polars_runtime_32", "_polars_runtime_64", "_polars_runtime_compat")
_START = "__register_startup_deps"


def _import_polars() -> bool:
    """Import polars without the thread that clears away what queries spill to disk; returns whether that was possible.

    The thread begins when polars tells its runtime, once in a process, which functions of Python it may call. Without
    it queries work and leave their files behind. Each fork tells its own runtime.
    """
    installed = [name for name in _POLARS if importlib.util.find_spec(name)]
    if len(installed) != 1:
        return False  # polars chooses among them by what the environment says
    runtime = importlib.import_module(f"{installed[0]}._polars_runtime")
    start = getattr(runtime, _START, None)
    if start is None:
        return False
    told: list[tuple[object, ...]] = []
    setattr(runtime, _START, lambda *functions: told.append(functions))
    try:
        importlib.import_module("polars")
    finally:
        setattr(runtime, _START, start)
    os.register_at_fork(after_in_child=lambda: start(*told.pop()) if told else None)
    return True


if _import_polars():
    import laion_assets.definitions
    import laion_assets.sources.files
    import laion_assets.web.client  # noqa: F401

# What is here stays: a run need not look for garbage in it, or copy it to do so.
gc.collect()
gc.freeze()
