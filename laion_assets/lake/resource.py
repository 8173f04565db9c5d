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
    pages_url: str = Field(
        default="",
        description="Where a browser finds the lake's pages, such as http://127.0.0.1:3001. Empty: pages have no link.",
    )

    def open(self) -> Lake:
        """The lake, ready to use."""
        return Lake(self.base_uri)

    def link(self, uri: str) -> dg.MetadataValue:
        """A file of the lake as the UI shows it: a link where its pages are served, else where the file lies."""
        if not self.pages_url:
            return dg.MetadataValue.path(uri)
        inside = uri.removeprefix(self.open().base_uri + "/")
        return dg.MetadataValue.url(f"{self.pages_url.rstrip('/')}/{inside}")
