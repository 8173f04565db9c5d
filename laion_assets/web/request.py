"""What is asked of the client, and what it answers. No behaviour."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from laion_assets.web.outcome import Outcome

MoreBytes = Callable[[bytes, bool], "int | None"]
"""``more(prefix, complete)``: how many bytes from the file's start are needed, or None when ``prefix`` is enough.

``complete`` says that ``prefix`` is the whole file. Called with a growing prefix; it is not called again after None,
nor once the cap is reached. It must be quick: it runs on the event loop.
"""

FIRST_PREFIX_BYTES = 4_096
MAX_PREFIX_BYTES = 1_048_576
MAX_BODY_BYTES = 67_108_864


@dataclass(frozen=True, slots=True)
class Request:
    """One file to ask for: its first bytes when ``more`` is given, else all of it."""

    url: str
    key: Hashable = None
    """The caller's own name for this request; not looked at."""
    max_bytes: int = MAX_BODY_BYTES
    """Most bytes kept, counted after decoding. Of a whole file, one byte more is ``too_large``."""
    more: MoreBytes | None = None
    first_bytes: int = FIRST_PREFIX_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request ended. ``outcome`` is ok when HTTP went well; what the bytes are is for the caller to say."""

    outcome: Outcome
    error: str | None
    """The raw error: one line, at most 300 printable characters. None when the outcome is ok."""
    http_status: int | None
    """Status of the last answer that came, if any."""
    body: bytes
    """The first bytes of the file, or all of it; empty unless the outcome is ok."""
    complete: bool
    """The body is known to be the file to its last byte."""
    content_type: str | None
    """As the server says it, untrusted: one line, at most 200 printable characters."""
    final_url: str | None
    """The URL that was asked last, as sent: without credentials and fragment. None if nothing was asked."""
    final_host: str | None
    """Its host name in lower-case ASCII."""
    file_bytes: int | None
    """The whole file's size, where the server tells it."""
    bytes_read: int
    """Body bytes taken from the network, over all requests for this URL."""
    requests: int
    """HTTP requests sent for this URL: redirects, further ranges and retries included."""
    seconds: float
    """Time spent on it, without the time it stood in line."""
    opted_out: bool
    """The publisher asks not to be used (X-Robots-Tag or robots.txt)."""
