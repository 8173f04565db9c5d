"""A Dagster asset platform that turns web-scale image-text metadata into training sets people can trust."""

import atexit
import gc
import os

# The allocator of polars gives memory back to the kernel after half a second, which then clears it for the next part:
# 0.6 s of the 4.6 s of CPU time that a part takes. Read when polars is loaded, so it must stand before that.
os.environ.setdefault("_RJEM_MALLOC_CONF", "muzzy_decay_ms:1000,dirty_decay_ms:30000")

# Python looks for garbage in cycles whenever there are 700 objects more than before, and among all there are when it
# ends: a fifth of what it costs to start and end a process with Dagster in it, whose modules are no garbage. What is in
# a cycle at the end is not finalised; nothing of ours waits for that.
_first, *_others = gc.get_threshold()
if 0 < _first < 10_000:
    gc.set_threshold(10_000, *_others)
atexit.register(gc.freeze)

__version__ = "0.1.0"
