"""One turn at one host: send a request, look at the headers, take as much of the body as is wanted.

Retries, redirects and politeness are decided elsewhere; here is what one answer means, and what it may cost.
"""

from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import aiohttp

from laion_assets.web.body import read_unsatisfied_total
from laion_assets.web.connection import Connections
from laion_assets.web.failure import Failure, explain
from laion_assets.web.incoming import Incoming
from laion_assets.web.journey import Journey
from laion_assets.web.outcome import Outcome
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

# Ranges of one file asked for before it is read in one piece: 4 KiB, 64 KiB and a few more in any honest case.
MAX_RANGES = 8


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
    """Asks a host, within the bounds of a journey."""

    def __init__(self, spec: WebSpec, connections: Connections) -> None:
        self._words = spec.opt_out_words
        self._agent = spec.robots_agent
        self._connections = connections

    async def ask(self, journey: Journey, *, last_in_line: bool) -> Found | Redirect:
        """Ask a journey's target for what its request wants.

        Args:
            journey: Its counters are kept up to date, also when this raises.
            last_in_line: Nothing else is queued for this host, so a connection need not be kept.

        Raises:
            Failure: Anything else than a body or a redirect.
            Exception: Whatever aiohttp raises; ``explain`` knows what it means.
        """
        if journey.request.more is None:
            return await self._whole(journey, last_in_line=last_in_line)
        return await self._prefix(journey)

    async def _whole(self, journey: Journey, *, last_in_line: bool) -> Found | Redirect:
        max_bytes = journey.request.max_bytes
        incoming = await self._send(journey, {})
        try:
            if (redirect := self._redirect(journey, incoming.response)) is not None:
                await incoming.settle()
                return redirect
            if last_in_line:
                incoming.do_not_reuse()
            if incoming.length is not None and incoming.length > max_bytes:
                raise Failure(Outcome.TOO_LARGE, f"{incoming.length} bytes announced; {max_bytes} is the cap")
            await incoming.up_to(max_bytes + 1, cap=max_bytes + 1)
            size = incoming.size
            if size > max_bytes:
                raise Failure(Outcome.TOO_LARGE, f"more than {max_bytes} bytes, which is the cap")
            if not incoming.ends_file(size, max_bytes + 1):
                raise Failure(Outcome.TRUNCATED, "the compressed body is broken or ends early")
            return Found(incoming.take(), True, size, _content_type(incoming.response))  # noqa: FBT003
        finally:
            incoming.close()

    async def _prefix(self, journey: Journey) -> Found | Redirect:
        """Read on for as long as ``more`` asks, by further ranges where the server has them."""
        more, cap = journey.request.more, journey.request.max_bytes
        if more is None:
            raise TypeError("a prefix is read for somebody who says how much of it is needed")
        want = min(journey.request.first_bytes, cap)
        before, ranges = b"", 1
        incoming = await self._send(journey, self._range(0, want) if journey.ranges else {})
        try:
            if incoming.response.status == 416 and journey.ranges:
                if read_unsatisfied_total(incoming.response.headers.get("Content-Range")) == 0:
                    return Found(b"", True, 0, _content_type(incoming.response))  # noqa: FBT003
                incoming = await self._start_over(journey, incoming)
            if (redirect := self._redirect(journey, incoming.response)) is not None:
                await incoming.settle()
                return redirect
            if not _brings(incoming, 0):
                incoming = await self._start_over(journey, incoming)
            while True:
                lost: Failure | None = None
                try:
                    await incoming.up_to(want - len(before), cap=cap - len(before))
                except (aiohttp.ClientPayloadError, OSError) as error:
                    lost = explain(error)
                body = before + incoming.take()
                complete = lost is None and incoming.ends_file(len(body), want)
                need = more(body, complete)
                if need is None or complete or len(body) >= cap:
                    break
                if lost is not None:
                    raise lost
                want = min(max(need, len(body) + 1), cap)
                if not incoming.eof:
                    continue
                if incoming.range is None:
                    raise Failure(Outcome.TRUNCATED, "the compressed body is broken or ends early")
                ranges += 1
                if incoming.encoded or ranges > MAX_RANGES:
                    incoming, before = await self._start_over(journey, incoming), b""
                    continue
                incoming.close()
                following = await self._send(journey, self._range(len(body), want))
                incoming, told = following, incoming.file_bytes
                if following.response.status == 416 and told is None:
                    # The last range happened to end where the file does, and only now can we know.
                    more(body, True)  # noqa: FBT003
                    return Found(body, True, len(body), _content_type(following.response))  # noqa: FBT003
                if self._redirect(journey, following.response) is not None:
                    raise Failure(Outcome.CONNECTION_LOST, "redirected between two ranges of one file")
                if _brings(following, len(body)) and following.file_bytes == told and not following.encoded:
                    before = body
                elif following.response.status != 206:
                    before = b""
                else:
                    incoming, before = await self._start_over(journey, incoming), b""
            found = Found(
                body, complete, len(body) if complete else incoming.file_bytes, _content_type(incoming.response)
            )
            await incoming.settle()
            return found
        finally:
            incoming.close()

    @staticmethod
    def _range(first: int, end: int) -> dict[str, str]:
        return {"Range": f"bytes={first}-{end - 1}"}

    async def _start_over(self, journey: Journey, incoming: Incoming) -> Incoming:
        """Ask again without a range: for servers whose ranges cannot be used."""
        incoming.close()
        journey.ranges = False
        again = await self._send(journey, {})
        if again.response.status == 206:
            again.close()
            raise Failure(Outcome.CONNECTION_LOST, "a range came that was not asked for")
        return again

    async def _send(self, journey: Journey, headers: dict[str, str]) -> Incoming:
        response = await self._connections.get(journey, headers)
        journey.status = response.status
        return Incoming(journey, response)

    def _redirect(self, journey: Journey, response: aiohttp.ClientResponse) -> Redirect | None:
        """Where an answer leads, or None if it brings a body.

        Raises:
            Failure: It does neither, or the publisher opted out.
        """
        status = response.status
        if 200 <= status < 300:
            self._obey(journey, response)
            return None
        if status in REDIRECTS:
            self._obey(journey, response)
            location = response.headers.get("Location", "")
            if location:
                return Redirect(location)
            raise Failure(Outcome.REJECTED, f"HTTP {status} without a Location")
        outcome = Outcome.SERVER_ERROR if 500 <= status < 600 else _BY_STATUS.get(status, Outcome.REJECTED)
        raise Failure(
            outcome,
            f"HTTP {status} {response.reason or ''}",
            retry_after_s=read_retry_after(response.headers.get("Retry-After")) if status in {429, 503} else None,
        )

    def _obey(self, journey: Journey, response: aiohttp.ClientResponse) -> None:
        tags = response.headers.getall("X-Robots-Tag", ())
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


def _brings(incoming: Incoming, first: int) -> bool:
    """Whether an answer holds the file from byte ``first`` on."""
    if incoming.response.status != 206:
        return first == 0
    return incoming.range is not None and incoming.range.first == first


def _content_type(response: aiohttp.ClientResponse) -> str | None:
    value = response.headers.get("Content-Type")
    return value[:200] if value else None
