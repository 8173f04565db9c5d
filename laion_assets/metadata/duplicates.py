"""URLs, and pairs of URL and caption, that occur in several parts.

Hash-partitioned, because the strings of 170 M rows do not fit into memory: a first pass spreads 128-bit hashes of every
row over bucket files by URL, a second looks at one bucket at a time, where all rows of one URL are together. Then the
URLs of the listed rows are read again, part by part. Memory depends on the bucket size alone; scratch space is 32
bytes a row. At 128 bits, two different URLs share a hash in one of 10^22 passes over 170 M rows.
"""

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from laion_assets.metadata.part_files import PartFile

DUPLICATES_SCHEMA: dict[str, pl.DataType] = {
    "part": pl.String(),
    "row": pl.UInt32(),
    "url": pl.String(),
    "first_part": pl.String(),
    "first_row": pl.UInt32(),
    "url_parts": pl.UInt32(),
    "url_rows": pl.UInt32(),
    "pair_first_part": pl.String(),
    "pair_first_row": pl.UInt32(),
    "pair_parts": pl.UInt32(),
}
"""One line per valid row whose URL occurs in several parts, by part and row.

* ``first_part``, ``first_row``: the first row with this URL; equal to ``part``, ``row`` in the one to keep.
* ``url_parts``, ``url_rows``: in how many parts and rows the URL occurs.
* ``pair_first_part``, ``pair_first_row``: the first row with this URL and caption.
* ``pair_parts``: in how many parts the pair occurs; 1 when only the URL is repeated elsewhere.
"""

# 16 M rows sort and group in 2.5 GB.
ROWS_PER_BUCKET = 16_000_000


@dataclass(frozen=True)
class DuplicateCounts:
    """What was found, over all parts.

    Attributes:
        parts: Parts looked at.
        rows: Valid rows in them.
        urls: URLs that occur in several parts.
        url_rows: Rows with such a URL.
        pairs: (URL, caption) pairs that occur in several parts.
        pair_rows: Rows with such a pair.
    """

    parts: int
    rows: int
    urls: int = 0
    url_rows: int = 0
    pairs: int = 0
    pair_rows: int = 0

    @property
    def extra_url_rows(self) -> int:
        """Rows to drop so that each URL that several parts have is left once."""
        return self.url_rows - self.urls

    @property
    def extra_pair_rows(self) -> int:
        """Rows to drop so that each pair that several parts have is left once."""
        return self.pair_rows - self.pairs


def find_duplicates(
    parts: Mapping[str, Callable[[], pl.LazyFrame]],
    target: Path,
    *,
    rows_per_bucket: int = ROWS_PER_BUCKET,
    on_part: Callable[[str], None] = lambda _part: None,
) -> DuplicateCounts:
    """List the rows whose URL occurs in several parts.

    Args:
        parts: Per partition key, something that opens its valid rows (``row``, ``url``, ``caption``).
        target: Parquet file to write, ``DUPLICATES_SCHEMA``. Bucket files lie in the same folder until the end.
        rows_per_bucket: How many rows to look at at a time.
        on_part: Called with the key of each part once its rows are hashed.
    """
    keys = sorted(parts)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".duplicates-") as scratch:
        folder = Path(scratch)
        rows = sum(_rows(parts[key]()) for key in keys)
        buckets = max(1, math.ceil(rows / rows_per_bucket))
        for number, key in enumerate(keys):
            _spread(parts[key](), number, folder, buckets)
            on_part(key)
        for bucket in range(buckets):
            _group_bucket(folder, bucket)
        counts = DuplicateCounts(len(keys), rows)
        with PartFile(target) as listed:
            listed.append(pl.DataFrame(schema=DUPLICATES_SCHEMA))
            for number, key in enumerate(keys):
                lines = _lines_of_part(folder, number, keys, parts[key])
                if lines is not None:
                    listed.append(lines)
                    counts = _plus(counts, lines)
    return counts


def _rows(valid: pl.LazyFrame) -> int:
    return int(valid.select(pl.len()).collect().item())


def _spread(valid: pl.LazyFrame, number: int, folder: Path, buckets: int) -> None:
    """Write the hashes of one part's rows to one file per bucket."""
    hashes = valid.select(
        url_a=pl.col("url").hash(1),
        url_b=pl.col("url").hash(2),
        pair=pl.struct("url", "caption").hash(3),
        part=pl.lit(number, pl.UInt32),
        row=pl.col("row"),
    ).collect()
    by_bucket = hashes.with_columns(bucket=pl.col("url_a") % buckets).partition_by(
        "bucket", include_key=False, as_dict=True
    )
    for (bucket,), frame in by_bucket.items():
        frame.write_ipc(folder / f"hashed-{bucket}-{number}.arrow")


def _group_bucket(folder: Path, bucket: int) -> None:
    """Find the URLs of one bucket that several parts have, and write their rows to one file per part."""
    files = sorted(folder.glob(f"hashed-{bucket}-*.arrow"))
    if not files:
        return
    # Few URLs repeat: the ones that do are found on one sorted column before anything is grouped.
    hashes = pl.concat([pl.scan_ipc(file).select("url_a") for file in files]).collect().to_series().sort()
    twice = hashes.filter(hashes == hashes.shift(1)).unique()
    del hashes
    candidates = pl.concat([pl.read_ipc(file).filter(pl.col("url_a").is_in(twice.implode())) for file in files])
    for file in files:
        file.unlink()
    url, pair = ("url_a", "url_b"), ("url_a", "url_b", "pair")
    listed = (
        candidates.sort("part", "row")
        .with_columns(url_parts=pl.col("part").n_unique().over(url).cast(pl.UInt32))
        .filter(pl.col("url_parts") > 1)
        .select(
            "part",
            "row",
            pl.col("part").first().over(url).alias("first_part"),
            pl.col("row").first().over(url).alias("first_row"),
            "url_parts",
            pl.len().over(url).cast(pl.UInt32).alias("url_rows"),
            pl.col("part").first().over(pair).alias("pair_first_part"),
            pl.col("row").first().over(pair).alias("pair_first_row"),
            pl.col("part").n_unique().over(pair).cast(pl.UInt32).alias("pair_parts"),
        )
    )
    for (number,), frame in listed.partition_by("part", as_dict=True).items():
        frame.write_ipc(folder / f"listed-{number}-{bucket}.arrow")


def _lines_of_part(
    folder: Path, number: int, keys: list[str], open_part: Callable[[], pl.LazyFrame]
) -> pl.DataFrame | None:
    """The listed rows of one part in order, with their URLs and with parts by name."""
    files = sorted(folder.glob(f"listed-{number}-*.arrow"))
    if not files:
        return None
    lines = pl.concat([pl.read_ipc(file) for file in files]).sort("row")
    urls = open_part().select("row", "url").filter(pl.col("row").is_in(lines.get_column("row").implode())).collect()
    names = pl.Series("names", keys, dtype=pl.String)
    return (
        lines.join(urls, on="row", how="left", maintain_order="left", validate="1:1")
        .with_columns(
            pl.lit(names.gather(lines.get_column(column).cast(pl.UInt32))).alias(column)
            for column in ("part", "first_part", "pair_first_part")
        )
        .select(pl.col(name).cast(dtype) for name, dtype in DUPLICATES_SCHEMA.items())
    )


def _plus(counts: DuplicateCounts, lines: pl.DataFrame) -> DuplicateCounts:
    in_parts = pl.col("pair_parts") > 1
    first = (pl.col("part") == pl.col("first_part")) & (pl.col("row") == pl.col("first_row"))
    pair_first = (pl.col("part") == pl.col("pair_first_part")) & (pl.col("row") == pl.col("pair_first_row"))
    urls, pairs, pair_rows = lines.select(
        first.sum().alias("urls"), (pair_first & in_parts).sum().alias("pairs"), in_parts.sum().alias("pair_rows")
    ).row(0)
    return replace(
        counts,
        urls=counts.urls + urls,
        url_rows=counts.url_rows + lines.height,
        pairs=counts.pairs + pairs,
        pair_rows=counts.pair_rows + pair_rows,
    )
