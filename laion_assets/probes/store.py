"""What was learned about URLs, kept between runs beside the asset that needs it.

Parquet segments in the lake, each visible as a whole or not at all, of which the newest result per URL counts.
Deciding which results are still believed belongs to ``probe``.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from laion_assets.lake.errors import LakeError
from laion_assets.lake.lake import Lake
from laion_assets.probes.schema import PROBE_SCHEMA

STORE_SCHEMA: dict[str, pl.DataType] = {"url": pl.String(), **PROBE_SCHEMA}
FOLDER = "kept_probes"

# Opening a segment costs about as much as reading 10,000 rows of it.
_MAX_SEGMENTS = 64
# Compacting deletes that many files one by one, and what is listed meanwhile is gone when it is read.
_COMPACTED_S = 60.0
_PAUSE_S = 0.02


@dataclass
class ProbeStore:
    """Results by URL.

    Attributes:
        lake: Where the segments lie.
        asset: Key of the asset they belong to, such as ``["laion_hr", "dimension_probes"]``.

    Several runs may append at once. A run that is killed leaves every segment it finished.
    """

    lake: Lake
    asset: Sequence[str]

    @staticmethod
    def empty() -> pl.DataFrame:
        """No results, in ``STORE_SCHEMA``."""
        return pl.DataFrame(schema=STORE_SCHEMA)

    def newest(self) -> pl.DataFrame:
        """The newest result of every URL, one row each."""
        return self._read()[1]

    def append(self, results: pl.DataFrame) -> None:
        """Keep more results; when this returns they survive a kill."""
        self.lake.write_parquet(self._uri(_new_name()), results.select(list(STORE_SCHEMA)))
        if len(self._segments()) > _MAX_SEGMENTS:
            self.compact()

    def compact(self) -> None:
        """Replace all segments by one. Killed half-way, some results are there twice, which does no harm."""
        segments = self._segments()
        if len(segments) < 2:
            return
        try:
            results = self._newest_of(segments)
        except (OSError, LakeError, pl.exceptions.PolarsError):
            if all(self.lake.exists(self._uri(name)) for name in segments):
                raise
            return  # another process is compacting just now
        self._replace(segments, results)

    def forget(self, urls: pl.Series) -> None:
        """Drop what is known about some URLs, so that they are asked again."""
        segments, results = self._read()
        self._replace(segments, results.filter(~pl.col("url").is_in(urls.implode())))

    def _read(self) -> tuple[list[str], pl.DataFrame]:
        """All segments, and the newest result of every URL in them."""
        deadline = time.monotonic() + _COMPACTED_S
        while True:
            segments = self._segments()
            try:
                return segments, self._newest_of(segments)
            except (OSError, LakeError, pl.exceptions.PolarsError):
                # Another run compacted between our listing and our reading: what is listed now is not what was.
                if time.monotonic() > deadline or all(self.lake.exists(self._uri(name)) for name in segments):
                    raise
                time.sleep(_PAUSE_S)

    def _replace(self, segments: Sequence[str], results: pl.DataFrame) -> None:
        self.lake.write_parquet(self._uri(_new_name()), results)
        for name in segments:
            self.lake.delete(self._uri(name))

    def _newest_of(self, segments: Sequence[str]) -> pl.DataFrame:
        if not segments:
            return self.empty()
        rows = self.lake.scan_parquet([self._uri(name) for name in segments]).collect()
        return rows.sort("url", "probed_at").unique("url", keep="last", maintain_order=True)

    def _segments(self) -> list[str]:
        return self.lake.list_names([*self.asset, FOLDER], ".parquet")

    def _uri(self, name: str) -> str:
        return self.lake.uri([*self.asset, FOLDER], name)


def _new_name() -> str:
    return f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}.parquet"
