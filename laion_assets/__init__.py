"""A Dagster asset platform that turns web-scale image-text metadata into training sets people can trust."""

import os
from importlib.metadata import version

# The allocator of polars gives memory back to the kernel after half a second, which then clears it for the next part:
# 0.6 s of the 4.6 s of CPU time that a part takes. Read when polars is loaded, so it must stand before that.
os.environ.setdefault("_RJEM_MALLOC_CONF", "muzzy_decay_ms:1000,dirty_decay_ms:30000")

__version__ = version("laion-assets")
