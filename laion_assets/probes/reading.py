"""One image: how many of its first bytes to ask for, and what the answer is called.

How bytes become a size is ``header``'s business, how requests are sent ``web``'s.
"""

from datetime import datetime
from typing import Any

from laion_assets.probes.header import Answer as HeaderAnswer
from laion_assets.probes.header import Header, NeedMore, NotAnImage, Unknown, read_header
from laion_assets.probes.spec import ProbeSpec
from laion_assets.web.failure import one_line
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer

# Read beyond what a header proves to be needed: behind an EXIF block often lie another (XMP, a colour profile) and then
# the size, and one more request costs more than these bytes.
_SLACK_BYTES = 16_384


class Reading:
    """Decides, as the bytes of one image come in, whether to read on. Remembers what it read for ``result``."""

    __slots__ = ("_complete", "_found", "_length", "_spec")

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._found: HeaderAnswer | None = None
        self._length = 0
        self._complete = False

    def __call__(self, prefix: bytes, complete: bool) -> int | None:  # noqa: FBT001 - the client's signature
        """The client's ``more``: as far as the header needs, in steps that spare requests, never beyond the cap."""
        spec, found = self._spec, self._read(prefix, complete=complete)
        if not isinstance(found, NeedMore) or found.at_least_bytes > spec.max_prefix_bytes:
            return None
        wanted = found.at_least_bytes + _SLACK_BYTES
        if found.at_least_bytes <= spec.second_prefix_bytes < wanted:
            wanted = spec.second_prefix_bytes
        if len(prefix) >= spec.second_prefix_bytes:
            wanted = max(wanted, 2 * len(prefix))
        return min(spec.max_prefix_bytes, wanted)

    def _read(self, prefix: bytes, *, complete: bool) -> HeaderAnswer:
        if self._found is None or (self._length, self._complete) != (len(prefix), complete):
            self._found = read_header(prefix, complete=complete)
            self._length, self._complete = len(prefix), complete
        return self._found

    def result(self, answer: Answer, *, probed_at: datetime) -> dict[str, Any]:
        """What the client's answer says about the image: the columns of ``PROBE_SCHEMA``."""
        outcome, error = answer.outcome, answer.error
        header: Header | None = None
        format_: str | None = None
        if outcome is Outcome.OK:
            match self._read(answer.body, complete=answer.complete):
                case Header() as header:
                    format_ = header.format
                case NotAnImage(finding=finding):
                    outcome, error = Outcome.NOT_AN_IMAGE, f"{finding} (as {answer.content_type})"
                case Unknown(format=format_, reason=reason, truncated=truncated):
                    outcome, error = (Outcome.TRUNCATED if truncated else Outcome.UNKNOWN_SIZE), f"{format_}: {reason}"
                case NeedMore(at_least_bytes=needed, format=format_):
                    outcome = Outcome.UNKNOWN_SIZE
                    error = f"{format_}: the size lies beyond the first {len(answer.body)} bytes, at {needed} or later"
        return {
            "outcome": outcome.value,
            "error": one_line(error) if error else None,
            "http_status": answer.http_status,
            "true_width": header.width if header else None,
            "true_height": header.height if header else None,
            "format": format_,
            "exif_orientation": header.exif_orientation if header else None,
            "file_bytes": answer.file_bytes,
            "bytes_read": answer.bytes_read,
            "requests": answer.requests,
            "seconds": answer.seconds,
            "final_host": answer.final_host,
            "opted_out": answer.opted_out,
            "probed_at": probed_at,
        }
