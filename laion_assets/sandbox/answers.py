"""How each fault of the table is acted out: from a page and a request to an answer.

What the faults are, how frequent, and what a client must make of them is in ``faults``.
"""

import functools
import zlib
from collections import Counter
from collections.abc import Callable, Sequence

from laion_assets.sandbox.faults import FAULTS, Fault
from laion_assets.sandbox.fixed_answers import FIXED_ANSWERS, ROBOTS_TAGS, html_page, redirect
from laion_assets.sandbox.hosts import METADATA_SERVICE, PRIVATE_ADDRESS, Host
from laion_assets.sandbox.images import Images
from laion_assets.sandbox.messages import Answer, Request, head
from laion_assets.sandbox.pages import page_number
from laion_assets.sandbox.rope import Rope

CUT_AT = 0.6
SLOW_FIRST_BYTE_S = 1.5
GZIP_BOMB_MEGABYTES = 1024

Act = Callable[[int, Request], Answer]
"""From a page's number and a request to the answer."""


class Answers:
    """Answers of the sandbox's web. Holds the little state there is: who has been turned away once."""

    def __init__(self, images: Images, hosts: Sequence[Host], port: int) -> None:
        """Serve ``images`` under ``hosts``, all on one port."""
        self._images = images
        self._pages = images.pages
        self._hosts = hosts
        self._port = port
        self._asked: Counter[int] = Counter()
        self._own_ways: dict[str, Act] = {
            "redirect_loop": self._redirect_loop,
            "redirect_to_private": self._redirect_to_private,
            "redirected": self._redirected,
            "redirected_twice": self._redirected_twice,
            "cut_connection": self._cut_connection,
            "reset_mid_body": self._reset_mid_body,
            "announced_too_long": self._announced_too_long,
            "announced_too_short": self._announced_too_short,
            "endless_body": self._endless_body,
            "gzip_bomb": self._gzip_bomb,
            "rate_limited_once": self._rate_limited_once,
            "unavailable_once": self._unavailable_once,
            "slow_first_byte": self._slow_first_byte,
            "no_ranges": self._no_ranges,
            "chunked": self._chunked,
            "until_close": self._until_close,
            "gzip_unasked": self._gzip_unasked,
            "wrong_content_type": self._wrong_content_type,
        }
        self._acts = [self._act(fault) for fault in FAULTS]

    def _act(self, fault: Fault) -> Act:
        """How a fault is acted out; those that lie in the URL or in the image itself are served as any good page."""
        if fault.name in FIXED_ANSWERS:
            answer = FIXED_ANSWERS[fault.name]
            return lambda _page, _request: answer
        if fault.name in ROBOTS_TAGS:
            tags = ROBOTS_TAGS[fault.name]
            return lambda page, request: self._image(page, request, *tags)
        return self._own_ways.get(fault.name, self._image)

    def respond(self, request: Request) -> Answer:
        """The answer to one request."""
        page = page_number(request.target)
        if request.method not in (b"GET", b"HEAD"):
            return html_page(405, "method not allowed")
        if page is None or page >= len(self._pages):
            return self._front_page(request)
        if request.target.startswith(b"/moved/"):
            return self._image(page, request)
        if request.target.startswith(b"/once/"):
            return redirect(302, self._elsewhere(page, "moved"))
        if request.target.startswith(b"/round/"):
            return redirect(302, f"/and-round/-{page:08x}")
        if request.target.startswith(b"/and-round/"):
            return redirect(302, f"/round/-{page:08x}")
        fault = self._pages.fault[page]
        return self._acts[fault](page, request) if fault >= 0 else self._image(page, request)

    def _front_page(self, request: Request) -> Answer:
        if request.target.split(b"?")[0] in (b"/", b"/shop"):
            return html_page(200, "a host of the laion-assets sandbox")
        return html_page(404, "not found")

    def _elsewhere(self, page: int, folder: str) -> str:
        host = self._hosts[(page * 7 + 3) % len(self._hosts)]
        return f"http://{host.label}:{self._port}/{folder}/-{page:08x}.jpg"

    # The image itself, as every good server sends it.

    def _image(self, page: int, request: Request, *headers: str, content_type: str | None = None) -> Answer:
        body = self._images.body(page)
        etag = f'"{page:08x}"'
        lines = [
            f"Content-Type: {content_type or self._images.content_type(page)}",
            "Accept-Ranges: bytes",
            f"ETag: {etag}",
            *headers,
        ]
        wanted = request.byte_range(body.length, etag=etag)
        if wanted is None:
            return Answer(head(200, f"Content-Length: {body.length}", *lines), body)
        start, stop = wanted
        if start >= body.length:
            return Answer(head(416, f"Content-Range: bytes */{body.length}", "Content-Length: 0"))
        part = body.read(start, stop)
        return Answer(
            head(206, f"Content-Length: {len(part)}", f"Content-Range: bytes {start}-{stop - 1}/{body.length}", *lines),
            Rope.of(part),
        )

    def _whole(self, page: int, *headers: str) -> tuple[bytes, Rope]:
        """Head and body of a server that knows no ranges; the caller adds a length if there is one."""
        return head(200, f"Content-Type: {self._images.content_type(page)}", *headers), self._images.body(page)

    # Redirects.

    def _redirect_loop(self, page: int, _request: Request) -> Answer:
        return redirect(302, f"/round/-{page:08x}")

    def _redirect_to_private(self, page: int, _request: Request) -> Answer:
        targets = (
            f"http://{PRIVATE_ADDRESS}/",
            f"http://{METADATA_SERVICE}/latest/meta-data/",
            f"http://[::1]:{self._port}/",
        )
        return redirect(302, targets[page % 3])

    def _redirected(self, page: int, _request: Request) -> Answer:
        return redirect((301, 302, 307, 308)[page % 4], self._elsewhere(page, "moved"))

    def _redirected_twice(self, page: int, _request: Request) -> Answer:
        return redirect(301, f"/once/-{page:08x}")

    # A good header, a bad body.

    def _cut(self, page: int, request: Request, *, reset: bool) -> Answer:
        answer = self._image(page, request)
        wanted = request.byte_range(self._images.body(page).length)
        cut_at = int(self._images.body(page).length * CUT_AT)
        start, stop = wanted or (0, self._images.body(page).length)
        # A request that ends before the cut gets all it asked for.
        return (
            answer
            if stop <= cut_at
            else Answer(answer.head, answer.body, cut_after=max(0, cut_at - start), reset=reset)
        )

    def _cut_connection(self, page: int, request: Request) -> Answer:
        return self._cut(page, request, reset=False)

    def _reset_mid_body(self, page: int, request: Request) -> Answer:
        return self._cut(page, request, reset=True)

    def _announced_too_long(self, page: int, _request: Request) -> Answer:
        head_bytes, body = self._whole(page, f"Content-Length: {self._images.announced_bytes(page)}")
        return Answer(head_bytes, body, close=True)

    def _announced_too_short(self, page: int, _request: Request) -> Answer:
        announced = self._images.announced_bytes(page)
        head_bytes, body = self._whole(page, f"Content-Length: {announced}")
        return Answer(head_bytes, Rope.of(body.read(0, announced)))

    def _endless_body(self, page: int, _request: Request) -> Answer:
        head_bytes, body = self._whole(page)
        return Answer(head_bytes, Rope.of(body.read()[:-2]), endless=bytes(1 << 16))

    def _gzip_bomb(self, page: int, _request: Request) -> Answer:
        body = _bomb(self._images.body(page).read())
        return Answer(self._whole(page, "Content-Encoding: gzip", f"Content-Length: {body.length}")[0], body)

    # Odd, but fine.

    def _turned_away_once(self, page: int, request: Request, refusal: Answer) -> Answer:
        self._asked[page] += 1
        return refusal if self._asked[page] == 1 else self._image(page, request)

    def _rate_limited_once(self, page: int, request: Request) -> Answer:
        return self._turned_away_once(page, request, html_page(429, "slow down", "Retry-After: 1"))

    def _unavailable_once(self, page: int, request: Request) -> Answer:
        return self._turned_away_once(page, request, html_page(503, "unavailable"))

    def _slow_first_byte(self, page: int, request: Request) -> Answer:
        answer = self._image(page, request)
        return Answer(answer.head, answer.body, delay_s=SLOW_FIRST_BYTE_S)

    def _no_ranges(self, page: int, _request: Request) -> Answer:
        return Answer(*self._whole(page, f"Content-Length: {self._images.body(page).length}"))

    def _chunked(self, page: int, _request: Request) -> Answer:
        head_bytes, body = self._whole(page, "Transfer-Encoding: chunked")
        return Answer(head_bytes, _as_chunks(body))

    def _until_close(self, page: int, _request: Request) -> Answer:
        return Answer(*self._whole(page, "Connection: close"), close=True)

    def _gzip_unasked(self, page: int, _request: Request) -> Answer:
        packed = zlib.compressobj(1, zlib.DEFLATED, 31)
        body = packed.compress(self._images.body(page).read()) + packed.flush()
        head_bytes, _ = self._whole(page, "Content-Encoding: gzip", f"Content-Length: {len(body)}")
        return Answer(head_bytes, Rope.of(body))

    def _wrong_content_type(self, page: int, request: Request) -> Answer:
        wrong = ("text/html; charset=utf-8", "application/octet-stream", "text/plain", "image/jpg")[page % 4]
        return self._image(page, request, content_type=wrong)


def _as_chunks(body: Rope, size: int = 8192) -> Rope:
    chunks = []
    for start in range(0, body.length, size):
        chunk = body.read(start, start + size)
        chunks.append(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    return Rope.of(*chunks, b"0\r\n\r\n")


@functools.lru_cache(maxsize=2)
def _bomb(file: bytes) -> Rope:
    """``file`` and a gigabyte of zeros, as gzip. The checksum at its end is left wrong: nobody should get there."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    start = packer.compress(file) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return Rope.of(
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", start, (zeros, GZIP_BOMB_MEGABYTES), b"\x03\x00" + bytes(8)
    )
