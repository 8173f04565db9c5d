"""The same rows are the same bytes, however their frame came about."""

import hashlib
import os
import subprocess
import sys

import polars as pl

from laion_assets.lake.lake import Lake

ROWS = 600_000


def frame(chunks: int = 1) -> pl.DataFrame:
    rows = pl.DataFrame({"row": range(ROWS)}).with_columns(
        url=pl.format("https://example.org/{}.jpg", pl.col("row") * 7919 % 100_003),
        width=pl.when(pl.col("row") % 11 > 0).then(pl.col("row") % 4096),
        language=pl.when(pl.col("row") % 3 == 0).then(pl.lit("en")).otherwise(pl.lit("nolang")),
    )
    size = -(-ROWS // chunks)
    return pl.concat([rows.slice(start, size) for start in range(0, ROWS, size)], rechunk=False)


def test_the_same_rows_are_the_same_bytes(local_lake: Lake) -> None:
    digests = set()
    for chunks in (1, 3, 17):
        uri = local_lake.uri(["a"], f"{chunks}.parquet")
        local_lake.write_parquet(uri, frame(chunks))
        digests.add(hashlib.sha256(local_lake.read_bytes(uri)).hexdigest())
    assert len(digests) == 1


def test_the_number_of_threads_changes_no_byte(local_lake: Lake) -> None:
    program = """
import sys
from laion_assets.lake.lake import Lake
from laion_assets_tests.lake.test_determinism import frame
lake = Lake(sys.argv[1])
lake.write_parquet(lake.uri(["a"], sys.argv[2]), frame(5))
"""
    for threads in ("1", "3"):
        command = [sys.executable, "-c", program, local_lake.base_uri, f"{threads}.parquet"]
        subprocess.run(command, check=True, env={**os.environ, "POLARS_MAX_THREADS": threads})
    contents = {local_lake.read_bytes(local_lake.uri(["a"], f"{threads}.parquet")) for threads in ("1", "3")}
    assert len(contents) == 1


def test_it_is_a_modest_file_with_statistics(local_lake: Lake) -> None:
    import pyarrow.parquet as pq

    uri = local_lake.uri(["a"], "x.parquet")
    local_lake.write_parquet(uri, frame())
    metadata = pq.read_metadata(uri)
    assert metadata.num_row_groups == 3
    column = metadata.row_group(0).column(0)
    assert column.compression == "LZ4"
    statistics = column.statistics
    assert statistics is not None
    assert (statistics.min, statistics.max) == (0, 249_999)
