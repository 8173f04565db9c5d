"""Rows that are broken as published: what is broken, how often, and how to break a good row that way.

These are faults of the metadata, known to ``truth()`` as ``row_defect``. Faults of the web are in ``faults``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl


@dataclass(frozen=True)
class Defect:
    """One way a published row is broken, its share of rows (one of each at least), and what it looks like."""

    name: str
    share: float
    meaning: str


DEFECTS: tuple[Defect, ...] = (
    Defect("shifted_columns", 4e-5, "a '|' in the caption shifted the columns: URL 'UNLIKELY', HEIGHT null"),
    Defect("size_zero", 2e-5, "WIDTH and HEIGHT 0"),
    Defect("size_absurd", 1e-5, "WIDTH 50,220"),
    Defect("similarity_absurd", 1e-5, "similarity 6016"),
    Defect("caption_huge", 1e-7, "a caption of a million characters"),
    Defect("url_huge", 1e-6, "a URL of 13,000 characters"),
    Defect("url_missing", 1e-5, "URL null"),
    Defect("url_ftp", 1e-5, "an ftp:// URL"),
    Defect("size_missing", 1e-5, "WIDTH and HEIGHT null"),
)

HUGE_CAPTION_CHARS = 1_000_000
HUGE_URL_CHARS = 13_000
ABSURD_SIDE = 50_220
ABSURD_SIMILARITY = 6016.0


def plant(frame: pl.DataFrame, defect: npt.NDArray[np.int16]) -> pl.DataFrame:
    """The same rows, each broken as ``defect`` (an index of DEFECTS, or -1) says."""
    at = np.flatnonzero(defect >= 0)
    if not len(at):
        return frame
    broken = [
        row | _changes(DEFECTS[number].name, row)
        for number, row in zip(defect[at], frame[at].iter_rows(named=True), strict=True)
    ]
    columns = pl.DataFrame(broken, schema=frame.schema)
    return frame.with_columns([frame[name].scatter(at, columns[name]) for name in frame.columns])


def _changes(name: str, row: dict[str, Any]) -> dict[str, Any]:
    url, caption = row["URL"], row["TEXT"] or ""
    changes: dict[str, dict[str, Any]] = {
        "shifted_columns": {
            "URL": "UNLIKELY",
            "TEXT": f"{url} | {caption}",
            "HEIGHT": None,
            "similarity": None,
            "LANGUAGE": "1104",
        },
        "size_zero": {"WIDTH": 0, "HEIGHT": 0},
        "size_absurd": {"WIDTH": ABSURD_SIDE},
        "size_missing": {"WIDTH": None, "HEIGHT": None},
        "similarity_absurd": {"similarity": ABSURD_SIMILARITY},
        "caption_huge": {"TEXT": (caption + " lorem ipsum" * (HUGE_CAPTION_CHARS // 12 + 1))[:HUGE_CAPTION_CHARS]},
        "url_huge": {"URL": f"{url}?q={'x' * HUGE_URL_CHARS}"[:HUGE_URL_CHARS]},
        "url_missing": {"URL": None},
        "url_ftp": {"URL": url.replace("https://", "ftp://").replace("http://", "ftp://")},
    }
    return changes[name]
