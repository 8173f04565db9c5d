"""Taking the first bytes of a file, and more of it only as somebody finds it is needed.

By ranges where a server has them, else by reading one answer just so far and cutting it off. Servers answer ranges in
every wrong way there is; whatever cannot be trusted is asked for once more without a range.
"""

import aiohttp

from laion_assets.web.exchange import Exchange, Found, Redirect
from laion_assets.web.explanation import explain
from laion_assets.web.failure import Failure
from laion_assets.web.incoming import Incoming
from laion_assets.web.journey import Journey
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import MoreBytes

# Ranges of one file asked for before it is read in one piece: 4 KiB, 64 KiB and a few more in any honest case.
MAX_RANGES = 8
# What is read on without ranges comes through the small window unless it is much: through a wide one 128 KB would come.
WORTH_WIDENING_BYTES = 131_072


async def read_prefix(exchange: Exchange, journey: Journey, more: MoreBytes) -> Found | Redirect:
    """Ask for the start of a file and read on for as long as ``more`` says, up to its request's cap.

    Args:
        exchange: Sends and judges.
        journey: Its counters are kept up to date, also when this raises.
        more: See ``MoreBytes``.

    Raises:
        Failure: ``truncated``, or whatever the answer's headers mean.
        Exception: Whatever aiohttp raises; ``explain`` knows what it means.
    """
    reading = _Prefix(exchange, journey)
    try:
        redirect = await reading.begin()
        if redirect is not None:
            return redirect
        while True:
            body, complete, lost = await reading.take()
            need = more(body, complete)
            if need is None or complete or len(body) >= reading.cap:
                return await reading.end(body, complete=complete)
            if lost is not None:
                raise lost
            if not await reading.go_on(body, need):
                # The last range happened to end where the file does, and only now can we know.
                more(body, True)  # noqa: FBT003 - called by position
                return await reading.end(body, complete=True)
    finally:
        reading.close()


class _Prefix:
    """A file's start, coming in over one answer or several."""

    def __init__(self, exchange: Exchange, journey: Journey) -> None:
        self._exchange = exchange
        self._journey = journey
        self.cap = journey.request.max_bytes
        self._want = min(journey.request.first_bytes, self.cap)
        self._before = b""
        """What earlier ranges brought."""
        self._ranges = 0
        self._incoming: Incoming | None = None

    async def begin(self) -> Redirect | None:
        """Get an answer that starts where the file does, or learn where else to ask."""
        journey = self._journey
        incoming = self._incoming = await self._exchange.send(journey, end=self._want if journey.ranges else None)
        if journey.ranges:
            self._ranges = 1
            # An empty file has no first byte, so some servers call every range of it unsatisfiable.
            if incoming.reply.status == 416 or (incoming.reply.status == 206 and not _brings(incoming, 0)):
                incoming = await self._send_without_range()
        return await self._exchange.judge(journey, incoming)

    async def take(self) -> tuple[bytes, bool, Failure | None]:
        """The body as far as it is wanted, whether it is the whole file, and what went wrong in between."""
        incoming, lost = self._current, None
        try:
            await incoming.up_to(self._want - len(self._before), cap=self.cap - len(self._before))
        except (aiohttp.ClientPayloadError, OSError) as error:
            lost = explain(error)
        body = self._before + incoming.take()
        return body, lost is None and incoming.ends_file(len(body), self._want), lost

    async def go_on(self, body: bytes, need: int) -> bool:
        """Get ready to take more than there is; False if there is no more."""
        incoming = self._current
        self._want = min(max(need, len(body) + 1), self.cap)
        self._journey.wide = True
        if not incoming.eof:
            if self._want - len(body) > WORTH_WIDENING_BYTES:
                incoming.widen()
            return True
        if incoming.range is None:
            raise Failure(Outcome.TRUNCATED, "the body ends before the file does, or its compression is broken")
        self._ranges += 1
        if incoming.encoded or self._ranges > MAX_RANGES:
            await self._start_over()
            return True
        told = incoming.file_bytes
        incoming.close()
        following = self._incoming = await self._exchange.send(self._journey, first=len(body), end=self._want)
        if following.reply.status == 416 and told is None:
            return False
        await self._judge_midway()
        if following.reply.status != 206:
            self._before = b""
        elif _brings(following, len(body)) and following.file_bytes == told and not following.encoded:
            self._before = body
        else:
            await self._start_over()
        return True

    async def end(self, body: bytes, *, complete: bool) -> Found:
        """What was found, and the connection free again if that is cheap."""
        incoming = self._current
        await incoming.settle()
        file_bytes = len(body) if complete else incoming.file_bytes
        return Found(body, complete=complete, file_bytes=file_bytes, content_type=incoming.content_type)

    def close(self) -> None:
        if self._incoming is not None:
            self._incoming.close()

    @property
    def _current(self) -> Incoming:
        if self._incoming is None:
            raise RuntimeError("nothing was asked yet")
        return self._incoming

    async def _start_over(self) -> None:
        await self._send_without_range()
        await self._judge_midway()
        self._before = b""

    async def _send_without_range(self) -> Incoming:
        self.close()
        self._journey.ranges = False
        self._incoming = await self._exchange.send(self._journey)
        if self._incoming.reply.status == 206:
            raise Failure(Outcome.CONNECTION_LOST, "a range came that was not asked for")
        return self._incoming

    async def _judge_midway(self) -> None:
        if await self._exchange.judge(self._journey, self._current) is not None:
            raise Failure(Outcome.CONNECTION_LOST, "redirected between two requests for one file")


def _brings(incoming: Incoming, first: int) -> bool:
    """Whether an answer to a range request holds the file from byte ``first`` on."""
    return incoming.range is not None and incoming.range.first == first
