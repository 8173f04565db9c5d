"""How a request ends that does not get what it asked for: the only thing that is raised inside the client."""

from laion_assets.web.outcome import Outcome

MAX_ERROR_CHARS = 300


class Failure(Exception):  # noqa: N818 - how a request ended, not an error of ours
    """A request ended without what was asked for."""

    def __init__(self, outcome: Outcome, error: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(error)
        self.outcome = outcome
        self.error = one_line(error)
        self.retry_after_s = retry_after_s


def one_line(text: str) -> str:
    """Text from anywhere as one bounded line of printable characters, fit for a table, a log and a terminal."""
    text = text[: 4 * MAX_ERROR_CHARS]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_ERROR_CHARS else line[: MAX_ERROR_CHARS - 1] + "…"
