"""What the processes do that fetch a part until a test kills them.

Apart from the tests: what these import, the processes need not.
"""

import os
from pathlib import Path

import dagster as dg

from laion_assets.lake.lake import Lake
from laion_assets.lake.resource import LakeResource
from laion_assets.sources.assets import raw_metadata
from laion_assets.sources.fetching import open_source
from laion_assets.sources.spec import SourceSpec
from laion_assets.terminal import stderr_into


def fetch_part(source_uri: str, lake_uri: str) -> None:
    """Fetch the first part of a source, as the asset does."""
    source = open_source(SourceSpec(uri=source_uri))
    lake = Lake(lake_uri)
    part = source.list_parts().parts[0]
    print("listed", flush=True)
    with lake.publish_resumable(lake.uri(["laion_hr", "raw_metadata"], part.file_name)) as path:
        print(source.fetch(part, path).resumed_from_bytes, flush=True)
    print("published", flush=True)


def materialise_part(publisher_url: str, lake_uri: str) -> None:
    """Materialise the first part of a list, as Dagster does."""
    raw = raw_metadata(
        "laion_hr",
        source=SourceSpec(uri=f"{publisher_url}/part-{{00000..00001}}.parquet"),
        parts=dg.StaticPartitionsDefinition(["part-00000"]),
        group="g",
    )
    with stderr_into(Path(os.devnull)):
        dg.materialize([raw], partition_key="part-00000", resources={"lake": LakeResource(base_uri=lake_uri)})
