"""A Dagster asset platform that turns web-scale image-text metadata into training sets people can trust."""

import os
from importlib.metadata import version

# The allocator of polars gives memory back to the kernel after half a second, which then clears it for the next part:
# 0.25 s of the 3.5 s of CPU time that a part takes. Read when polars is loaded, so it must stand before that.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000")

__version__ = version("laion-assets")
