"""The selected rows of a subset in the lake, a file per part, and beside each where its rows are from.

Reads and writes; which rows are selected is decided in ``selection``, what becomes of them in ``plan``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from laion_assets.lake.lake import Lake
from laion_assets.subsets.cut import StalePlanError
from laion_assets.subsets.selection import Funnel, FunnelStep, Selection, selected_by
from laion_assets.subsets.spec import SubsetSpec

_MOST_NAMED = 10


@dataclass(frozen=True)
class WrittenRows:
    """The file that holds the selected rows of a part."""

    size_bytes: int
    sha256: str


def write_rows(lake: Lake, dataset: str, subset: str, part: str, selection: Selection) -> WrittenRows:
    """Store the selected rows of a part, and beside them their funnel and what they were selected by."""
    key = [dataset, subset, "rows"]
    uri = lake.uri(key, f"{part}.parquet")
    size = lake.write_parquet(uri, selection.rows)
    written = WrittenRows(size, hashlib.sha256(lake.read_bytes(uri)).hexdigest())
    origin = {"selected_by": selection.selected_by, "rows_sha256": written.sha256}
    lake.write_json(lake.uri(key, f"{part}.funnel.json"), {**funnel_to_json(selection.funnel), **origin})
    return written


def refuse_outdated_rows(lake: Lake, dataset: str, subset: SubsetSpec, parts: Sequence[str]) -> None:
    """Whether the rows of these parts are those that the subset's conditions, and its list of URLs, select today.

    Raises:
        StalePlanError: Those of some parts are not.
        UrlListError: The list of URLs to leave out cannot be read.
    """
    today = selected_by(subset)
    outdated = [part for part in parts if _told(lake, dataset, subset.name, part).get("selected_by") != today]
    if outdated:
        raise StalePlanError(
            f"{dataset}/{subset.name}: the rows of {few(outdated)} were selected by other conditions, or another list "
            "of URLs, than today's. Materialise rows for these parts, then the plan."
        )


def few(parts: Sequence[str]) -> str:
    """Names of parts in a sentence, which a thousand of them do not make longer."""
    more = f" and {len(parts) - _MOST_NAMED} more parts" if len(parts) > _MOST_NAMED else ""
    return ", ".join(parts[:_MOST_NAMED]) + more


def rows_sha256(lake: Lake, dataset: str, subset: str, part: str) -> str | None:
    """The digest of the rows' file; None of one that does not say where it is from."""
    digest: str | None = _told(lake, dataset, subset, part).get("rows_sha256")
    return digest


def read_funnel(lake: Lake, dataset: str, subset: str, part: str) -> Funnel:
    """The funnel of a part."""
    stored = _told(lake, dataset, subset, part)
    return Funnel(stored["rows_in"], tuple(FunnelStep(**step) for step in stored["steps"]))


def funnel_to_json(funnel: Funnel) -> dict[str, object]:
    """A funnel as it is stored."""
    return {"rows_in": funnel.rows_in, "steps": [vars(step) for step in funnel.steps]}


def selected_parts(lake: Lake, dataset: str, subset: str) -> list[str]:
    """Parts whose rows were selected, in order."""
    return [name.removesuffix(".parquet") for name in lake.list_names([dataset, subset, "rows"], ".parquet")]


def _told(lake: Lake, dataset: str, subset: str, part: str) -> dict[str, Any]:
    """What is stored beside the rows of a part: their funnel, and where they are from."""
    stored: dict[str, Any] = lake.read_json(lake.uri([dataset, subset, "rows"], f"{part}.funnel.json"))
    return stored
