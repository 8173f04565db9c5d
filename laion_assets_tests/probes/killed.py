"""What the process does that probes until a test kills it.

Apart from the tests: what these import, the processes need not.
"""

import json
from pathlib import Path

import polars as pl

from laion_assets.lake.lake import Lake
from laion_assets.probes.probe import probe_sample
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.spec import WebSpec


def probe(lake_uri: str, urls: Path, nameserver: str, processes: int) -> None:
    """Probe one URL after the other and say how many are done."""
    web = WebSpec(allow_networks=("127.0.0.0/8",), nameservers=(nameserver,), concurrency=1, per_host=1)
    probe_sample(
        pl.DataFrame({"url": json.loads(urls.read_text())}),
        web=web,
        spec=ProbeSpec(processes=processes),
        store=ProbeStore(Lake(lake_uri), ["laion_hr", "dimension_probes"]),
        on_progress=lambda progress: print(progress.done, flush=True),
    )
