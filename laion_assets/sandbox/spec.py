"""What a sandbox is asked to be: its seed, its size, its ports.

Plain values that name one sandbox completely; how it is generated and served lives in the other modules.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 18080

WEB_LIKE_BYTES_PER_MEGAPIXEL = 180_000
"""Gives JPEGs the median size they have on the web, 433 KB."""


class SandboxError(RuntimeError):
    """The sandbox could not be started or is gone."""


@dataclass(frozen=True)
class SandboxSpec:
    """One sandbox. Two sandboxes of the same spec and the same ports are byte for byte the same.

    Attributes:
        seed: everything random follows from it.
        parts: published metadata files.
        rows_per_part: rows in each.
        port: the web's port; hub, name server and TLS take the three after it. 0 takes any four free ones, which
            makes the URLs in the metadata different each time.
        faults: ``False`` serves every image as declared and plants no broken row.
        repository: what the hub calls the dataset.
        token: the token the hub accepts; ``<token>_no_terms`` is one whose owner has not accepted the terms.
        gated: whether files need the token at all.
        hosts: how many web hosts, each with an address of its own in 127.0.0.0/8.
        named_host_share: share of hosts that are reached by a name the sandbox's own name server knows; 0 for
            clients that cannot be told a name server.
        bytes_per_megapixel: what a JPEG costs per megapixel, in the median. The default is close to the least there
            can be and keeps a demo quick (60 KB per image); WEB_LIKE_BYTES_PER_MEGAPIXEL is what the web serves.
        minimum_side_px: the promise images are measured against, for ``true_below_minimum`` and ``too_small``.
        tls: serve 87 % of the hosts over https, with certificates made at start. Needs ``trustme``.
    """

    seed: int = 0
    # Few large parts rather than many small ones: each part of a download waits once for the servers that stall.
    parts: int = 4
    rows_per_part: int = 8000
    port: int = DEFAULT_PORT
    faults: bool = True
    repository: str = "laion/relaion-high-resolution"
    token: str = "hf_sandbox"  # noqa: S105
    gated: bool = True
    hosts: int = 400
    named_host_share: float = 0.1
    bytes_per_megapixel: int = 12_000
    minimum_side_px: int = 1024
    tls: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if not 1 <= self.parts <= 100_000 or self.rows_per_part < 1:
            raise SandboxError(f"parts={self.parts}, rows_per_part={self.rows_per_part}: both must be at least 1.")
        if self.rows >= 1 << 32:
            raise SandboxError(f"{self.rows:,} rows are more than a sandbox can name; ask for fewer than 2^32.")
        if not 11 <= self.hosts <= 8000:
            raise SandboxError(f"hosts={self.hosts}: choose 11 to 8000, the ten largest have fixed shares.")
        if not 0 <= self.port <= 65_000:
            raise SandboxError(f"port={self.port}: choose 0 for any free ports, or 1024 to 65000.")

    @property
    def rows(self) -> int:
        """All rows of all parts."""
        return self.parts * self.rows_per_part

    def fingerprint(self, *, web_port: int, tls_port: int) -> str:
        """Names the generated files: the spec, the ports that stand in its URLs, and the code that makes them."""
        fields = dataclasses.asdict(self) | {"port": web_port, "tls_port": tls_port}
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
        # The code itself rather than a number that somebody has to remember to raise.
        for source in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(source.read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Ports:
    """The ports a running sandbox has taken. ``tls`` is 0 when it serves no TLS."""

    web: int
    hub: int
    dns: int
    tls: int = 0
