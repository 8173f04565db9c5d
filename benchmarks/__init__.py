"""One script per claim about speed, each measuring a peer and us in the same run."""

import laion_assets  # noqa: F401 (before polars, which it tells how long to keep memory)
