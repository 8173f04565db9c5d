"""What publishers ask of robots: X-Robots-Tag headers and robots.txt.

Only the reading of them; fetching robots.txt and acting on the answer is the client's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_ROBOTS_BYTES = 512_000
"""RFC 9309 asks for at least 500 KiB to be read; what comes after is ignored."""

# Directives that have a value behind a colon, so that what stands before the colon is no robot's name.
_VALUED = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"))
# No robot's name either is the rest of a value, such as the date in "unavailable_after: Wed, 25 Jun 2030 15:00:00 GMT".
_ROBOT = re.compile(r"\*|[a-z_][a-z0-9_./-]*")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


def opt_out(headers: Iterable[str], *, words: tuple[str, ...], agent: str) -> str | None:
    """The word with which ``X-Robots-Tag`` headers tell us not to use this, if they do.

    Args:
        headers: Values of every such header: ``noai, noimageai``, ``otherbot: noindex``,
            ``unavailable_after: 25 Jun 2030 15:00:00 GMT``.
        words: Directives that count, in lower case. ``none`` means noindex and nofollow, so it counts if noindex does.
        agent: Our name; directives for another robot by name are not for us.
    """
    for header in headers:
        addressee = None
        for piece in header.split(","):
            directive = piece.strip().lower()
            head, colon, tail = directive.partition(":")
            head = head.strip()
            if colon and head not in words:
                if head in _VALUED or not _ROBOT.fullmatch(head):
                    continue
                addressee, directive = head, tail.strip()
            elif colon:
                directive = head
            if addressee in {None, "*", agent.lower()}:
                if directive in words:
                    return directive
                if directive == "none" and "noindex" in words:
                    return directive
    return None


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """What one robots.txt says to us: the rules of the group that names us, else of the group for everyone."""

    rules: tuple[tuple[str, bool], ...] = ()
    """(path pattern, allowed)."""

    def allows(self, path: str) -> bool:
        """Whether a path with query may be asked for: the longest pattern wins, allow wins a tie (RFC 9309, 2.2.2)."""
        best, allowed = -1, True
        path = _without_dots(_normal(path))
        for pattern, says in self.rules:
            if len(pattern) < best or (len(pattern) == best and not says):
                continue
            if _matches(pattern, path):
                best, allowed = len(pattern), says
        return allowed


def read_robots(body: bytes, *, agent: str) -> RobotsRules:
    """Read a robots.txt as RFC 9309 says; anything that cannot be read is skipped, never an error."""
    ours: list[tuple[str, bool]] = []
    everyones: list[tuple[str, bool]] = []
    named = False
    current: list[list[tuple[str, bool]]] = []
    in_names = False
    for line in body[:MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not in_names:
                current, in_names = [], True
            if value == "*":
                current.append(everyones)
            elif re.split(r"[^a-zA-Z_-]", value, maxsplit=1)[0].lower() == agent.lower():
                named = True
                current.append(ours)
        elif key in {"allow", "disallow"}:
            in_names = False
            if value:
                for rules in current:
                    rules.append((_normal(value), key == "allow"))
    return RobotsRules(tuple(ours if named else everyones))


def _normal(path: str) -> str:
    """One spelling for what RFC 9309, 2.2.2 calls the same.

    Non-ASCII characters are escaped, unreserved ones are not (RFC 3986, 2.3), and the other escapes are in upper case.
    """
    escaped = "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in path)
    return _ESCAPE.sub(_unescape_unreserved, escaped)


def _unescape_unreserved(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()


def _without_dots(path: str) -> str:
    """Where a path leads once ``.`` and ``..`` are followed (RFC 3986, 5.2.4), as servers do; its query stays."""
    if "/." not in path:
        return path
    path, question, query = path.partition("?")
    segments = path.split("/")[1:]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in (["."], [".."]):
        kept.append("")
    return f"/{'/'.join(kept)}{question}{query}"


def _matches(pattern: str, path: str) -> bool:
    """``*`` is any run of characters, a ``$`` at the end is the end, everything else is itself.

    Piece by piece from the left and never back, so that no pattern takes more than one look along the path; a regular
    expression would let a hostile robots.txt keep us busy for hours.
    """
    ends = pattern.endswith("$")
    first, *rest = (pattern[:-1] if ends else pattern).split("*")
    if not path.startswith(first):
        return False
    if ends and not rest:
        return path == first
    last = rest.pop() if ends else ""
    place = len(first)
    for piece in rest:
        found = path.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return not ends or (len(path) - len(last) >= place and path.endswith(last))
