"""Reading a file over HTTP from an offset, with ``Range`` and ``If-Range``."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from laion_assets.sources.http import Answer, Secrets, refuse_failure, refuse_web_page, request
from laion_assets.sources.patience import DEFAULT_PATIENCE
from laion_assets.sources.published import SourceError
from laion_assets.sources.transfer import Stream

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


@dataclass(frozen=True)
class HttpOrigin:
    """A file at a URL.

    Attributes:
        locate: The URL to ask, asked for anew at each attempt: signed ones expire.
        shown: What to call it in errors.
        secrets: Headers for one origin only.
        refuse: Turns a status that means no into a sentence; for sources with words of their own.
        silence_s: How long the server may send nothing.
    """

    locate: Callable[[], str]
    shown: str
    secrets: Secrets | None = None
    refuse: Callable[[Answer, str], None] = refuse_failure
    silence_s: float = DEFAULT_PATIENCE.silence_s

    @contextlib.contextmanager
    def open(self, start: int, validator: str | None) -> Iterator[Stream]:
        """Begin to read at ``start`` if the file still is the version ``validator`` names, else at 0."""
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator is not None:
                headers["If-Range"] = validator
        with request(
            "GET", self.locate(), shown=self.shown, headers=headers, secrets=self.secrets, silence_s=self.silence_s
        ) as answer:
            if answer.status != 416 or not start:
                yield self._stream(answer)
                return
        # What we hold is longer than the file is now: it cannot be its beginning.
        with self.open(0, None) as stream:
            yield stream

    def _stream(self, answer: Answer) -> Stream:
        self.refuse(answer, self.shown)
        refuse_web_page(answer, self.shown)
        encoding = (answer.headers.get("Content-Encoding") or "identity").strip().lower()
        if encoding not in ("identity", ""):
            raise SourceError(
                f"{self.shown}: the server insists on sending it {encoding}-encoded, so its bytes would not be the "
                "published ones. Ask its owner to serve it as it is."
            )
        chunks = answer.chunks(self.shown)
        if answer.status == 206:
            match = _CONTENT_RANGE.match((answer.headers.get("Content-Range") or "").strip())
            if not match:
                raise SourceError(
                    f"{self.shown}: a partial answer does not say which part it is. Report it to the publisher."
                )
            first, _, total = match.groups()
            return Stream(int(first), None if total == "*" else int(total), answer.strong_etag, chunks)
        if answer.status != 200:
            raise SourceError(
                f"{self.shown}: an answer we have no use for (HTTP {answer.status}). Check the source URI."
            )
        chunked = "chunked" in (answer.headers.get("Transfer-Encoding") or "").lower()
        if answer.content_length is None and not chunked:
            raise SourceError(
                f"{self.shown}: the server does not say how long the file is, so a broken connection would pass "
                "for its end. Ask its owner to send Content-Length."
            )
        return Stream(0, answer.content_length, answer.strong_etag, chunks)
