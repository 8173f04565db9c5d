"""The Data Docs page of one part's contract, as one HTML file that needs no network.

Great Expectations renders the page; what it would load from other hosts (styles, scripts, logos) is taken out, and a
small style sheet put in their place.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laion_assets.metadata.contract import ContractOutcome

_FROM_ELSEWHERE = re.compile(
    r"<script\b[^>]*\bsrc=[^>]*>\s*</script>|<link\b[^>]*>|<img\b[^>]*>|<script\b.*?</script>|<iframe\b.*?</iframe>",
    re.DOTALL | re.IGNORECASE,
)
_LINK_ELSEWHERE = re.compile(r"""\bhref=["'](?!#)[^"']*["']""", re.IGNORECASE)
_STYLE = """<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
td, th { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; }
ul { list-style: none; padding-left: 0; }
.navbar, .modal, .btn, .fa-sort, nav { display: none; }
pre { white-space: pre-wrap; }
.text-danger { color: #c0392b; } .text-success { color: #1e8449; }
</style>"""


def contract_page(outcome: "ContractOutcome") -> str:
    """The Data Docs page of a contract that was checked."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer().render(outcome.result)
    page = str(DefaultJinjaPageView().render(document))  # type: ignore[no-untyped-call]
    page = _LINK_ELSEWHERE.sub('href="#"', _FROM_ELSEWHERE.sub("", page))
    return page.replace("</head>", f"{_STYLE}</head>", 1)
