"""How many shards are in the making at once: what a download keeps to, and what the plan finds room for."""

import os

from laion_assets.web.spec import WebSpec

# A shard spends its end waiting for slow servers; meanwhile another one keeps the core and the line busy.
SHARDS_PER_CORE = 2
SHARDS_IN_ONE_PROCESS = 4


def most_processes() -> int:
    """Processes of a download that was not told how many."""
    return SHARDS_PER_CORE * (os.cpu_count() or 1)


def most_that_share(web: WebSpec) -> int:
    """How many processes can have a place each wherever one client may have several requests under way."""
    return min(web.concurrency, web.per_host, web.per_domain)


def most_shards(processes: int | None, web: WebSpec) -> int:
    """Shards in the making at the same time, at most.

    Args:
        processes: as many as a download was told to have; None if it was not.
        web: what one client may do.
    """
    return max(SHARDS_IN_ONE_PROCESS, min(processes or most_processes(), most_that_share(web)))
