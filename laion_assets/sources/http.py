"""One HTTP request to a publisher: redirects by hand, secrets to their own host only, failures as one sentence.

For sources that the operator chose; the open web of image links has its own, guarded client in the room ``web``.
"""

import contextlib
import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laion_assets import __version__
from laion_assets.sources.patience import DEFAULT_PATIENCE, asked_pause_s
from laion_assets.sources.published import SourceError

USER_AGENT = f"laion-assets/{__version__}"
_MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
RETRYABLE_STATUS = (408, 425, 429, 500, 502, 503, 504)
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Secrets:
    """Headers for one origin and nobody else, wherever redirects lead."""

    origin: str
    headers: Mapping[str, str] = field(repr=False)

    def for_url(self, url: str) -> Mapping[str, str]:
        """The headers to send to this URL."""
        return self.headers if origin_of(url) == self.origin else {}


@dataclass(frozen=True)
class Answer:
    """A response whose body has not been read yet.

    Attributes:
        status: HTTP status.
        headers: Of the final response; look-ups ignore case.
        url: The final URL, after redirects. It may carry a signature: never show it.
        redirected_by: Headers of the first response, when that was a redirect.
    """

    status: int
    headers: Mapping[str, str]
    url: str = field(repr=False)
    redirected_by: Mapping[str, str] | None
    _response: http.client.HTTPResponse = field(repr=False)

    @property
    def content_length(self) -> int | None:
        """Bytes of the body, where the server says so."""
        value = self.headers.get("Content-Length") or ""
        return int(value) if value.isdigit() else None

    @property
    def strong_etag(self) -> str | None:
        """The validator with which bytes of two responses may be put together; ``None`` without one."""
        etag = (self.headers.get("ETag") or "").strip()
        return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 2 else None

    def chunks(self, shown: str) -> Iterator[bytes]:
        """The body as it arrives; ends early when the server does."""
        while True:
            with _network_errors(shown):
                chunk = self._response.read1(_CHUNK_BYTES)
            if not chunk:
                return
            yield chunk

    def text(self, shown: str, max_bytes: int) -> str:
        """The body as text, or the beginning of a longer one."""
        with _network_errors(shown):
            content = self._response.read(max_bytes)
            if len(content) < min(self.content_length or 0, max_bytes):
                raise http.client.IncompleteRead(content)  # which the client says of chunked answers alone
        return content.decode("utf-8", "replace")


@contextlib.contextmanager
def request(
    method: str,
    url: str,
    *,
    shown: str,
    headers: Mapping[str, str] | None = None,
    secrets: Secrets | None = None,
    silence_s: float = DEFAULT_PATIENCE.silence_s,
) -> Iterator[Answer]:
    """Ask, following redirects.

    Args:
        method: ``GET`` or ``HEAD``.
        url: What to ask for.
        shown: What to call it in errors: the URL itself may carry a signature.
        headers: Sent to whoever the request ends up at.
        secrets: Sent to one origin only.
        silence_s: The longest silence we put up with.

    Raises:
        SourceError: No answer, or redirects that lead nowhere. Any status is an answer.
    """
    first_headers: Mapping[str, str] | None = None
    for _ in range(_MAX_REDIRECTS):
        asked = urllib.request.Request(  # noqa: S310 (the scheme is checked on the way in and at each redirect)
            url,
            headers={"User-Agent": USER_AGENT, **(headers or {}), **(secrets.for_url(url) if secrets else {})},
            method=method,
        )
        with _network_errors(shown):
            response = _opener(url).open(asked, timeout=silence_s)
        with contextlib.closing(response):
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                yield Answer(response.status, response.headers, url, first_headers, response)
                return
            if first_headers is None:
                first_headers = response.headers
            url = _redirected(url, location, shown)
    raise SourceError(f"{shown}: over {_MAX_REDIRECTS} redirects. Check the address of the source.")


def refuse_failure(answer: Answer, shown: str) -> None:
    """Turn a status that means no into a sentence, for sources without words of their own."""
    status = answer.status
    if status < 400:
        return
    if status in RETRYABLE_STATUS:
        raise busy(shown, "the server", status, answer.headers)
    if status in (401, 403):
        raise SourceError(f"{shown}: the server refuses to give it to us (HTTP {status}). Ask its owner for access.")
    if status in (404, 410):
        raise SourceError(f"{shown}: there is no such file (HTTP {status}). Check the source URI and its number range.")
    raise SourceError(f"{shown}: the server does not take the request (HTTP {status}). Check the source URI.")


def busy(shown: str, who: str, status: int, headers: Mapping[str, str]) -> SourceError:
    """The error for a status that may be another one the next time."""
    asked_s = asked_pause_s(headers)
    wish = f" and asks for a pause of {asked_s:.0f} s" if asked_s else ""
    return SourceError(
        f"{shown}: {who} is busy or broken for the moment (HTTP {status}){wish}. "
        "Run again later; what arrived is kept.",
        retryable=True,
        retry_after_s=asked_s,
    )


def refuse_web_page(answer: Answer, shown: str) -> None:
    """Refuse an answer that is for people, such as a sign-in page that comes with status 200."""
    media_type = (answer.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    if media_type in ("text/html", "application/xhtml+xml"):
        raise SourceError(
            f"{shown}: the server sent a web page (Content-Type {media_type}) instead of the file. "
            "Open the address in a browser: it may want a sign-in, or a network here may intercept it."
        )


def origin_of(url: str) -> str:
    """Scheme, host and port, for comparing."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def quoted(url: str) -> str:
    """A URL as it may be sent: what is not allowed in one becomes %XX, what is already so stays."""
    return urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def _opener(url: str) -> urllib.request.OpenerDirector:
    """No redirect handler and no error handler: both are ours. Proxies come from the environment of this moment."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    if url.startswith("https:"):
        opener.add_handler(urllib.request.HTTPSHandler(context=_trust()))  # reading the authorities takes 10 ms
    return opener


def _trust() -> ssl.SSLContext:
    """The system's authorities, or those of SSL_CERT_FILE; certifi's on systems that have none."""
    places = ssl.get_default_verify_paths()
    if places.cafile or (places.capath and any(Path(places.capath).iterdir())):
        return ssl.create_default_context()
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _redirected(url: str, location: str, shown: str) -> str:
    target = quoted(urllib.parse.urljoin(url, location))
    schemes = urllib.parse.urlsplit(url).scheme, urllib.parse.urlsplit(target).scheme
    if schemes[1] not in ("http", "https") or schemes == ("https", "http"):
        raise SourceError(
            f"{shown}: redirected from {schemes[0]} to {schemes[1] or 'nowhere'}, which is not safe to follow. "
            "Check the address of the source."
        )
    return target


@contextlib.contextmanager
def _network_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise _no_trust(shown, error) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _no_trust(shown, error.reason) from None
        raise SourceError(f"{shown}: {_finding(error.reason)}", retryable=True) from None
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, http.client.InvalidURL):
            raise SourceError(f"{shown}: not a URL that can be asked for. Check the source URI.") from None
        raise SourceError(f"{shown}: {_finding(error)}", retryable=True) from None


def _no_trust(shown: str, error: ssl.SSLCertVerificationError) -> SourceError:
    return SourceError(
        f"{shown}: the server's certificate is not to be trusted ({error.verify_message}). "
        "Check the address, or set SSL_CERT_FILE to the authorities you trust."
    )


def _finding(reason: BaseException | str) -> str:
    """What happened and what to do; never the system's text alone, which may quote the URL."""
    if isinstance(reason, socket.gaierror):
        return "the host name cannot be resolved. Check the address and your network."
    if isinstance(reason, ConnectionRefusedError):
        return "nothing answers at the host (connection refused). Check the address, or run again when it is up."
    if isinstance(reason, TimeoutError):
        return "the server fell silent. Run again later; what arrived is kept."
    if isinstance(reason, (ConnectionError, http.client.HTTPException, ssl.SSLError)):
        return f"the connection broke ({type(reason).__name__}). Run again; what arrived is kept."
    return f"the host cannot be reached ({type(reason).__name__}). Check the address and your network."
