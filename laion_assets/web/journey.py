"""One URL on its way to its answer: what was asked of it so far, what that cost, and what it is waiting for."""

import asyncio
import sys
from collections.abc import Callable

from laion_assets.web.failure import Failure
from laion_assets.web.request import Answer, Request
from laion_assets.web.url import Target

AN_ADDRESS = "the address of its host"
"""What a journey waits for while its host's name is looked up."""


class Journey:
    """Mutable, private to the client; a request and an answer are its ends."""

    __slots__ = (
        "attempts",
        "began",
        "bytes_read",
        "deadline",
        "done",
        "failure",
        "finish",
        "for_robots",
        "on_new_connection",
        "ranges",
        "redirects",
        "request",
        "requests",
        "spent_s",
        "status",
        "target",
        "task",
        "to_proxy",
        "too_late",
        "until",
        "waits_for",
        "wide",
    )

    def __init__(
        self, request: Request, finish: "Callable[[Journey, Answer], None]", *, for_robots: bool = False
    ) -> None:
        self.request = request
        self.finish = finish
        """Called once, with this journey and the answer."""
        self.for_robots = for_robots
        """It fetches a robots.txt, so no robots.txt is asked first."""
        self.target: Target | None = None
        self.done = False
        self.task: asyncio.Task[None] | None = None
        """The worker that is on it right now."""
        self.deadline = 0.0
        """When, on the loop's clock, its time is up if it goes on without standing in line."""
        self.until = 0.0
        """When what it is waiting for must have come."""
        self.wide = False
        """More than the first bytes is wanted, so the connection may bring much at once."""
        self.on_new_connection = False
        """The connection it uses was made for it."""
        self.to_proxy = False
        """The connection it makes leads to the proxy of the user's environment, not to its target."""
        self.waits_for = ""
        self.too_late = False
        """It was stopped because what it waited for did not come."""
        self.ranges = False
        """Ask for ranges; given up for a server that answers them wrongly."""
        self.use_ranges()
        self.attempts = 0
        self.began = 0.0
        """When it was first asked where it is now."""
        self.failure: Failure | None = None
        """What the last try ended with, if there is to be another."""
        self.redirects: list[str] = []
        self.requests = 0
        self.bytes_read = 0
        self.spent_s = 0.0
        self.status: int | None = None

    def use_ranges(self) -> None:
        """Expect of a new server that it can do ranges."""
        self.ranges = self.request.more is not None and not self.for_robots

    def wait_for(self, what: str, until: float) -> None:
        """Say what is waited for, and when to stop waiting."""
        self.waits_for = what
        self.until = min(until, self.deadline)

    def stop(self, now: float) -> None:
        """Interrupt it if it waited too long; said again until it listens."""
        if now >= self.until and self.task is not None:
            self.too_late = True
            self.task.cancel()

    def resume(self) -> None:
        """Its worker goes on although it was interrupted."""
        if sys.version_info >= (3, 11) and self.task is not None:
            while self.task.cancelling():
                self.task.uncancel()

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self.done = True
        if self.task is not None:
            self.task.cancel()
