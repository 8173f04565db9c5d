"""How a code location is told the manners and the allow list of its web client."""

import os
from typing import Any

import dagster as dg
from pydantic import Field
from typing_extensions import Self

from laion_assets.web.spec import WebSpec

ENVIRONMENT_PREFIX = "LAION_ASSETS_WEB_"


class WebResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Settings of the guarded client; whoever needs the client opens one with ``spec()``."""

    settings: dict[str, Any] = Field(
        default={}, description="Fields of WebSpec by name: {concurrency: 128, per_host: 2}. The others keep defaults."
    )
    read_environment: bool = Field(
        default=False,
        description=f"Take what settings do not name from variables such as {ENVIRONMENT_PREFIX}DEADLINE_S, lists "
        "comma-separated, each time a step asks.",
    )

    @classmethod
    def from_environment(cls) -> Self:
        """A resource that looks at the environment of the process a step runs in, not of the one that loads code."""
        return cls(read_environment=True)

    def spec(self) -> WebSpec:
        """The settings as they are now.

        Raises:
            pydantic.ValidationError: A setting or a variable is no valid value of its field.
        """
        return WebSpec.model_validate({**(_in_environment() if self.read_environment else {}), **self.settings})


def variable(field: str) -> str:
    """The environment variable that sets a field of ``WebSpec``."""
    return ENVIRONMENT_PREFIX + field.upper()


def _in_environment() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in WebSpec.model_fields.items():
        if text := os.environ.get(variable(name), "").strip():
            is_list = isinstance(field.default, tuple)
            found[name] = [item.strip() for item in text.split(",") if item.strip()] if is_list else text
    return found
