"""Which parts a source has that we have not asked for yet.

Compares a listing with what was requested before; knows nothing of Dagster.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from laion_assets.sources.published import Listing, PublishedPart

# A tick that requests thousands of runs outlasts the daemon's patience; the next tick goes on where this one ended.
AT_MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Cursor:
    """What was requested so far."""

    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of each part at the time its run was requested."""
    unconfirmed: Mapping[str, str] = field(default_factory=dict)
    """The run keys of parts that the last tick requested: nobody has seen those runs yet."""

    @classmethod
    def from_json(cls, text: str | None) -> "Cursor":
        """The cursor a sensor stored; an empty one when there is none or it cannot be read."""
        try:
            stored = json.loads(text) if text else {}
            return cls(*(_texts(stored.get(name, {})) for name in ("parts", "unconfirmed")))
        except (ValueError, AttributeError, TypeError):
            return cls()

    def to_json(self) -> str:
        """The cursor as a sensor stores it."""
        return json.dumps(
            {"parts": dict(sorted(self.fingerprints.items())), "unconfirmed": dict(sorted(self.unconfirmed.items()))},
            separators=(",", ":"),
        )

    def confirmed(self, run_keys: Collection[str]) -> "Cursor":
        """The cursor without those parts whose runs never came to be: they are new again.

        A daemon that is killed, or a sensor that is switched off, half-way through a tick leaves such parts.

        Args:
            run_keys: those of the unconfirmed ones of which there are runs.
        """
        lost = {part for part, run_key in self.unconfirmed.items() if run_key not in run_keys}
        return Cursor({part: mark for part, mark in self.fingerprints.items() if part not in lost})


@dataclass(frozen=True)
class Discovery:
    """What a listing means, compared with a cursor."""

    new: tuple[PublishedPart, ...]
    changed: tuple[PublishedPart, ...]
    withdrawn: tuple[str, ...]
    """Keys requested once that the source no longer lists. Our copies stay."""
    cursor: Cursor
    """The cursor before anything is requested."""

    @property
    def to_request(self) -> tuple[PublishedPart, ...]:
        """New parts, then changed ones, in the source's order; the rest waits for the next time."""
        return (self.new + self.changed)[:AT_MOST_AT_ONCE]

    def cursor_after(self, run_keys: Mapping[str, str]) -> Cursor:
        """The cursor once runs have been requested for these parts, and for no other.

        Args:
            run_keys: run key per part.
        """
        requested = {part.key: fingerprint(part) for part in self.to_request if part.key in run_keys}
        return replace(self.cursor, fingerprints={**self.cursor.fingerprints, **requested}, unconfirmed=dict(run_keys))


def fingerprint(part: PublishedPart) -> str:
    """What tells one version of a part from another: its checksum, else its etag, else its size."""
    return (part.sha256 or part.etag or f"{part.size_bytes} bytes")[:24]


def compare(listing: Listing, cursor: Cursor) -> Discovery:
    """Sort the parts of a listing into new, changed and unchanged ones."""
    known = cursor.fingerprints
    return Discovery(
        new=tuple(part for part in listing.parts if part.key not in known),
        changed=tuple(part for part in listing.parts if known.get(part.key, fingerprint(part)) != fingerprint(part)),
        withdrawn=tuple(sorted(known.keys() - {part.key for part in listing.parts})),
        cursor=cursor,
    )


def _texts(stored: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in dict(stored).items()}
