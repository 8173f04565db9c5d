"""A handle on a sandbox that answers: where it is, what points a client at it, what it knows, what it can be asked."""

import dataclasses
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from laion_assets.sandbox.hosts import HUB_ADDRESS
from laion_assets.sandbox.hub_faults import HubFault, HubRequest
from laion_assets.sandbox.spec import Ports, SandboxSpec

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers."""

    spec: SandboxSpec
    ports: Ports
    folder: Path
    process_id: int

    @property
    def hub_url(self) -> str:
        """Base URL of the hub."""
        return f"http://{HUB_ADDRESS}:{self.ports.hub}"

    @property
    def web_port(self) -> int:
        """The port every web host listens on."""
        return self.ports.web

    @property
    def nameserver(self) -> str:
        """Address and port of the name server."""
        return f"{HUB_ADDRESS}:{self.ports.dns}"

    @property
    def certificate_authority(self) -> Path | None:
        """PEM file to trust, where the sandbox serves TLS."""
        return self.folder / "certificates" / "authority.pem" if self.ports.tls else None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point laion-assets, and any Hugging Face client, at this sandbox."""
        variables = {
            "HF_ENDPOINT": self.hub_url,
            "HF_TOKEN": self.spec.token,
            "HF_HUB_DISABLE_XET": "1",
            "LAION_ASSETS_WEB_ALLOW_NETWORKS": "127.0.0.0/8",
            "LAION_ASSETS_WEB_NAMESERVERS": self.nameserver,
            # What answers at all on loopback answers soon: its slowest honest page takes 1.5 s.
            "LAION_ASSETS_WEB_DEADLINE_S": "4",
            "LAION_ASSETS_WEB_FIRST_BYTE_S": "3",
            "LAION_ASSETS_WEB_DNS_S": "2",
            "LAION_HR_PARTS": str(self.spec.parts),
            "LAION_HR_ROWS": str(self.spec.rows),
        }
        if self.certificate_authority:
            variables["LAION_ASSETS_WEB_TLS_CA_FILE"] = str(self.certificate_authority)
        return variables

    def truth(self) -> "pl.DataFrame":
        """What a correct client must find out: one row per (part, row), columns of ``truth.TRUTH_SCHEMA``."""
        import polars as pl

        return pl.read_parquet(self.folder / "truth.parquet")

    def switch_hub_fault(self, fault: HubFault) -> None:
        """Switch a fault of the hub on, instead of any other, and forget what the hub was asked."""
        self._ask("/sandbox/faults", dataclasses.asdict(fault))

    def hub_requests(self) -> list[HubRequest]:
        """What the hub was asked since the last ``switch_hub_fault``, oldest first, the last thousand."""
        return [HubRequest(**each) for each in json.loads(self._ask("/sandbox/requests", None))]

    def _ask(self, path: str, fields: dict[str, object] | None) -> bytes:
        body = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.hub_url + path, data=body)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return bytes(answer.read())
