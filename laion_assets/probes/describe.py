"""How samples and probes look in a table: records for people, with untrusted text made harmless.

Knows nothing of Dagster; ``assets`` turns records into what the UI shows.
"""

from collections.abc import Iterable

import polars as pl

from laion_assets.metadata.schema import CANONICAL_COLUMNS
from laion_assets.probes.anomaly import AnomalyKind, KindShare
from laion_assets.probes.contract import ContractLine
from laion_assets.probes.health import Health
from laion_assets.probes.sample import PartCoverage
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.web.outcome import Outcome

Record = dict[str, str | int | float | bool]

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}

COLUMN_MEANINGS = {
    **{column.name: column.meaning for column in CANONICAL_COLUMNS},
    "part": "partition key of the part the row is from",
    "row": "0-based position in the published file",
    "flags": "names of the rules that find the row suspicious",
    "weight": "rows of the dataset this row stands for",
    "outcome": "how the probe ended, in one word",
    "error": "the raw error",
    "http_status": "status of the last answer",
    "true_width": "stored width in px, before any EXIF rotation",
    "true_height": "stored height in px, before any EXIF rotation",
    "format": "what the bytes are, whatever the URL or the server say",
    "exif_orientation": "1 to 8, where the bytes read say so",
    "file_bytes": "size of the whole file, where the server tells it",
    "bytes_read": "body bytes taken from the network for it",
    "requests": "HTTP requests sent for it",
    "seconds": "time spent on it",
    "final_host": "host that answered last",
    "opted_out": "the publisher asked not to be used for this",
    "probed_at": "when the answer came",
}


def harmless(text: str | None, *, length: int = 200) -> str:
    """Text from the open web on one short line, with everything unprintable escaped."""
    if text is None:
        return ""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:length])
    return shown + ("…" if len(text) > length else "")


def coverage_records(coverage: Iterable[PartCoverage]) -> list[Record]:
    """Rows and sampled rows of every part."""
    return [{"part": part.part, "rows": part.rows, "sampled": part.sampled} for part in coverage]


def outcome_records(probes: pl.DataFrame) -> list[Record]:
    """Every outcome that occurred, commonest first; shares are of the dataset, each row with its ``weight``."""
    counts = probes.group_by("outcome").agg(rows=pl.len(), weight=pl.col("weight").sum())
    total = probes["weight"].sum()
    return [
        {
            "outcome": word,
            "rows": rows,
            "share": round(weight / total, 5),
            "whose_fault": _OUTCOMES[word].fault.value,
            "meaning": _OUTCOMES[word].meaning,
        }
        for word, rows, weight in counts.sort("weight", "outcome", descending=[True, False]).iter_rows()
    ]


def health_records(health: Health) -> list[Record]:
    """Every sign of sick probing that was looked for."""
    return [
        {
            "sign": diagnosis.sickness.name,
            "hosts_struck": diagnosis.hosts,
            "hosts_judged": diagnosis.out_of,
            "share": round(diagnosis.share.estimate, 4) if diagnosis.out_of else 0.0,
            "link_rot_explains_up_to": diagnosis.sickness.limit,
            "sick": diagnosis.is_sick,
        }
        for diagnosis in health.diagnoses
    ]


def kind_records(table: Iterable[KindShare]) -> list[Record]:
    """The four kinds of "below the minimum", with their shares."""
    return [
        {
            "kind": row.kind.value,
            "rows": row.rows,
            "out_of": row.out_of,
            "share": str(row.share) if row.out_of else "not known: nothing measured",
            "what_it_is": row.kind.meaning,
            "what_to_do": row.kind.remedy,
        }
        for row in table
    ]


def example_records(classified: pl.DataFrame, *, per_kind: int = 5) -> list[Record]:
    """A few rows of each kind."""
    return [
        {
            "kind": kind.value,
            "part": row["part"],
            "row": row["row"],
            "declared": f"{row['declared_width']} x {row['declared_height']}",
            "true": f"{row['true_width']} x {row['true_height']}" if row["true_width"] is not None else "",
            "url": harmless(row["url"]),
        }
        for kind in AnomalyKind
        for row in classified.filter(pl.col(kind.value)).head(per_kind).iter_rows(named=True)
    ]


def contract_records(lines: Iterable[ContractLine]) -> list[Record]:
    """Every expectation, and how many rows did not meet it."""
    return [
        {"expectation": line.expectation, "rows": line.rows, "unexpected": line.unexpected, "met": line.is_met}
        for line in lines
    ]


def breach_records(probes: pl.DataFrame, lines: Iterable[ContractLine]) -> list[Record]:
    """A few rows that did not meet an expectation, whole, beside the expectation that they broke."""
    shown = probes.select("part", "row", "url", *PROBE_SCHEMA)
    return [
        {
            "expectation": line.expectation,
            **{name: "null" if value is None else harmless(str(value)) for name, value in row.items()},
        }
        for line in lines
        for row in shown[list(line.examples)].iter_rows(named=True)
    ]
