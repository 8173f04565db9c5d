"""What the process does that passes over a part until a test kills it.

Apart from the tests: what these import, the processes need not.
"""

import resource
import signal
from pathlib import Path

from laion_assets.lake.lake import Lake
from laion_assets.lake.parquet import write_parquet
from laion_assets.metadata.reading import open_published
from laion_assets.metadata.rulebook import rulebook
from laion_assets.metadata.sketch import Sketch
from laion_assets.metadata.validation import validate


def validate_part(raw: Path, lake_uri: str, file_limit_bytes: int) -> None:
    """Make one pass over a part, as the asset does."""
    if file_limit_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit_bytes, file_limit_bytes))
    lake = Lake(lake_uri)
    uris = [lake.uri(["d", name], "part-00000.parquet") for name in ("quarantined", "profile", "sketch", "validated")]
    sketch = Sketch("part-00000", seed=0)
    print("ready", flush=True)
    with lake.publish_many(uris) as (quarantined, profile_path, sketch_path, valid):
        with open_published(raw, part="part-00000", scratch=valid.parent) as table:
            profile = validate(
                table,
                rulebook(),
                valid_path=valid,
                quarantine_path=quarantined,
                sketch=sketch,
                rows_per_slice=30_000,
            )
        write_parquet(profile, profile_path)
        sketch.write(sketch_path, valid=valid)
