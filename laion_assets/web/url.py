"""What a published URL really asks for: scheme, host, port and path as a browser would read them.

Follows the WHATWG URL standard where readings differ, so that a host hidden behind backslashes, user info,
percent-escapes, full-width digits or octal numbers is the host we judge *and* the host we ask. Names are not resolved
here, and addresses are not judged here.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urljoin

import idna

from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome

MAX_URL_CHARS = 16_384

# The "bad ports" of https://fetch.spec.whatwg.org/#port-blocking: those of other protocols that a request could abuse.
# fmt: off
BLOCKED_PORTS = frozenset((
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
))
# fmt: on

DEFAULT_PORTS = {"http": 80, "https": 443}

# Nine in ten published URLs are of this plain form, where nothing but the host needs a closer look.
_PLAIN = re.compile(r"(https?)://([a-z0-9_.-]+)(?::([0-9]{1,5}))?(/[!$-;=@-\[\]_a-z~]*)?(\?[!$-;=?@-\[\]_a-z~]*)?\Z")
_PARTS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):[/]*(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# Of surrogates, those that stand for a byte that was not UTF-8 are that byte; the others are nothing.
_LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_JOINERS = "\u200c\u200d"
_PICTOGRAPHS = range(0x1F000, 0x1FB00)
_SAFE = frozenset(b"!$%&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~?")


@dataclass(frozen=True, slots=True)
class Target:
    """One place to ask, unambiguous: no user info, no fragment, everything ASCII."""

    origin: str
    """Scheme, host and port as they stand in a URL: whose robots.txt applies, and whom to connect to."""
    path: str
    """Path and query, ready for a request line."""
    scheme: str
    host: str
    """Lower-case name without trailing dot, or an address in its canonical form, without brackets."""
    port: int
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
    """Set if the host is an address, however it was spelled."""

    @property
    def url(self) -> str:
        """What is asked for, as one text."""
        return self.origin + self.path


def parse_url(text: str) -> Target:
    """Read a URL as a browser would.

    Raises:
        Failure: ``invalid_url`` if there is nothing to ask for.
    """
    plain = _PLAIN.match(text)
    if plain is not None and len(text) <= MAX_URL_CHARS:
        scheme, name, digits, path, query = plain.groups()
        front = _plain_front_page(scheme, name, digits)
        if front is not None:
            path = (path or "/") + ("" if query in {None, "?"} else query)
            return Target(front.origin, path, scheme, front.host, front.port, front.address)
    return _parse_carefully(text)


@lru_cache(maxsize=16_384)
def _plain_front_page(scheme: str, name: str, digits: str | None) -> Target | None:
    """What the careful way says about a plain host and port; remembered, as many URLs share few hosts."""
    try:
        return _parse_carefully(f"{scheme}://{name}:{digits or DEFAULT_PORTS[scheme]}")
    except Failure:
        return None


def join_url(base: Target, location: str) -> Target:
    """Where a redirect leads.

    Args:
        base: What was asked.
        location: The ``Location`` header; bytes that are not UTF-8 may be there as surrogates.

    Raises:
        Failure: ``invalid_url`` if it leads nowhere that can be asked.
    """
    location = _clean(location)
    scheme = _SCHEME.match(location)
    if scheme is not None and (scheme[1].lower() != base.scheme or location.startswith("//", scheme.end())):
        return parse_url(location)
    relative = location[scheme.end() :] if scheme is not None else location
    if relative.startswith("//"):
        return parse_url(f"{base.scheme}:{relative}")
    try:
        return parse_url(urljoin(base.url, relative))
    except ValueError as error:
        raise _invalid(location, f"cannot be joined to {base.host}: {error}") from None


def _parse_carefully(text: str) -> Target:
    if len(text) > MAX_URL_CHARS:
        raise Failure(Outcome.INVALID_URL, f"URL of {len(text)} characters; {MAX_URL_CHARS} is the most we ask for")
    text = _clean(text)
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise _invalid(text, "has no scheme")
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise _invalid(text, f"has the scheme {scheme!r}, neither http nor https")
    # User info ends at the last @. It is read to find the host, and never sent on.
    authority = parts["authority"].rpartition("@")[2]
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
    if authority.startswith("["):
        bracketed, closed, tail = authority[1:].partition("]")
        host, address = _read_ipv6(bracketed, text)
        digits = tail.removeprefix(":")
        if not closed or (tail and not tail.startswith(":")):
            raise _invalid(text, "has brackets that do not hold an address")
    else:
        name, _, digits = authority.partition(":")
        host, address = _read_host(name, text)
    port = DEFAULT_PORTS[scheme]
    if digits:
        if not digits.isascii() or not digits.isdigit() or len(digits.lstrip("0")) > 5 or int(digits) > 65_535:
            raise _invalid(text, f"has the port {digits[:20]!r}")
        port = int(digits)
    path, question, query = parts["rest"].partition("#")[0].partition("?")
    shown = f"[{host}]" if ":" in host else host
    colon_port = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    asked = (_escape(path) or "/") + (question + _escape(query) if query else "")
    return Target(f"{scheme}://{shown}{colon_port}", asked, scheme, host, port, address)


def _clean(text: str) -> str:
    """Drop what browsers drop (outer spaces and controls, tabs and line ends) and turn backslashes into slashes."""
    text = text.strip("".join(map(chr, range(33))))
    text = text.replace("\t", "").replace("\n", "").replace("\r", "")
    head, question, tail = text.partition("?")
    return head.replace("\\", "/") + question + tail


def _escape(text: str) -> str:
    """Percent-escape what may not stand in a request line, and nothing else: escapes already there stay as they are."""
    raw = _LONE_SURROGATE.sub("\ufffd", text).encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in raw)


def _read_host(name: str, text: str) -> tuple[str, ipaddress.IPv4Address | None]:
    if "%" in name:
        try:
            name = unquote_to_bytes(name).decode("utf-8")
        except UnicodeError:
            raise _invalid(text, "has a host that is not UTF-8 once unescaped") from None
    if not name.isascii():
        # idna's work grows faster than the name; no name that can be resolved has more characters than this.
        if len(name) > 253:
            raise _invalid(text, "has a host name of more than 253 characters")
        try:
            name = _ascii_name(name)
        except ValueError as error:  # IDNAError is one, and so is what idna says of characters newer than Python
            raise _invalid(text, f"has no valid international host name: {error}") from None
    name = name.lower()
    name = name.removesuffix(".")
    if not name:
        raise _invalid(text, "has no host")
    if _ends_in_number(name):
        address = _read_ipv4(name, text)
        return str(address), address
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise _invalid(text, "has a host name that cannot exist")
    return name, None


def _ascii_name(name: str) -> str:
    """An international host name as name servers know it, by the checks of UTS 46 that browsers make.

    ``idna.encode`` makes those of IDNA 2008, which knows no emoji: browsers open such hosts. What is ASCII already is
    left to the name servers.

    Raises:
        ValueError: No browser would ask for it, or nobody can tell: how characters newer than Python's tables combine,
            and in which direction they run, is not known, except of pictographs.
    """
    # Full-width digits and ideographic full stops become plain ones.
    mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    if any(unicodedata.category(character) == "Cn" and ord(character) not in _PICTOGRAPHS for character in mapped):
        raise idna.IDNAError(f"{mapped!r} has characters that are not known here")
    labels = mapped.split(".")
    if any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in mapped):
        for label in filter(None, labels):
            idna.check_bidi(label, check_ltr=True)
    return ".".join(map(_ascii_label, labels))


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    if label.startswith("xn--"):
        raise idna.IDNAError(f"{label!r} is encoded and is not")
    idna.check_initial_combiner(label)
    for position, character in enumerate(label):
        if character in _JOINERS and not idna.valid_contextj(label, position):
            raise idna.IDNAError(f"{label!r} has a joiner where nothing is joined")
    return "xn--" + label.encode("punycode").decode("ascii")


def _ends_in_number(host: str) -> bool:
    """Whether a host must be an IPv4 address: https://url.spec.whatwg.org/#ends-in-a-number-checker."""
    last = host.rpartition(".")[2]
    if last.isdigit():
        return True
    return last[:2] in {"0x", "0X"} and all(digit in "0123456789abcdefABCDEF" for digit in last[2:])


def _read_ipv4(host: str, text: str) -> ipaddress.IPv4Address:
    """Decimal, octal and hexadecimal spellings, of one to four parts: https://url.spec.whatwg.org/#concept-ipv4-parser."""
    numbers = []
    pieces = host.split(".")
    for piece in pieces:
        digits, base = piece, 10
        if piece[:2] in {"0x", "0X"}:
            digits, base = piece[2:] or "0", 16
        elif len(piece) > 1 and piece.startswith("0"):
            digits, base = piece[1:], 8
        if len(digits) > 16 or not all(digit in "0123456789abcdef"[:base] for digit in digits.lower()) or not piece:
            raise _invalid(text, f"has the host {host[:60]!r}, which is no IPv4 address")
        numbers.append(int(digits, base))
    *leading, last = numbers
    if len(numbers) > 4 or any(number > 255 for number in leading) or last >= 256 ** (5 - len(numbers)):
        raise _invalid(text, f"has the host {host[:60]!r}, which is no IPv4 address")
    return ipaddress.IPv4Address(last + sum(number << (8 * (3 - place)) for place, number in enumerate(leading)))


def _read_ipv6(bracketed: str, text: str) -> tuple[str, ipaddress.IPv6Address]:
    if "%" in bracketed:
        raise Failure(Outcome.BLOCKED_ADDRESS, f"{bracketed[:60]!r} names a network interface of this machine")
    try:
        address = ipaddress.IPv6Address(bracketed)
    except ValueError:
        raise _invalid(text, "has no valid IPv6 address in its brackets") from None
    return str(address), address


def _invalid(text: str, finding: str) -> Failure:
    return Failure(Outcome.INVALID_URL, f"{text[:120]!r} {finding}")
