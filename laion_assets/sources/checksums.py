"""Checksum files as publishers lay them beside their data."""

import re

CHECKSUM_LIST = "SHA256SUMS"
"""Beside the files of a folder, one line for each."""
CHECKSUM_SUFFIX = ".sha256"
"""Appended to a file's name."""
MAX_CHECKSUM_FILE_BYTES = 16_000_000
"""More than this is no such file; a line for each of 100,000 files is less."""

_LINE = re.compile(r"(?:SHA256 \((?P<bsd>.+)\) = )?(?P<digest>[0-9A-Fa-f]{64})(?:[ \t]+[*]?(?P<name>.+))?\Z")


def checksums_by_name(text: str) -> dict[str, str]:
    """Read what ``sha256sum`` or ``sha256sum --tag`` wrote; lines that are neither are passed over.

    Returns:
        Lower-case hex by file name without folders; a bare checksum has the name ``""``.
    """
    checksums = {}
    for line in text.splitlines():
        if match := _LINE.match(line.strip()):
            name = match["bsd"] or match["name"] or ""
            checksums[name.rpartition("/")[2]] = match["digest"].lower()
    return checksums
