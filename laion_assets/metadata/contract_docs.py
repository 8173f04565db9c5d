"""The Data Docs page of one part's contract, as one HTML file that needs no network.

Great Expectations renders the page; what it would load from other hosts (styles, scripts, logos) is taken out, and a
small style sheet put in its place.
"""

import contextlib
import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.render.view.view import DefaultJinjaPageView

    from laion_assets.metadata.contract import ContractOutcome

FOLDER = "contract"
"""Under ``metadata_profile``: the page of each part."""

_FROM_ELSEWHERE = re.compile(
    r"<(script|style|iframe|footer)\b.*?</\1\s*>|<(link|img)\b[^>]*>|\son\w+=(\"[^\"]*\"|'[^']*')",
    re.DOTALL | re.IGNORECASE,
)
_LINK_ELSEWHERE = re.compile(r"""\bhref=["'](?!#)[^"']*["']""", re.IGNORECASE)
_UNIQUE = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STYLE = """<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
nav, .modal, .btn, .card, .sticky, .navbar, input, hr, .fa-sort, a[data-toggle] { display: none; }
h1, h2, h3, h4, h5, h6, .alert { font-size: 1rem; margin: 1rem 0 .3rem; }
.alert h3 { font-size: 1.3rem; }
ul { list-style: none; padding-left: 0; margin: 0; }
table { border-collapse: collapse; width: 100%; margin: .3rem 0 1rem; table-layout: fixed; }
td, th { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; }
.text-danger { color: #c0392b; }
.text-success { color: #1e8449; }
.fa-times::before { content: "✘"; }
.fa-check-circle::before { content: "✔"; }
</style>"""


def contract_page(outcome: "ContractOutcome") -> str:
    """The Data Docs page of a contract that was checked."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    document = ValidationResultsPageRenderer().render(outcome.result)
    page = str(_view().render(document))  # type: ignore[no-untyped-call]
    page = _LINK_ELSEWHERE.sub('href="#"', _FROM_ELSEWHERE.sub("", page))
    page = _UNIQUE.sub("", page)  # the same page for the same figures
    return page.replace("</head>", f"{_STYLE}</head>", 1)


def compile_templates() -> None:
    """Have the templates of a page compiled, which takes longer than to render it. What does not compile waits."""
    from jinja2 import TemplateError

    templates = _view().env
    for name in templates.list_templates(extensions=["j2"]):
        with contextlib.suppress(TemplateError):
            templates.get_template(name)


@functools.cache
def _view() -> "DefaultJinjaPageView":
    from great_expectations.render.view.view import DefaultJinjaPageView

    return DefaultJinjaPageView()
