"""The metadata rows: what the publisher says about each page, defects included, beside the truth about it.

A row usually is the only one of its page; some repeat the page of another row, a few the caption too. The columns
are those published with LAION-High-Resolution.
"""

from dataclasses import dataclass

import mmh3
import numpy as np
import numpy.typing as npt
import polars as pl

from laion_assets.sandbox.captions import LANGUAGES, make_captions, make_languages
from laion_assets.sandbox.defects import DEFECTS, plant
from laion_assets.sandbox.draws import Draws
from laion_assets.sandbox.pages import Pages
from laion_assets.sandbox.spec import Ports, SandboxSpec
from laion_assets.sandbox.urls import page_urls

PUBLISHED_SCHEMA: dict[str, pl.DataType] = {
    "URL": pl.String(),
    "TEXT": pl.String(),
    "WIDTH": pl.Int32(),
    "HEIGHT": pl.Int32(),
    "similarity": pl.Float64(),
    "LANGUAGE": pl.String(),
    "hash": pl.Int64(),
    "pwatermark": pl.Float32(),
    "punsafe": pl.Float32(),
}

REPEATED_URL_SHARE = 0.012
REPEATED_ROW_SHARE = 0.002
"""Rows that repeat another row's URL, and among them those that repeat its caption too."""


@dataclass(frozen=True)
class Part:
    """One part: its published table, the page of each row, and the defect of each row (-1: none)."""

    table: pl.DataFrame
    page: npt.NDArray[np.int64]
    defect: npt.NDArray[np.int16]


def make_part(spec: SandboxSpec, pages: Pages, ports: Ports, part: int, defects: npt.NDArray[np.int16]) -> Part:
    """The rows of one part. ``defects`` is ``make_defects`` of the whole sandbox."""
    draws = Draws(spec.seed)
    rows = np.arange(part * spec.rows_per_part, (part + 1) * spec.rows_per_part)
    ids = rows.astype(np.uint64)
    repeats = draws.choice(
        "repeat", ids, [1 - REPEATED_URL_SHARE, REPEATED_URL_SHARE - REPEATED_ROW_SHARE, REPEATED_ROW_SHARE]
    )
    other = draws.below("repeated", ids, spec.rows)
    page = np.where(repeats > 0, other, rows)
    caption_ids = np.where(repeats == 2, other, rows).astype(np.uint64)

    urls = page_urls(spec, pages, ports, page)
    captions = make_captions(spec.seed, caption_ids)
    language = make_languages(spec.seed, caption_ids)
    english = language == 0
    similarity = np.where(english, 0.28, 0.26) + 0.022 * draws.exponential("similarity", caption_ids)
    unscored = draws.uniform("unscored", caption_ids) < 0.009
    frame = pl.DataFrame(
        {
            "URL": urls,
            "TEXT": captions,
            "WIDTH": pages.declared_width[page],
            "HEIGHT": pages.declared_height[page],
            "similarity": np.minimum(similarity, 0.6),
            "LANGUAGE": pl.Series([each.code for each in LANGUAGES]).gather(language),
            "hash": pl.Series(
                [mmh3.hash64((url or "") + (text or ""))[0] for url, text in zip(urls, captions, strict=True)],
                dtype=pl.Int64,
            ),
            "pwatermark": draws.uniform("pwatermark", caption_ids) ** 3,
            "punsafe": draws.uniform("punsafe", caption_ids) ** 20,
        }
    )
    scored = pl.Series(~unscored)
    # Both scores come from one model run, so they are missing together.
    frame = frame.with_columns(
        pl.when(scored).then(pl.col("pwatermark")).alias("pwatermark"),
        pl.when(scored).then(pl.col("punsafe")).alias("punsafe"),
    ).cast(PUBLISHED_SCHEMA)  # type: ignore[arg-type]
    defect = defects[rows]
    return Part(plant(frame, defect), page, defect)


def make_defects(spec: SandboxSpec) -> npt.NDArray[np.int16]:
    """The defect of every row of a sandbox: an index of DEFECTS, or -1."""
    if not spec.faults:
        return np.full(spec.rows, -1, dtype=np.int16)
    return Draws(spec.seed).quotas("defect", spec.rows, [each.share for each in DEFECTS])
