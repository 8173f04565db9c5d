"""The processes a download runs in: how they end with the one that started them, and how they share its manners."""

import ctypes
import os
import signal
import sys

from laion_assets.web.spec import WebSpec

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however that ends. Linux only; elsewhere nothing."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:  # it ended before we could ask
        os._exit(1)


def resizing_threads(processes: int) -> int:
    """Threads that each of several processes resizes in: one per core that its event loop leaves it."""
    return max(1, (os.cpu_count() or 1) // processes - 1)


def share_of(web: WebSpec, processes: int) -> WebSpec:
    """What each of several processes may do, so that together they keep to the manners of one client.

    Args:
        web: what one client may do.
        processes: how many there are, ``most_that_share`` at most.
    """
    if processes == 1:
        return web

    def part(whole: int) -> int:
        return whole // processes

    def rate(whole: float | None) -> float | None:
        return None if whole is None else whole / processes

    return web.model_copy(
        update={
            "concurrency": part(web.concurrency),
            "per_host": part(web.per_host),
            "per_domain": part(web.per_domain),
            "host_requests_per_s": rate(web.host_requests_per_s),
            "domain_requests_per_s": rate(web.domain_requests_per_s),
        }
    )
