"""The files a report consists of, as bytes."""

import base64
from dataclasses import dataclass

from laion_assets.statistics.document import Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.figure import PANELS, analysis_png, panel_png, preview_png
from laion_assets.statistics.pictured import pictured
from laion_assets.statistics.report import html_report, markdown_report
from laion_assets.statistics.sample_csv import sample_csv
from laion_assets.statistics.theme import DARK, LIGHT


@dataclass(frozen=True)
class ReportFiles:
    """What is written, and a small picture to show elsewhere.

    Attributes:
        content: Bytes per file name; ``report.html`` last, so that it vouches for the others.
        preview: The picture as a data URI below 200 KB.
    """

    content: dict[str, bytes]
    preview: str


def make_files(evidence: Evidence, found: Statistics) -> ReportFiles:
    """All files of a report; the same bytes for the same evidence."""
    data = pictured(evidence, found)
    picture = analysis_png(data)
    panels = {name: panel_png(name, data, LIGHT, DARK) for name in PANELS if name != "yields"}
    return ReportFiles(
        content={
            f"{found.dataset}_sample_analysis.csv": sample_csv(evidence),
            f"{found.dataset}_analysis.png": picture,
            "statistics.json": json_of(found),
            "report.md": markdown_report(found).encode(),
            "report.html": html_report(found, panels).encode(),
        },
        preview="data:image/png;base64," + base64.b64encode(preview_png(picture)).decode(),
    )


def json_of(found: Statistics) -> bytes:
    """The document as ``statistics.json`` holds it."""
    return (found.model_dump_json(indent=2) + "\n").encode()
