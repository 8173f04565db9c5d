"""Everything that goes wrong on the sandbox's web: the one table.

Each fault has a name, its share of all pages, the word a correct probe (first bytes only, retries included) must end
with, and the word a correct full download must end with where that differs. How a fault is acted out is in
``answers``; which page has which is in ``pages``. Shares follow DESIGN's measured mix: 85.4 % of pages answer well.
"""

from dataclasses import dataclass

from laion_assets.web.outcome import Outcome


@dataclass(frozen=True)
class Fault:
    """One way of going wrong.

    Attributes:
        name: what ``truth()`` calls it.
        share: of all pages.
        probe: the outcome of a correct probe.
        meaning: what happens, in a sentence.
        download: the outcome of a correct full download; ``None`` where it is the probe's.
        image: what the true image is, compared with the declared one: ``declared``, ``big`` (declared size, enough
            bytes to be cut), ``replaced``, ``swapped``, ``scaled``, ``scaled_below``, ``thumbnail``, ``placeholder``,
            or ``none`` where there is no image to be had.
    """

    name: str
    share: float
    probe: Outcome
    meaning: str
    download: Outcome | None = None
    image: str = "none"

    @property
    def expected_download(self) -> Outcome:
        """The outcome of a correct full download of an image that is large enough."""
        return self.download or self.probe


_OK = Outcome.OK
_LOST = Outcome.CONNECTION_LOST
_NO_IMAGE = Outcome.NOT_AN_IMAGE

FAULTS: tuple[Fault, ...] = (
    # The link is dead.
    Fault("not_found", 0.0590, Outcome.NOT_FOUND, "404 with an HTML page"),
    Fault("gone", 0.0020, Outcome.NOT_FOUND, "410"),
    Fault("forbidden", 0.0125, Outcome.FORBIDDEN, "403 with an HTML page"),
    Fault("unauthorized", 0.0008, Outcome.FORBIDDEN, "401 with WWW-Authenticate"),
    Fault("legal_reasons", 0.0007, Outcome.FORBIDDEN, "451"),
    Fault("bad_request", 0.0028, Outcome.REJECTED, "400"),
    Fault("method_refused", 0.0003, Outcome.REJECTED, "405"),
    Fault("dns_nxdomain", 0.0140, Outcome.DNS_FAILED, "a host under .invalid, which does not exist"),
    Fault("refused", 0.0010, Outcome.REFUSED, "an address where nothing listens"),
    Fault("tls_on_plain_port", 0.0050, Outcome.TLS_FAILED, "https:// to a port that speaks plain HTTP"),
    # The server fails.
    Fault("unavailable", 0.0028, Outcome.SERVER_ERROR, "503, always"),
    Fault("internal_error", 0.0012, Outcome.SERVER_ERROR, "500, always"),
    Fault("bad_gateway", 0.0005, Outcome.SERVER_ERROR, "502, always"),
    Fault("rate_limited", 0.0020, Outcome.RATE_LIMITED, "429 with Retry-After: 1, always"),
    Fault("reset", 0.0060, _LOST, "the connection is reset instead of an answer"),
    Fault("closed", 0.0040, _LOST, "the connection is closed without an answer"),
    Fault("garbage", 0.0010, _LOST, "the answer is not HTTP"),
    Fault("endless_headers", 0.0001, Outcome.TOO_LARGE, "header lines without end"),
    Fault("dns_servfail", 0.0005, Outcome.RESOLVER_FAILED, "a name whose zone is broken: SERVFAIL"),
    Fault("dns_silent", 0.0001, Outcome.RESOLVER_FAILED, "a name the name server never answers for"),
    # The server stalls: few, so that 10,000 probes still end soon.
    Fault("silent", 0.0008, Outcome.TIMED_OUT, "the request is read and never answered"),
    Fault("drip", 0.0006, Outcome.TIMED_OUT, "the body comes at one byte a second"),
    Fault("drip_headers", 0.0003, Outcome.TIMED_OUT, "the header comes at one byte a second"),
    # The answer is no image.
    Fault("html_page", 0.0100, _NO_IMAGE, "200 and a page saying the image is gone"),
    Fault("html_as_jpeg", 0.0020, _NO_IMAGE, "200 and HTML with a script, called image/jpeg"),
    Fault("svg_script", 0.0010, _NO_IMAGE, "an SVG with a script in it"),
    Fault("empty_body", 0.0010, _NO_IMAGE, "200 and nothing"),
    Fault("endless_garbage", 0.0002, _NO_IMAGE, "bytes without end that are no image", Outcome.TOO_LARGE),
    # The publisher said no.
    Fault("noai", 0.0012, Outcome.OPTED_OUT, "X-Robots-Tag: noai", image="declared"),
    Fault("noimageai", 0.0006, Outcome.OPTED_OUT, "X-Robots-Tag: noai, noimageai", image="declared"),
    Fault("noindex", 0.0004, Outcome.OPTED_OUT, "X-Robots-Tag: NoIndex, among others, any case", image="declared"),
    Fault("noimageindex", 0.0004, Outcome.OPTED_OUT, "a second X-Robots-Tag line: noimageindex", image="declared"),
    Fault("noml", 0.0004, Outcome.OPTED_OUT, "X-Robots-Tag: noml", image="declared"),
    # Redirects that lead nowhere good.
    Fault("redirect_to_missing", 0.0020, Outcome.NOT_FOUND, "302 to a page that answers 404"),
    Fault("redirect_to_html", 0.0030, _NO_IMAGE, "302 to the shop's front page"),
    Fault("redirect_loop", 0.0010, Outcome.REDIRECT_LOOP, "302 in a circle of two"),
    Fault("redirect_to_private", 0.0005, Outcome.BLOCKED_ADDRESS, "302 to 10.0.0.1, 169.254.169.254 or [::1]"),
    Fault("redirect_to_file", 0.0003, Outcome.INVALID_URL, "302 to file:///etc/passwd"),
    Fault("private_address", 0.0003, Outcome.BLOCKED_ADDRESS, "the URL itself is http://10.0.0.1/"),
    Fault("private_name", 0.0002, Outcome.BLOCKED_ADDRESS, "a name that resolves to 10.0.0.1"),
    # A good header, a bad body: a probe of the first bytes cannot see it.
    Fault("truncated_file", 0.0015, _OK, "a JPEG that was cut before it was published", Outcome.TRUNCATED, "big"),
    Fault("cut_connection", 0.0010, _OK, "closed after 60 % of the announced body", Outcome.TRUNCATED, "big"),
    Fault("reset_mid_body", 0.0005, _OK, "reset after 60 % of the announced body", Outcome.TRUNCATED, "big"),
    Fault("broken_content", 0.0015, _OK, "a PNG whose pixels are garbage", Outcome.UNDECODABLE, "declared"),
    Fault("announced_too_long", 0.0005, _OK, "Content-Length larger than the body", Outcome.TRUNCATED, "big"),
    Fault(
        "announced_too_short",
        0.0005,
        _OK,
        "Content-Length smaller than the file, no byte more sent",
        Outcome.TRUNCATED,
        "big",
    ),
    Fault("endless_body", 0.0003, _OK, "an image header, then bytes without end", Outcome.TOO_LARGE, "declared"),
    Fault(
        "gzip_bomb",
        0.0001,
        _OK,
        "an image in gzip that grows to a gigabyte behind its end",
        Outcome.TOO_LARGE,
        "declared",
    ),
    Fault("pixel_bomb", 0.0001, _OK, "a PNG of 30,000 x 30,000 px in 1 MB", Outcome.TOO_LARGE, "bomb"),
    # Odd, but fine: a good client gets the image.
    Fault("rate_limited_once", 0.0010, _OK, "429 with Retry-After: 1, then the image", image="declared"),
    Fault("unavailable_once", 0.0010, _OK, "503, then the image", image="declared"),
    Fault("slow_first_byte", 0.0010, _OK, "the answer starts after 1.5 s", image="declared"),
    Fault("redirected", 0.0150, _OK, "301, 302, 307 or 308 to another host", image="declared"),
    Fault("redirected_twice", 0.0030, _OK, "a relative redirect, then one to another host", image="declared"),
    Fault("no_ranges", 0.0300, _OK, "200 and the whole file to a range request", image="declared"),
    Fault("chunked", 0.0080, _OK, "chunked, no Content-Length, no ranges", image="declared"),
    Fault("until_close", 0.0030, _OK, "neither length nor chunks: ends with the connection", image="declared"),
    Fault("gzip_unasked", 0.0010, _OK, "Content-Encoding: gzip though identity was asked for", image="declared"),
    Fault("wrong_content_type", 0.0080, _OK, "an image called text/html or octet-stream", image="declared"),
    Fault("other_bots_noai", 0.0005, _OK, "X-Robots-Tag for another bot", image="declared"),
    # The image is not the one that was declared.
    Fault("placeholder", 0.0050, _OK, "one small picture saying the image is gone", image="placeholder"),
    Fault("thumbnail", 0.0090, _OK, "the image scaled to fit 300 px", image="thumbnail"),
    Fault("scaled_below", 0.0110, _OK, "the image scaled to a short side of 480 to 1000 px", image="scaled_below"),
    Fault("scaled_down", 0.0200, _OK, "the image scaled down, still at the minimum or above", image="scaled"),
    Fault("replaced", 0.0100, _OK, "another image, of another size", image="replaced"),
    Fault("swapped", 0.0020, _OK, "width and height exchanged", image="swapped"),
)

FAULT_NUMBER = {fault.name: number for number, fault in enumerate(FAULTS)}
"""Position in the table; pages without a fault carry -1."""

NO_FAULT = "none"


def fault_name(number: int) -> str:
    """The name behind a number of ``FAULT_NUMBER``; ``none`` for -1."""
    return FAULTS[number].name if number >= 0 else NO_FAULT
