"""From what went wrong to the one word for it.

The only place where exceptions of aiohttp, OpenSSL, the operating system and c-ares become outcomes.
"""

import asyncio
import errno
import re
import ssl

import aiohttp
from aiohttp.http import HttpProcessingError

from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome

# How much of a body comes before a reset is chance; what is written of a row in a shard must not be.
_AS_FAR_AS_IT_CAME = re.compile(r"received \d+ of (\d+ bytes)")

# Which outcome an error number of connect() or recv() means. EHOSTUNREACH can also come from the far end of the route,
# but what says "dead host" one time says "our cable is out" the next, so it is counted on our side.
_BY_ERRNO = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.CONNECTION_LOST,
    errno.ECONNABORTED: Outcome.CONNECTION_LOST,
    errno.EPIPE: Outcome.CONNECTION_LOST,
    errno.ETIMEDOUT: Outcome.TIMED_OUT,
    errno.ENETUNREACH: Outcome.NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: Outcome.NETWORK_UNREACHABLE,
    errno.ENETDOWN: Outcome.NETWORK_UNREACHABLE,
    errno.EHOSTDOWN: Outcome.NETWORK_UNREACHABLE,
    errno.EACCES: Outcome.NETWORK_UNREACHABLE,
    errno.EPERM: Outcome.NETWORK_UNREACHABLE,
    errno.EMFILE: Outcome.FAILED_HERE,
    errno.ENFILE: Outcome.FAILED_HERE,
    errno.ENOBUFS: Outcome.FAILED_HERE,
    errno.ENOMEM: Outcome.FAILED_HERE,
    errno.EADDRNOTAVAIL: Outcome.FAILED_HERE,
}


def explain(error: BaseException) -> Failure:
    """The failure an exception stands for."""
    if isinstance(error, Failure):
        return error
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(
        error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError)
    ):
        return Failure(_of_os_error(error.os_error, Outcome.CONNECTION_LOST), _os_text(error.os_error))
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError)):
        cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
        return Failure(Outcome.TLS_FAILED, f"{type(cause).__name__}: {cause}")
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return Failure(Outcome.TIMED_OUT, text)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Failure(Outcome.TRUNCATED, _AS_FAR_AS_IT_CAME.sub(r"received fewer than \1", text))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Failure(Outcome.NETWORK_UNREACHABLE, f"the proxy answered {error.status} {error.message}")
    if isinstance(error, (HttpProcessingError, aiohttp.ClientResponseError)):
        return _of_bad_http(error.message)
    if isinstance(error, aiohttp.InvalidURL):
        return Failure(Outcome.INVALID_URL, text)
    if isinstance(error, OSError):
        return Failure(_of_os_error(error, Outcome.CONNECTION_LOST), _os_text(error))
    if isinstance(error, aiohttp.ClientError):
        return Failure(Outcome.CONNECTION_LOST, text)
    return Failure(Outcome.FAILED_HERE, text)


def _of_os_error(error: OSError, otherwise: Outcome) -> Outcome:
    if isinstance(error, ssl.SSLError):
        return Outcome.TLS_FAILED
    return _BY_ERRNO.get(error.errno or 0, otherwise)


def _os_text(error: OSError) -> str:
    return f"{type(error).__name__}: {error.strerror or error}"


def _of_bad_http(message: str) -> Failure:
    """What aiohttp's parser refused: an endless header is over our cap, anything else is not HTTP."""
    if "Got more than" in message or "too many headers" in message.lower():
        return Failure(Outcome.TOO_LARGE, f"headers over our cap: {message}")
    return Failure(Outcome.CONNECTION_LOST, f"the answer was not HTTP: {message}")
