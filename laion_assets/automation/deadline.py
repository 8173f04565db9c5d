"""What a tick does before a deadline or leaves: after a minute the daemon gives the tick up, and forgets what it did.

Knows nothing of Dagster.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(RuntimeError):
    """The work was not done by its deadline."""


def before_deadline(work: Callable[[], T], *, deadline_s: float) -> T:
    """What the work returns or raises, if it does so before the deadline.

    Args:
        work: what may take longer than anybody can wait.
        deadline_s: seconds from now.

    Raises:
        DeadlineError: the work is left behind, in a thread that nobody waits for.
    """
    outcome: Future[T] = Future()

    def do() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
            outcome.set_exception(error)

    # Only a thread can be left behind: a server that drips a byte now and then outlasts every timeout of a client.
    threading.Thread(target=do, name="before-deadline", daemon=True).start()
    wait([outcome], timeout=deadline_s)
    if not outcome.done():
        raise DeadlineError(f"not done within {deadline_s:g} s")
    return outcome.result()
