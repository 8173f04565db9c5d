"""The lake as a Dagster resource."""

import dagster as dg
from pydantic import Field

from laion_assets.lake.lake import Lake


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where all assets keep their files."""

    base_uri: str = Field(
        default="lake",
        description="A folder, or s3://bucket/prefix with the usual AWS_… variables (AWS_ENDPOINT_URL included).",
    )

    def open(self) -> Lake:
        """The lake, ready to use."""
        return Lake(self.base_uri)
