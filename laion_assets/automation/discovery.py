"""Which parts a source has that we have not asked for yet.

Compares a listing with what was requested before; knows nothing of Dagster. The sensor and the command line both decide
with this.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from laion_assets.sources.published import Listing, PublishedPart


@dataclass(frozen=True)
class Cursor:
    """What was requested so far: the fingerprint of each part at the time its run was requested."""

    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | None) -> "Cursor":
        """The cursor a sensor stored; an empty one when there is none or it cannot be read."""
        try:
            stored = json.loads(text) if text else {}
            return cls({str(key): str(value) for key, value in dict(stored.get("parts", {})).items()})
        except (ValueError, AttributeError, TypeError):
            return cls()

    def to_json(self) -> str:
        """The cursor as a sensor stores it."""
        return json.dumps({"parts": dict(sorted(self.fingerprints.items()))}, separators=(",", ":"))


@dataclass(frozen=True)
class Discovery:
    """What a listing means, compared with a cursor."""

    new: tuple[PublishedPart, ...]
    changed: tuple[PublishedPart, ...]
    withdrawn: tuple[str, ...]
    """Keys requested once that the source no longer lists. Our copies stay."""
    cursor: Cursor
    """The cursor once the new and changed parts have been requested."""

    @property
    def to_request(self) -> tuple[PublishedPart, ...]:
        """New and changed parts, in the source's order."""
        return self.new + self.changed


def fingerprint(part: PublishedPart) -> str:
    """What tells one version of a part from another: its checksum, else its etag, else its size."""
    return (part.sha256 or part.etag or f"{part.size_bytes} bytes")[:24]


def compare(listing: Listing, cursor: Cursor) -> Discovery:
    """Sort the parts of a listing into new, changed and unchanged ones."""
    listed = {part.key: fingerprint(part) for part in listing.parts}
    return Discovery(
        new=tuple(part for part in listing.parts if part.key not in cursor.fingerprints),
        changed=tuple(
            part for part in listing.parts if cursor.fingerprints.get(part.key, listed[part.key]) != listed[part.key]
        ),
        withdrawn=tuple(sorted(cursor.fingerprints.keys() - listed.keys())),
        cursor=Cursor({**cursor.fingerprints, **listed}),
    )
