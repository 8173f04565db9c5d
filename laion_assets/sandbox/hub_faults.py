"""Faults of the hub that tests switch on while it runs, and the log of what was asked.

Faults of the image web are part of its catalogue (``faults``); the hub is well unless told otherwise.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from laion_assets.sandbox.messages import Answer, Request, head
from laion_assets.sandbox.rope import Body
from laion_assets.sandbox.spec import SandboxError

LOG_LENGTH = 1000


KINDS = ("drop", "reset", "rate_limited", "unavailable", "slow", "corrupt", "none")


@dataclass(frozen=True)
class HubFault:
    """One fault, for the next requests whose path contains ``where``.

    Attributes:
        kind: ``drop`` (end the connection after ``after_bytes`` of the body), ``reset`` (the same, with RST),
            ``rate_limited`` (429 with Retry-After), ``unavailable`` (503), ``slow`` (no faster than ``bytes_per_s``),
            ``corrupt`` (one bit of the body flipped) or ``none`` (well again).
        where: a piece of the path: ``/content/`` for file bodies, ``/api/`` for listings, "" for everything.
        times: how many requests it meets.
    """

    kind: str
    where: str = "/content/"
    times: int = 1
    after_bytes: int = 100_000
    retry_after_s: int = 1
    bytes_per_s: float = 100_000.0

    def __post_init__(self) -> None:
        """Refuse a kind nobody acts out."""
        if self.kind not in KINDS:
            raise SandboxError(f"{self.kind!r} is no fault of the hub; choose one of {', '.join(KINDS)}.")


@dataclass(frozen=True)
class HubRequest:
    """What the hub was asked."""

    method: str
    path: str
    range: str | None
    with_token: bool


class HubFaults:
    """The fault that is switched on, if any, and the requests seen."""

    def __init__(self) -> None:
        """Start well."""
        self._fault = HubFault("none")
        self._left = 0
        self.log: list[HubRequest] = []

    def switch(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Switch on the fault of these fields, instead of any other, and forget the log; says what is on."""
        fault = HubFault(**fields)
        self._fault = fault
        self._left = fault.times if fault.kind != "none" else 0
        self.log.clear()
        return dataclasses.asdict(fault)

    def note(self, request: Request, path: str) -> None:
        """Keep what was asked, for tests that look at ranges and headers."""
        wanted = request.header(b"range")
        self.log.append(
            HubRequest(
                method=request.method.decode("latin-1"),
                path=path,
                range=wanted.decode("latin-1") if wanted else None,
                with_token=request.header(b"authorization") is not None,
            )
        )
        del self.log[:-LOG_LENGTH]

    def refuse(self, path: str) -> Answer | None:
        """A refusal in place of the answer, where that is the fault."""
        if self._fault.kind == "rate_limited" and self._meets(path):
            return Answer(head(429, f"Retry-After: {self._fault.retry_after_s}", "Content-Length: 0"))
        if self._fault.kind == "unavailable" and self._meets(path):
            return Answer(head(503, "Content-Length: 0"))
        return None

    def spoil(self, path: str, answer: Answer) -> Answer:
        """The answer with the fault done to its body."""
        fault = self._fault
        if fault.kind not in ("drop", "reset", "slow", "corrupt") or not answer.body.length or not self._meets(path):
            return answer
        if fault.kind == "slow":
            return dataclasses.replace(answer, bytes_per_s=fault.bytes_per_s)
        if fault.kind == "corrupt":
            return dataclasses.replace(answer, body=_Corrupted(answer.body))
        return dataclasses.replace(answer, cut_after=fault.after_bytes, reset=fault.kind == "reset")

    def _meets(self, path: str) -> bool:
        if self._left <= 0 or self._fault.where not in path:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True)
class _Corrupted:
    """A body with one bit flipped in its middle."""

    body: Body

    @property
    def length(self) -> int:
        return self.body.length

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        data = bytearray(self.body.read(start, stop))
        at = self.length // 2 - start
        if 0 <= at < len(data):
            data[at] ^= 1
        return bytes(data)
