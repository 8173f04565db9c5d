"""What the process of a run needs and that can be imported before it is forked.

Modules only, and none that starts threads of its own: a fork has none of its parent's threads, and would wait for them
for ever. Polars starts one when it is imported, so it and our own modules, which are quick, are left to the run.
"""

import contextlib
import gc

# What is imported here stays: to look for garbage in it would be a seventh of the time that takes.
gc.disable()

import dagster._grpc.impl  # noqa: E402, F401 (where a run begins)

import laion_assets.instance_storage  # noqa: E402, F401 (and with it where Dagster keeps runs and events)
from laion_assets.metadata import gx_engine  # noqa: E402

with contextlib.suppress(ImportError):  # only where it was asked for is it installed
    import dagster_postgres.storage  # noqa: F401

gx_engine.load()

# Nor need a run look for any in it, or copy it to do so.
gc.collect()
gc.freeze()
gc.enable()
