"""Answers that are the same for every page: refusals, pages of HTML, broken connections, stalls, blind redirects.

Answers that depend on the page's image are in ``answers``.
"""

import html

from laion_assets.sandbox.messages import Answer, head
from laion_assets.sandbox.rope import Rope

HTML_PAGE = """<!doctype html><html><head><title>{0}</title><script>alert('from the sandbox')</script></head>
<body><h1>{0}</h1><p>This page is served by the laion-assets sandbox on this machine.</p></body></html>
"""
SVG = b"""<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="2000" height="1500">
<script>alert(document.domain)</script><rect width="100%" height="100%" fill="teal"/></svg>
"""


def html_page(status: int, title: str, *headers: str, content_type: str = "text/html; charset=utf-8") -> Answer:
    """A page for people, with a script in it."""
    body = HTML_PAGE.format(html.escape(title)).encode()
    return with_body(body, content_type, *headers, status=status)


def with_body(body: bytes, content_type: str, *headers: str, status: int = 200) -> Answer:
    """An answer that is nothing but some bytes."""
    return Answer(
        head(status, f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers), Rope.of(body)
    )


def redirect(status: int, location: str) -> Answer:
    """Go there instead."""
    return Answer(head(status, f"Location: {location}", "Content-Length: 0"))


FIXED_ANSWERS: dict[str, Answer] = {
    "not_found": html_page(404, "not found"),
    "gone": html_page(410, "gone"),
    "forbidden": html_page(403, "forbidden"),
    "unauthorized": html_page(401, "log in", 'WWW-Authenticate: Basic realm="shop"'),
    "legal_reasons": html_page(451, "not in your country"),
    "bad_request": html_page(400, "bad request"),
    "method_refused": html_page(405, "method not allowed", "Allow: POST"),
    "unavailable": html_page(503, "unavailable"),
    "internal_error": html_page(500, "something broke"),
    "bad_gateway": html_page(502, "bad gateway"),
    "rate_limited": html_page(429, "slow down", "Retry-After: 1"),
    "reset": Answer(reset=True),
    "closed": Answer(close=True),
    "garbage": Answer(b"\x00\x01\x02 this is not HTTP\r\n\r\n" * 20, close=True),
    "endless_headers": Answer(b"HTTP/1.1 200 OK\r\n", endless=b"X-Padding: " + b"x" * 1000 + b"\r\n"),
    "silent": Answer(silent=True),
    "drip": Answer(
        head(200, "Content-Type: image/jpeg", "Content-Length: 50000"),
        Rope.of((b"\xff\xd8\xff\xe0", 12_500)),
        bytes_per_s=1,
    ),
    "drip_headers": Answer(head(200, *["X-Slow: yes"] * 400), bytes_per_s=1, drip_head=True),
    "html_page": html_page(200, "this product is gone"),
    "html_as_jpeg": html_page(200, "no image here", content_type="image/jpeg"),
    "svg_script": with_body(SVG, "image/svg+xml"),
    "empty_body": with_body(b"", "image/jpeg"),
    "endless_garbage": Answer(head(200, "Content-Type: application/octet-stream"), endless=b"\x00no image" * 7000),
    "redirect_to_missing": redirect(302, "/missing"),
    "redirect_to_html": redirect(302, "/shop?from=image"),
    "redirect_to_file": redirect(302, "file:///etc/passwd"),
}
"""By name of the fault."""

ROBOTS_TAGS: dict[str, tuple[str, ...]] = {
    "noai": ("X-Robots-Tag: noai",),
    "noimageai": ("X-Robots-Tag: max-image-preview:large, noai, noimageai",),
    "noindex": ("x-robots-tag: nofollow,NoIndex , noarchive",),
    "noimageindex": ("X-Robots-Tag: nofollow", "X-Robots-Tag: noimageindex"),
    "noml": ("X-Robots-Tag: noml",),
    "other_bots_noai": ("X-Robots-Tag: otherbot: noai, noimageai",),
}
"""Header lines that come with the image, by name of the fault."""
