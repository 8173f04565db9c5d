"""One request and what its answer's headers mean: a body, another place to ask, or the end.

How much of a body is taken is the business of ``whole`` and ``prefix``; whether to ask again, of the client.
"""

from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from laion_assets.web.connection import Connections
from laion_assets.web.failure import Failure
from laion_assets.web.incoming import Incoming
from laion_assets.web.journey import Journey
from laion_assets.web.outcome import Outcome
from laion_assets.web.reply import Reply
from laion_assets.web.robots import opt_out
from laion_assets.web.spec import WebSpec

REDIRECTS = frozenset((301, 302, 303, 307, 308))
_BY_STATUS = {
    401: Outcome.FORBIDDEN,
    402: Outcome.FORBIDDEN,
    403: Outcome.FORBIDDEN,
    404: Outcome.NOT_FOUND,
    410: Outcome.NOT_FOUND,
    429: Outcome.RATE_LIMITED,
    451: Outcome.FORBIDDEN,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A body came, as far as it was wanted."""

    body: bytes
    complete: bool
    file_bytes: int | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class Redirect:
    """The answer is elsewhere."""

    location: str


class Exchange:
    """Sends requests and judges their answers."""

    def __init__(self, spec: WebSpec, connections: Connections) -> None:
        self._words = spec.opt_out_words
        self._agent = spec.robots_agent
        self._connections = connections

    async def send(self, journey: Journey, *, first: int = 0, end: int | None = None) -> Incoming:
        """Ask for a journey's target, or for its bytes from ``first`` up to but not including ``end``.

        Returns:
            The answer, whatever its status, with nothing taken from its body. The caller closes it.
        """
        wanted_range = None if end is None else f"bytes={first}-{end - 1}"
        reply = await self._connections.get(journey, wanted_range=wanted_range)
        journey.status = reply.status
        return Incoming(journey, reply)

    async def judge(self, journey: Journey, incoming: Incoming) -> Redirect | None:
        """Where an answer leads, or None if it brings a body.

        Raises:
            Failure: It does neither, or the publisher opted out.
        """
        status = incoming.reply.status
        if 200 <= status < 300:
            self._obey(journey, incoming.reply)
            return None
        await incoming.settle()
        if status in REDIRECTS:
            self._obey(journey, incoming.reply)
            location = incoming.reply.headers.get("Location", "")
            if location:
                return Redirect(location)
            raise Failure(Outcome.REJECTED, f"HTTP {status} without a Location")
        outcome = Outcome.SERVER_ERROR if 500 <= status < 600 else _BY_STATUS.get(status, Outcome.REJECTED)
        retry_after = incoming.reply.headers.get("Retry-After") if status in {429, 503} else None
        raise Failure(
            outcome, f"HTTP {status} {incoming.reply.reason or ''}", retry_after_s=read_retry_after(retry_after)
        )

    def _obey(self, journey: Journey, reply: Reply) -> None:
        tags = reply.headers.getall("X-Robots-Tag", ())
        if tags and self._words and not journey.for_robots:
            word = opt_out(tags, words=self._words, agent=self._agent)
            if word is not None:
                raise Failure(Outcome.OPTED_OUT, f"X-Robots-Tag: {word}")


def read_retry_after(value: str | None) -> float | None:
    """Seconds to wait, from ``Retry-After: 120`` or an HTTP date; None if there is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max((when - datetime.now(timezone.utc)).total_seconds(), 0.0)
