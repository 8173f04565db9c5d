"""Taking a whole file: all of it, or a reason why not."""

from laion_assets.web.exchange import Exchange, Found, Redirect
from laion_assets.web.failure import Failure
from laion_assets.web.journey import Journey
from laion_assets.web.outcome import Outcome


async def read_whole(exchange: Exchange, journey: Journey, *, last_in_line: bool) -> Found | Redirect:
    """Ask for a file and take it to its end, or to one byte beyond its request's cap.

    Args:
        exchange: Sends and judges.
        journey: Its counters are kept up to date, also when this raises.
        last_in_line: Nothing else is queued for this host, so its connection need not be kept.

    Raises:
        Failure: ``too_large``, ``truncated``, or whatever the answer's headers mean.
        Exception: Whatever aiohttp raises; ``explain`` knows what it means.
    """
    cap = journey.request.max_bytes
    incoming = await exchange.send(journey)
    try:
        redirect = await exchange.judge(journey, incoming)
        if redirect is not None:
            return redirect
        if last_in_line:
            incoming.do_not_reuse()
        if incoming.length is not None and incoming.length > cap:
            raise Failure(Outcome.TOO_LARGE, f"{incoming.length} bytes announced; {cap} is the cap")
        await incoming.up_to(cap + 1, cap=cap + 1)
        size = incoming.size
        if size > cap:
            raise Failure(Outcome.TOO_LARGE, f"more than {cap} bytes, which is the cap")
        if not incoming.ends_file(size, cap + 1):
            raise Failure(Outcome.TRUNCATED, "the body ends before the file does, or its compression is broken")
        return Found(incoming.take(), complete=True, file_bytes=size, content_type=incoming.content_type)
    finally:
        incoming.close()
