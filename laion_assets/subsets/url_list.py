"""The list of URLs a subset leaves out, such as opt-outs or an evaluation set: read, checked, known by its content."""

import hashlib
from dataclasses import dataclass

_HEX_DIGITS = (32, 64)  # of md5 and of sha256


class UrlListError(ValueError):
    """The list cannot be used; the message names it and says what is wrong with it."""


@dataclass(frozen=True)
class UrlList:
    """Hex digests of URLs, md5 or sha256, lower case."""

    hashes: frozenset[str]
    sha256: str
    """Of the file: other content, other rows."""


def read_url_list(uri: str) -> UrlList:
    """Read a list: one hex digest per line; blank lines and lines starting with # do not count.

    Args:
        uri: a file, or any URI that fsspec opens.

    Raises:
        UrlListError: It cannot be read, or a line is no such digest.
    """
    content = _content(uri)
    lines = {line.strip().lower() for line in content.decode("ascii", "replace").splitlines()}
    hashes = {line for line in lines if line and not line.startswith("#")}
    for digest in hashes:
        if len(digest) not in _HEX_DIGITS or not set(digest) <= set("0123456789abcdef"):
            raise UrlListError(f"{uri}: {digest[:80]!r} is neither md5 nor sha256. Write one hex digest per line.")
    return UrlList(frozenset(hashes), hashlib.sha256(content).hexdigest())


def url_list_sha256(uri: str) -> str:
    """The digest of what a list holds now, in a fraction of the time that reading it takes.

    Raises:
        UrlListError: It cannot be read.
    """
    return hashlib.sha256(_content(uri)).hexdigest()


def is_on_this_machine(uri: str) -> bool:
    """Whether a list can be looked at without asking a network."""
    return "://" not in uri or uri.startswith("file://")


def _content(uri: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(uri, "rb") as file:
            return bytes(file.read())
    except (OSError, ValueError, ImportError) as error:
        raise UrlListError(
            f"exclude_url_hashes: {uri} cannot be read ({error}). Put the list there, or name another one."
        ) from error
