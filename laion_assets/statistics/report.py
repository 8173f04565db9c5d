"""The report as HTML and Markdown, rendered from the document alone.

Every number on the page is looked up by its path in ``statistics.json``; in the HTML it is a ``<data>`` element that
carries the path and the exact value. Text that comes from strangers (hosts, captions, languages) is escaped for the
page it stands on and stripped of invisible characters.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from laion_assets.statistics.anomaly import displayable
from laion_assets.statistics.display import NBSP, UNKNOWN, number_of, range_texts, resolve, shown
from laion_assets.statistics.document import Statistics
from laion_assets.statistics.intervals import METHODS, UNDOUBTED
from laion_assets.statistics.measure import plain
from laion_assets.statistics.sample_csv import COLUMNS
from laion_assets.statistics.statements import pieces

_TEMPLATES = Path(__file__).parent


def html_report(found: Statistics, pictures: Mapping[str, Sequence[bytes]]) -> str:
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
            beside=page.beside,
            bounds=page.bounds,
            count_of=page.count_of,
            made_by=page.made_by,
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
            made_by=page.made_by,
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
            "megapixels": "Area",
        },
        "used_methods": {name: METHODS[name] for name in sorted(_methods(document), key=list(METHODS).index)},
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


class _MethodsUsed:
    """Which methods the numbers of a table were made by, noted while it is rendered."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def note(self, method: str) -> None:
        """A number made by this method was shown."""
        self._used.add(method)

    def told(self) -> str:
        """What was noted since the last time, in a sentence or two; empty where nothing was."""
        used, self._used = self._used, set()
        known = " or ".join(METHODS[name].name for name in UNDOUBTED if name in used)
        marked = ", ".join(
            f"{method.mark}{NBSP}{method.name}" for key, method in METHODS.items() if method.mark and key in used
        )
        if not marked:
            return f"Method: {known}." if known else ""
        return f"{f'Without an interval: {known}. ' if known else ''}95{NBSP}% intervals: {marked}."


class _Html:
    """Numbers and sentences as HTML."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._methods = _MethodsUsed()

    def num(self, path: str, form: str, text: str | None = None) -> Markup:
        """One number; ``text`` where it is to be shown in another way."""
        value = number_of(resolve(self.document, path))
        if value is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        return Markup('<data value="{}" data-of="{}" data-as="{}">{}</data>').format(
            repr(value), path, form, shown(value, form) if text is None else text
        )

    def ci(self, path: str, form: str) -> Markup:
        """A number with its interval beneath; exact numbers stand alone."""
        found = resolve(self.document, path)
        if found is None or found["estimate"] is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        self._methods.note(found["method"])
        if found["method"] in UNDOUBTED:
            return self.num(path, form)
        ends = self._range(path, ("low", "high"), form)
        return Markup('{}<span class="ci">{}{}</span>').format(self.num(path, form), ends, _mark(found["method"]))

    def beside(self, path: str, form: str) -> Markup:
        """A number with its interval behind it, for running text."""
        found = resolve(self.document, path)
        if found is None or found["estimate"] is None or found["method"] in UNDOUBTED:
            return self.num(path, form)
        ends = self._range(path, ("low", "high"), form)
        return Markup("{} ({}{})").format(self.num(path, form), ends, _mark(found["method"]))

    def made_by(self) -> Markup:
        """A line on the methods of the numbers with intervals shown since the last one."""
        told = self._methods.told()
        return Markup('<p class="method">{}</p>').format(told) if told else Markup("")

    def count_of(self, path: str) -> Markup:
        """The rows behind a share that may not be known."""
        if resolve(self.document, path) is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        return self.num(f"{path}/count", "full_count")

    def bounds(self, path: str) -> Markup:
        """From the lowest to the highest it can be, and beneath the 95 % limits of both."""
        if resolve(self.document, path) is None:
            return Markup('<span class="unknown">{}</span>').format(UNKNOWN)
        self._methods.note("worst_case")
        whole = Markup('<span class="together">{}</span><span class="ci">{}{}</span>')
        ends = (self._range(path, pair, "percent") for pair in (("lowest", "highest"), ("low", "high")))
        return whole.format(*ends, _mark("worst_case"))

    def say(self, statement: Mapping[str, Any]) -> Markup:
        """A sentence with its numbers."""
        made = pieces(self.document, statement["template"], statement["values"])
        return Markup("").join(escape(piece) if isinstance(piece, str) else self.num(*piece) for piece in made)

    def _range(self, path: str, ends: tuple[str, str], form: str) -> Markup:
        paths = [f"{path}/{end}" for end in ends]
        texts = range_texts([resolve(self.document, each) for each in paths], form)
        made = [
            Markup("…") if text == "…" else self.num(each, form, text) for each, text in zip(paths, texts, strict=True)
        ]
        return Markup("{} \u2013 {}").format(*made)


def _mark(method: str) -> Markup:
    return Markup('<abbr title="{}">{}</abbr>').format(METHODS[method].meaning, METHODS[method].mark)


class _Markdown:
    """Numbers and sentences as Markdown."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._methods = _MethodsUsed()

    def num(self, path: str, form: str) -> str:
        """One number."""
        return _harmless(shown(resolve(self.document, path), form))

    def ci(self, path: str, form: str) -> str:
        """A number with its interval behind it."""
        found = resolve(self.document, path)
        if found is None or found["estimate"] is None:
            return UNKNOWN
        self._methods.note(found["method"])
        if found["method"] in UNDOUBTED:
            return self.num(path, form)
        return f"{self.num(path, form)} ({self._range(found, ('low', 'high'), form)} {METHODS[found['method']].mark})"

    def made_by(self) -> str:
        """A line on the methods of the numbers with intervals shown since the last one."""
        return _harmless(self._methods.told())

    def bounds(self, path: str) -> str:
        """From the lowest to the highest it can be."""
        if resolve(self.document, path) is None:
            return UNKNOWN
        self._methods.note("worst_case")
        ends = self._range(resolve(self.document, path), ("lowest", "highest"), "percent")
        return f"{ends} {METHODS['worst_case'].mark}"

    def say(self, statement: Mapping[str, Any]) -> str:
        """A sentence with its numbers."""
        return _harmless(str(statement["text"]))

    def _range(self, found: Mapping[str, float | None], ends: tuple[str, str], form: str) -> str:
        return _harmless(f" {UNKNOWN} ".join(range_texts([found[end] for end in ends], form)))


def _harmless(text: str) -> str:
    return text.replace(NBSP, " ").replace("<", "&lt;").replace(">", "&gt;")
