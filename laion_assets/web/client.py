"""The guarded client: the only way to the open web.

Brings together the address guard, the bounds, the schedule and the outcomes, on top of aiohttp. Each of those has a
module of its own; here is the order in which they meet one request.
"""

from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

from laion_assets.web.request import (
    FIRST_PREFIX_BYTES,
    MAX_BODY_BYTES,
    MAX_PREFIX_BYTES,
    Answer,
    MoreBytes,
    Request,
)
from laion_assets.web.spec import WebSpec


class GuardedClient:
    """Asks the open web for images: guarded, bounded, polite, and never raising for what a server does.

    Used as an async context manager, on one event loop; a process that wants a second core opens a second client.

    Example:
        >>> async with GuardedClient(WebSpec()) as client:
        ...     answer = await client.fetch("https://example.org/cat.jpg", max_bytes=20_000_000)
        ...     answer.outcome, len(answer.body)
    """

    def __init__(self, spec: WebSpec | None = None) -> None:
        self.spec = spec or WebSpec()

    async def __aenter__(self) -> Self:
        """Open the connection pool and the resolver."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every socket; requests still under way are cancelled."""

    async def fetch_prefix(
        self,
        url: str,
        *,
        more: MoreBytes,
        first_bytes: int = FIRST_PREFIX_BYTES,
        max_bytes: int = MAX_PREFIX_BYTES,
    ) -> Answer:
        """Read the first bytes of a file, and further ones only as ``more`` asks for them.

        A range request each time; a server without ranges is read just as far and cut off.

        Args:
            url: As published; spaces and non-ASCII characters are escaped, existing escapes kept.
            more: Called as ``more(prefix, complete)``; returns the total number of bytes needed from the file's
                start, or None when the prefix is enough.
            first_bytes: Asked for at first.
            max_bytes: Never read further than this, whatever ``more`` says.

        Returns:
            An answer whose outcome is ``ok`` when HTTP went well, however far was read: a body that ``more`` was
            still not content with is for the caller to name.
        """
        raise NotImplementedError

    async def fetch(self, url: str, *, max_bytes: int = MAX_BODY_BYTES) -> Answer:
        """Read a whole file into memory.

        Args:
            url: As published; spaces and non-ASCII characters are escaped, existing escapes kept.
            max_bytes: A larger body ends as ``too_large``: from its announced length before it is read, else when
                the cap is passed.

        Returns:
            An answer with the whole body if the outcome is ``ok``; ``truncated`` if it ended before its announced end.
        """
        raise NotImplementedError

    def answers(self, requests: Iterable[Request]) -> AsyncIterator[tuple[Request, Answer]]:
        """Answer many requests, each as soon as it is finished, in no order.

        ``requests`` may be endless: at most ``spec.lookahead`` are taken from it ahead of their answers. A host at its
        limit holds up nobody else's requests. Every request has exactly one answer.
        """
        raise NotImplementedError
