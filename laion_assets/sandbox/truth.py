"""What a correct client must find out about every row: the sandbox's own answer key.

One row per (part, row). Tests, benchmarks and the demo compare the platform's figures with this table.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from laion_assets.sandbox.defects import DEFECTS
from laion_assets.sandbox.faults import FAULTS, NO_FAULT
from laion_assets.sandbox.hosts import make_hosts
from laion_assets.sandbox.pages import IMAGE_KINDS, NO_IMAGE, Pages, image_format
from laion_assets.sandbox.rows import Part
from laion_assets.sandbox.spec import SandboxSpec
from laion_assets.web.outcome import Outcome

TRUTH_SCHEMA: dict[str, pl.DataType] = {
    "part": pl.String(),
    "row": pl.UInt32(),
    "url": pl.String(),
    "host": pl.String(),
    "page": pl.UInt32(),
    "row_defect": pl.String(),
    "fault": pl.String(),
    "expected_outcome": pl.String(),
    "expected_download_outcome": pl.String(),
    "declared_width": pl.Int32(),
    "declared_height": pl.Int32(),
    "true_width": pl.Int32(),
    "true_height": pl.Int32(),
    "format": pl.String(),
    "file_bytes": pl.Int64(),
    "kind_of_anomaly": pl.String(),
}
"""``row_defect`` and ``kind_of_anomaly`` are null where there is none, ``fault`` is ``none``; ``true_*``, ``format``
and ``file_bytes`` are null where no image can be had. ``file_bytes`` is what the server announces, lies included.
Several rows can share a ``page``. Outcomes are words of ``laion_assets.web.outcome``, null where the row's URL is
missing or no URL of the web."""


def part_key(part: int) -> str:
    """The key of a part, ``part-00000``."""
    return f"part-{part:05d}"


def part_truth(
    spec: SandboxSpec, pages: Pages, file_bytes: npt.NDArray[np.int64], number: int, part: Part
) -> pl.DataFrame:
    """The truth about one part's rows."""
    page = part.page
    fault = pages.fault[page]
    kind = pages.kind[page]
    reachable = kind != NO_IMAGE
    hosts = pl.Series([host.label for host in make_hosts(spec.hosts, named_share=spec.named_host_share)])
    frame = pl.DataFrame(
        {
            "part": np.full(len(page), part_key(number)),
            "row": np.arange(len(page), dtype=np.uint32),
            "url": part.table["URL"],
            "host": hosts.gather(pages.host[page]),
            "page": page.astype(np.uint32),
            "row_defect": _named([each.name for each in DEFECTS], part.defect),
            "fault": _named([each.name for each in FAULTS], fault).fill_null(NO_FAULT),
            "expected_outcome": _named([each.probe.value for each in FAULTS], fault).fill_null(Outcome.OK.value),
            "expected_download_outcome": _named([each.expected_download.value for each in FAULTS], fault).fill_null(
                Outcome.OK.value
            ),
            "declared_width": part.table["WIDTH"],
            "declared_height": part.table["HEIGHT"],
            "true_width": pages.true_width[page],
            "true_height": pages.true_height[page],
            "format": pl.Series([image_format(number) for number in range(len(IMAGE_KINDS))]).gather(
                np.where(reachable, kind, 0)
            ),
            "file_bytes": file_bytes[page],
            "_reachable": reachable,
        }
    )
    frame = frame.with_columns(
        pl.when("_reachable").then(pl.col(name)).alias(name)
        for name in ("true_width", "true_height", "format", "file_bytes")
    )
    unusable = pl.col("row_defect").is_in(["url_missing", "url_ftp", "shifted_columns"])
    too_small = pl.min_horizontal("true_width", "true_height") < spec.minimum_side_px
    ok = pl.lit(Outcome.OK.value)
    frame = frame.with_columns(
        pl.when((pl.col("expected_download_outcome") == ok) & too_small)
        .then(pl.lit(Outcome.TOO_SMALL.value))
        .otherwise("expected_download_outcome")
        .alias("expected_download_outcome")
    ).with_columns(
        pl.when(~unusable.fill_null(value=False)).then(pl.col(name)).alias(name)
        for name in ("expected_outcome", "expected_download_outcome")
    )
    return frame.with_columns(_anomaly(spec.minimum_side_px).alias("kind_of_anomaly")).select(
        pl.col(name).cast(dtype) for name, dtype in TRUTH_SCHEMA.items()
    )


def _named(names: list[str], numbers: np.ndarray[tuple[int], np.dtype[np.int16]]) -> pl.Series:
    """The names behind numbers; null for -1."""
    return pl.Series([*names, None], dtype=pl.String).gather(np.where(numbers < 0, len(names), numbers))


def _anomaly(minimum: int) -> pl.Expr:
    """The kind of below-minimum anomaly a row shows, the first that holds of: declared, true, swapped, straddling."""
    width, height = pl.col("declared_width"), pl.col("declared_height")
    short, long = pl.min_horizontal(width, height), pl.max_horizontal(width, height)
    seen = pl.col("expected_outcome") == Outcome.OK.value
    true_short = pl.min_horizontal("true_width", "true_height")
    swapped = (pl.col("true_width") == height) & (pl.col("true_height") == width) & (width != height)
    # The historical buckets lost images with one side on each side of 2048; from 4096 on either side was enough.
    straddles = (short >= minimum) & (short < 2 * minimum) & (long >= 2 * minimum) & (long < 4 * minimum)
    declared_is_broken = pl.col("row_defect").is_in(["size_zero", "size_absurd", "size_missing", "shifted_columns"])
    return (
        pl.when(declared_is_broken.fill_null(value=False))
        .then(None)
        .when(short < minimum)
        .then(pl.lit("declared_below_minimum"))
        .when(seen & (true_short < minimum))
        .then(pl.lit("true_below_minimum"))
        .when(seen & swapped)
        .then(pl.lit("declared_swapped"))
        .when(straddles)
        .then(pl.lit("straddles_buckets"))
    )
