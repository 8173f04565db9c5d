"""The report as HTML and Markdown, rendered from the document alone.

Every number on the page is looked up by its path in ``statistics.json``; in the HTML it is a ``<data>`` element that
carries the path and the exact value. Text that comes from strangers (hosts, captions, languages) is escaped for the
page it stands on and stripped of invisible characters.
"""

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from laion_assets.statistics.anomaly import displayable
from laion_assets.statistics.display import NBSP, UNKNOWN, number_of, resolve, shown
from laion_assets.statistics.document import Statistics
from laion_assets.statistics.measure import plain
from laion_assets.statistics.sample_csv import COLUMNS
from laion_assets.statistics.statements import pieces

_TEMPLATES = Path(__file__).parent


def html_report(found: Statistics, pictures: Mapping[str, tuple[bytes, bytes]]) -> str:
    """A page that needs nothing but itself.

    Args:
        found: The document.
        pictures: Per panel, PNG bytes for light and for dark paper.
    """
    document = plain(found)
    page = _Html(document)
    return (
        _environment(autoescape=True)
        .get_template("report.html.jinja")
        .render(
            **_shared(document),
            num=page.num,
            ci=page.ci,
            bounds=page.bounds,
            count_of=page.count_of,
            say=page.say,
            text=lambda value, length=80: displayable(str(value), length),
            css=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 (our own file)
            pictures={
                name: tuple("data:image/png;base64," + base64.b64encode(png).decode() for png in pair)
                for name, pair in pictures.items()
            },
        )
    )


def markdown_report(found: Statistics) -> str:
    """The same as Markdown, with the figure beside it."""
    document = plain(found)
    page = _Markdown(document)
    made = (
        _environment(autoescape=False)
        .get_template("report.md.jinja")
        .render(
            **_shared(document),
            num=page.num,
            ci=page.ci,
            bounds=page.bounds,
            say=page.say,
            text=lambda value, length=80: markdown_text(displayable(str(value), length)),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", made).strip() + "\n"


def markdown_text(text: str) -> str:
    """A stranger's text in Markdown: every character that could mean something there is escaped."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+\-!|~$^=])", r"\\\1", text)
    entities = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Bare addresses would become links on many renderers: a zero-width space inside prevents it.
    return re.sub(r"(?i)\b(https?|ftp|www)(?=[:.])|@", r"\g<0>&#8203;", entities)


def _shared(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "d": document,
        "columns": COLUMNS,
        "views": (
            ("declared_all", "declared, all rows"),
            ("declared_sample", "declared, sample"),
            ("true_sample", "true, reachable"),
        ),
        "percentiles": ("p25", "p50", "p75", "p90", "p95", "p99"),
        "size_titles": {
            "width": "Width",
            "height": "Height",
            "short_side": "Short side",
            "megapixels": "Megapixels",
        },
        "used_methods": sorted(_methods(document)),
    }


def _methods(value: Any) -> set[str]:  # noqa: ANN401 (walks whatever the document holds)
    if isinstance(value, Mapping):
        own = {value["method"]} if isinstance(value.get("method"), str) else set()
        return own.union(*(_methods(entry) for entry in value.values()))
    if isinstance(value, list):
        return set().union(*(_methods(entry) for entry in value))
    return set()


@lru_cache(maxsize=2)
def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        # Markdown has an escape of its own, applied to every stranger's text.
        autoescape=autoescape,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Html:
    """Numbers and sentences as HTML."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def num(self, path: str, form: str) -> Markup:
        """One number."""
        value = number_of(resolve(self.document, path))
        if value is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        return Markup('<data value="{}" data-of="{}" data-as="{}">{}</data>').format(
            repr(value), path, form, shown(value, form)
        )

    def ci(self, path: str, form: str) -> Markup:
        """A number with its interval beneath; exact numbers stand alone."""
        found = resolve(self.document, path)
        if found is None or found["estimate"] is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        if found["method"] in ("exact", "census"):
            return self.num(path, form)
        low, high = self._end(f"{path}/low", form), self._end(f"{path}/high", form)
        return Markup('{}<span class="ci">{} \u2013 {}</span>').format(self.num(path, form), low, high)

    def count_of(self, path: str) -> Markup:
        """The rows behind a share that may not be known."""
        if resolve(self.document, path) is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        return self.num(f"{path}/count", "full_count")

    def bounds(self, path: str) -> Markup:
        """From the lowest to the highest it can be, and beneath the 95 % limits of both."""
        if resolve(self.document, path) is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        ends = [self.num(f"{path}/{end}", "percent") for end in ("lowest", "highest")]
        limits = [self._end(f"{path}/{end}", "percent") for end in ("low", "high")]
        whole = Markup('<span class="together">{} \u2013 {}</span><span class="ci">{} \u2013 {}</span>')
        return whole.format(*ends, *limits)

    def say(self, statement: Mapping[str, Any]) -> Markup:
        """A sentence with its numbers."""
        made = pieces(self.document, statement["template"], statement["values"])
        return Markup("").join(escape(piece) if isinstance(piece, str) else self.num(*piece) for piece in made)

    def _end(self, path: str, form: str) -> Markup:
        return Markup("…") if resolve(self.document, path) is None else self.num(path, form)


class _Markdown:
    """Numbers and sentences as Markdown."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def num(self, path: str, form: str) -> str:
        """One number."""
        return _plain_spaces(shown(resolve(self.document, path), form)).replace("<", "&lt;").replace(">", "&gt;")

    def ci(self, path: str, form: str) -> str:
        """A number with its interval behind it."""
        found = resolve(self.document, path)
        if found is None or found["estimate"] is None:
            return UNKNOWN
        if found["method"] in ("exact", "census"):
            return self.num(path, form)
        ends = ["…" if found[end] is None else self.num(f"{path}/{end}", form) for end in ("low", "high")]
        return f"{self.num(path, form)} ({ends[0]} {UNKNOWN} {ends[1]})"

    def bounds(self, path: str) -> str:
        """From the lowest to the highest it can be."""
        if resolve(self.document, path) is None:
            return UNKNOWN
        return f" {UNKNOWN} ".join(self.num(f"{path}/{end}", "percent") for end in ("lowest", "highest"))

    def say(self, statement: Mapping[str, Any]) -> str:
        """A sentence with its numbers."""
        return _plain_spaces(str(statement["text"])).replace("<", "&lt;").replace(">", "&gt;")


def _plain_spaces(text: str) -> str:
    return text.replace(NBSP, " ")
