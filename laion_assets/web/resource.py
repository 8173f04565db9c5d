"""How a code location is told the manners and the allow list of its web client."""

import os
from typing import Any

import dagster as dg
from pydantic import Field
from typing_extensions import Self

from laion_assets.web.spec import WebSpec

ALLOW_NETWORKS_VARIABLE = "LAION_ASSETS_WEB_ALLOW_NETWORKS"
NAMESERVERS_VARIABLE = "LAION_ASSETS_WEB_NAMESERVERS"


class WebResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Settings of the guarded client; whoever needs the client opens one with ``spec()``."""

    settings: dict[str, Any] = Field(
        default={}, description="Fields of WebSpec by name: {concurrency: 128, per_host: 2}. The others keep defaults."
    )
    read_environment: bool = Field(
        default=False,
        description=f"Take what settings do not name from {ALLOW_NETWORKS_VARIABLE} and {NAMESERVERS_VARIABLE}, "
        "as comma-separated lists, each time a step asks.",
    )

    @classmethod
    def from_environment(cls) -> Self:
        """A resource that looks at the environment of the process a step runs in, not of the one that loads code."""
        return cls(read_environment=True)

    def spec(self) -> WebSpec:
        """The settings as they are now."""
        found: dict[str, Any] = {}
        if self.read_environment:
            found = {
                "allow_networks": _list_in(ALLOW_NETWORKS_VARIABLE),
                "nameservers": _list_in(NAMESERVERS_VARIABLE),
            }
        return WebSpec.model_validate({**found, **self.settings})


def _list_in(variable: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in os.environ.get(variable, "").split(",") if item.strip())
