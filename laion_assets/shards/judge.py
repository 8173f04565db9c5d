"""What becomes of a downloaded file: kept, or left out for a reason with a name.

Pure: bytes in, verdict out. No decoding: the size is read from the header, completeness from the structure.
"""

import hashlib
from dataclasses import dataclass

from laion_assets.probes.header import Header, NotAnImage, Unknown, read_header
from laion_assets.shards.spec import ShardsSpec
from laion_assets.shards.structure import CutOff, Whole, check_structure
from laion_assets.subsets.keeping import Keeping
from laion_assets.web.outcome import Outcome

SUCCESS, FAILED_TO_DOWNLOAD, FAILED_TO_RESIZE = "success", "failed_to_download", "failed_to_resize"
"""img2dataset's words for how a row ended. The last stands for every image that came and was not taken."""

OPTED_OUT_ERROR = "Use of image disallowed by X-Robots-Tag directive"
"""img2dataset's words."""


@dataclass(frozen=True)
class Limits:
    """What an image must be to be kept."""

    keeping: Keeping
    hash_kind: str | None

    @classmethod
    def of(cls, spec: ShardsSpec, minimum_side_px: int) -> "Limits":
        """The limits of a subset's shards; ``minimum_side_px`` is the dataset's own promise."""
        return cls(spec.keeping(minimum_side_px), spec.verify_hash.kind if spec.verify_hash else None)


@dataclass(frozen=True)
class Verdict:
    """How one row ended, and what is known of its image."""

    outcome: Outcome
    error: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None

    @property
    def status(self) -> str:
        """img2dataset's word for it."""
        if self.outcome is Outcome.OK:
            return SUCCESS
        return FAILED_TO_DOWNLOAD if self.format is None else FAILED_TO_RESIZE


def judge(body: bytes, limits: Limits, *, expected_hash: str | None = None) -> Verdict:
    """Judge a whole file.

    Args:
        body: all bytes, as served.
        limits: what is kept.
        expected_hash: lower- or upper-case hex digest the dataset published, of the kind ``limits`` names.
    """
    header = read_header(body, complete=True)
    if isinstance(header, NotAnImage):
        return Verdict(Outcome.NOT_AN_IMAGE, f"not an image: {header.finding}")
    if not isinstance(header, Header):
        known = header.format if isinstance(header, Unknown) else None
        if isinstance(header, Unknown) and header.truncated:
            return Verdict(Outcome.TRUNCATED, header.reason, format=known)
        return Verdict(Outcome.UNKNOWN_SIZE, header.reason if isinstance(header, Unknown) else None, format=known)

    def rejected(outcome: Outcome, error: str) -> Verdict:
        return Verdict(outcome, error, header.width, header.height, header.format)

    if limits.hash_kind is not None and expected_hash is not None:
        found = hashlib.new(limits.hash_kind, body, usedforsecurity=False).hexdigest()
        if found != expected_hash.lower():
            return Verdict(Outcome.HASH_MISMATCH, "hash mismatch")
    keeping = limits.keeping
    if keeping.formats is not None and header.format not in keeping.formats:
        return rejected(Outcome.NOT_AN_IMAGE, f"{header.format} files are not taken")
    if keeping.maximum_pixels is not None and header.width * header.height > keeping.maximum_pixels:
        return rejected(Outcome.TOO_LARGE, "image area too large")
    if min(header.width, header.height) < keeping.minimum_side_px:
        return rejected(Outcome.TOO_SMALL, "image too small")
    aspect = max(header.width, header.height) / min(header.width, header.height)
    if keeping.maximum_aspect is not None and aspect > keeping.maximum_aspect:
        return rejected(Outcome.ASPECT_REJECTED, "aspect ratio too large")
    structure = check_structure(body, header.format)
    if isinstance(structure, CutOff):
        return rejected(Outcome.TRUNCATED, structure.finding)
    if structure is not None and not isinstance(structure, Whole):
        return rejected(Outcome.UNDECODABLE, structure.finding)
    return Verdict(Outcome.OK, None, header.width, header.height, header.format)
