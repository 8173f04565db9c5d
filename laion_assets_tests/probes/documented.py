"""The tables of docs/probing.md as the code has them.

``python -m laion_assets_tests.probes.documented`` writes them."""

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from laion_assets.probes.anomaly import AnomalyKind
from laion_assets.probes.health import SICKNESSES
from laion_assets.probes.spec import ProbeSpec, SampleSpec
from laion_assets.sandbox.faults import FAULTS
from laion_assets.web.outcome import Outcome
from laion_assets.web.spec import WebSpec

PAGE = Path(__file__).parents[2] / "docs" / "probing.md"
# A marker, and the rows of the table above it.
_TABLE = re.compile(r"(?P<head>(?:^\|[^\n]*\n){2})(?P<rows>(?:^\|[^\n]*\n)*)<!-- (?P<name>\w+) -->\n", re.MULTILINE)


def rows(name: str) -> str:
    """The rows of one table."""
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in _ROWS[name])


def with_tables(page: str) -> str:
    """The page with every marked table as the code has it."""
    return _TABLE.sub(lambda found: f"{found['head']}{rows(found['name'])}<!-- {found['name']} -->\n", page)


def marked(page: str) -> set[str]:
    """Names of the tables a page has."""
    return {found["name"] for found in _TABLE.finditer(page)}


def _fields(model: type[BaseModel]) -> Iterable[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "none" if default in (None, (), {}) else ", ".join(default) if isinstance(default, tuple) else default
        yield (
            f"`{name}`",
            f"{shown:,}" if isinstance(shown, int) and not isinstance(shown, bool) else str(shown),
            (field.description or ""),
        )


_ROWS: dict[str, list[tuple[str, ...]]] = {
    "sample": list(_fields(SampleSpec)),
    "probe": list(_fields(ProbeSpec)),
    "web": list(_fields(WebSpec)),
    "outcomes": [
        (f"`{outcome.value}`", outcome.meaning, outcome.fault.value, "yes" if outcome.retryable else "no")
        for outcome in Outcome
    ],
    "sicknesses": [
        (
            sickness.name,
            ", ".join(f"`{word}`" for word in sorted(outcome.value for outcome in sickness.outcomes)),
            f"{sickness.limit:.0%} of hosts" + (" that answer" if sickness.only_answering else ""),
            sickness.next_step,
        )
        for sickness in SICKNESSES
    ],
    "kinds": [(f"`{kind.value}`", kind.meaning, kind.remedy) for kind in AnomalyKind],
    "faults": [
        (
            fault.name,
            fault.meaning,
            f"`{fault.probe.value}`",
            "" if fault.expected_download is fault.probe else f"`{fault.expected_download.value}`",
        )
        for fault in FAULTS
    ],
}
TABLES = frozenset(_ROWS)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
