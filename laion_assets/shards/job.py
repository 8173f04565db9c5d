"""What the process that downloads is told: one part, its planned rows, where shards go, how the web is asked.

A job crosses a process boundary as JSON. Who makes one, and who carries it out, lives elsewhere.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from laion_assets.shards.spec import ShardsSpec
from laion_assets.web.spec import WebSpec

STOP_FILE = "stop"
"""In the scratch folder: workers begin no further shard once it is there."""


class DownloadError(RuntimeError):
    """Shards are missing after a download; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Job:
    """Planned rows of one part to be turned into shards."""

    lake_uri: str
    key: tuple[str, ...]
    """Of the shards asset."""
    part: str
    rows_file: str
    """Local parquet: the planned rows in the order of the shards."""
    columns: tuple[str, ...]
    """Columns of it that go into each sample's JSON, beside url and caption."""
    digests: Mapping[int, str]
    """Digest of the planned rows of each shard; its keys are all the shards there are to be."""
    done: tuple[int, ...]
    """Shards that are there already."""
    rows: int
    """Rows in it."""
    first_shard: int
    retry_round: int
    scratch: str
    """Local folder for this job alone: progress, failures, img2dataset's slices."""
    spec: ShardsSpec
    web: WebSpec
    minimum_side_px: int

    @property
    def folder(self) -> Path:
        """The scratch folder."""
        return Path(self.scratch)

    @property
    def missing(self) -> list[int]:
        """Shards still to be written."""
        return sorted(set(self.digests) - set(self.done))

    @property
    def rows_left(self) -> int:
        """Rows of the missing shards."""
        size = self.spec.rows_per_shard
        return sum(min(size, self.rows - (shard - self.first_shard) * size) for shard in self.missing)

    def to_json(self) -> str:
        """The job as text."""
        fields: dict[str, Any] = {**asdict(self), "spec": self.spec.model_dump(), "web": self.web.model_dump()}
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The job that was written."""
        fields = json.loads(text)
        return cls(
            **{
                **fields,
                "key": tuple(fields["key"]),
                "columns": tuple(fields["columns"]),
                "done": tuple(fields["done"]),
                "digests": {int(shard): digest for shard, digest in fields["digests"].items()},
                "spec": ShardsSpec.model_validate(fields["spec"]),
                "web": WebSpec.model_validate(fields["web"]),
            }
        )
