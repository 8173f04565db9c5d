"""The one word that says how a probe or a download ended.

A closed set: probes, downloads, reports and charts all use these words and no others. Each says what happened,
whose fault it is, and whether asking again later can help. The raw error is kept beside the word wherever one is
stored.
"""

from enum import Enum

from typing_extensions import Self


class Fault(str, Enum):
    """Who has to change something before the outcome changes."""

    NOBODY = "nobody"
    LINK = "link"
    """The link is dead or leads to something else: link rot."""
    SERVER = "server"
    """The server is there, but failing or overloaded."""
    POLICY = "policy"
    """A rule, the publisher's or ours, said no."""
    US = "us"
    """Our resolver, our network, our machine: says nothing about the link."""


class Outcome(str, Enum):
    """How one request for one image ended."""

    meaning: str
    fault: Fault
    retryable: bool

    def __new__(cls, word: str, meaning: str, fault: Fault, retryable: bool) -> Self:  # noqa: FBT001
        """Bind meaning, fault and retryability to the word."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        member.fault = fault
        member.retryable = retryable
        return member

    OK = "ok", "the image answered and its size is known", Fault.NOBODY, False

    NOT_FOUND = "not_found", "the server says there is nothing here (404, 410)", Fault.LINK, False
    FORBIDDEN = "forbidden", "the server refuses to serve this to us (401, 402, 403, 451)", Fault.LINK, False
    REJECTED = "rejected", "the server calls the request wrong (any other 4xx)", Fault.LINK, False
    DNS_FAILED = "dns_failed", "the host name does not exist", Fault.LINK, False
    REFUSED = "refused", "nothing listens at the address (connection refused)", Fault.LINK, True
    TLS_FAILED = "tls_failed", "no trustworthy TLS connection could be made", Fault.LINK, False
    REDIRECT_LOOP = "redirect_loop", "more redirects than we follow", Fault.LINK, False
    NOT_AN_IMAGE = "not_an_image", "an answer came, but no image we know: HTML, text, an empty body", Fault.LINK, False
    INVALID_URL = "invalid_url", "the URL cannot be requested at all", Fault.LINK, False

    RATE_LIMITED = "rate_limited", "the server asks us to slow down (429)", Fault.SERVER, True
    SERVER_ERROR = "server_error", "the server failed or is unavailable (5xx)", Fault.SERVER, True
    CONNECTION_LOST = "connection_lost", "the connection broke or the answer was not HTTP", Fault.SERVER, True
    TIMED_OUT = "timed_out", "no complete answer within the deadline", Fault.SERVER, True
    TRUNCATED = "truncated", "the body ended before its announced or its structural end", Fault.SERVER, True
    HOST_SUSPENDED = "host_suspended", "not asked: the host had failed too often in a row", Fault.SERVER, True

    UNKNOWN_SIZE = "unknown_size", "an image, but its size could not be read with certainty", Fault.LINK, False
    UNDECODABLE = "undecodable", "an image by its header, but its content is broken", Fault.LINK, False
    HASH_MISMATCH = "hash_mismatch", "not the bytes the dataset published the hash of", Fault.LINK, False

    OPTED_OUT = (
        "opted_out",
        "the publisher asked not to be used for this (X-Robots-Tag, robots.txt)",
        Fault.POLICY,
        False,
    )
    BLOCKED_ADDRESS = "blocked_address", "the URL leads to an address we never talk to", Fault.POLICY, False
    TOO_LARGE = "too_large", "the headers, the body or the pixel count is over our cap", Fault.POLICY, False
    TOO_SMALL = "too_small", "the true size is below the required minimum", Fault.POLICY, False
    ASPECT_REJECTED = "aspect_rejected", "the true aspect ratio is beyond the limit", Fault.POLICY, False

    RESOLVER_FAILED = "resolver_failed", "our DNS resolver failed or timed out", Fault.US, True
    NETWORK_UNREACHABLE = "network_unreachable", "our machine has no route to the address", Fault.US, True
    FAILED_HERE = "failed_here", "our own program failed on this image", Fault.US, True
