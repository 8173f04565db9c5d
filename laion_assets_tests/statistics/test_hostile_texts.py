"""Captions, URLs, hosts, languages and formats come from strangers and are shown to people."""

import csv
import io
import re
from html.parser import HTMLParser

import polars as pl
import pytest
from markdown_it import MarkdownIt

from laion_assets.statistics.document import Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.figure import panel_png
from laion_assets.statistics.measure import measure
from laion_assets.statistics.pictured import pictured
from laion_assets.statistics.report import html_report, markdown_report, markdown_text
from laion_assets.statistics.sample_csv import sample_csv
from laion_assets.statistics.spec import RequirementSpec
from laion_assets.statistics.theme import LIGHT
from laion_assets_tests.statistics.populations import draw, population, probe

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "</data></table><h1>owned</h1>",
    "{{ 7 * 7 }}{% raw %}",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/track.png)",
    "<https://evil.example/>",
    "https://evil.example/ www.evil.example",
    "| a | b |\n|---|---|\n# heading",
    "`code` *bold* _it_ ~~gone~~ $x^2$ &amp; &#60;b&#62;",
    "\u202egnp.exe\u202c \u200bzero\ufeff",
    "bell\x07 escape\x1b[31mred\x1b[0m nul\x00 \x9b31m",
    "data:text/html,<script>alert(1)</script>",
    "x" * 100_000,
]
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '=HYPERLINK("http://evil")',
    "\uff1d1+1",
]


def hostile() -> tuple[Evidence, Statistics]:
    """A sample in which every text a stranger can write is hostile, and every row is an example of some kind."""
    texts = HOSTILE + FORMULAS
    rows = probe(population(len(texts) * 8))
    bad = pl.Series([texts[i % len(texts)] for i in range(rows.height)])
    rows = rows.with_columns(
        caption=bad,
        language=bad,
        format=pl.when(pl.col("outcome") == "ok").then(bad),
        final_host=bad,
        outcome=pl.when(pl.col("row") % 11 == 0).then(pl.lit("<b>odd</b>")).otherwise("outcome"),
        url=pl.lit("https://") + bad + "/x.jpg",
        declared_width=pl.lit(900, pl.Int32),
    )
    evidence = Evidence.of(draw(rows, rows.height), declared=None, requirement=RequirementSpec(), minimum_side_px=1024)
    return evidence, measure(evidence, dataset="d", title="<i>A & B</i> | `title`")


class Tags(HTMLParser):
    """The tags and attributes a browser would see."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")}


def test_no_stranger_s_text_becomes_markup_on_the_page() -> None:
    page = html_report(hostile()[1], {})
    tags = Tags(page)
    assert not tags.seen & {"script", "svg", "img", "iframe", "b1", "i", "a", "object", "form", "link", "base"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert tags.links == set()
    assert "alert(1)" in page  # it is shown, as text
    assert "{{ 7 * 7 }}" in page
    assert page.count("<h1>") == 1


def test_the_page_asks_the_network_for_nothing() -> None:
    evidence, found = hostile()
    page = html_report(found, {"outcomes": panel_png("outcomes", pictured(evidence, found), LIGHT) * 2})
    tags = Tags(page)
    assert tags.links
    assert all(link.startswith("data:image/png;base64,") for link in tags.links)
    assert "script" not in tags.seen
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import", page)


def test_control_and_direction_characters_never_reach_a_reader() -> None:
    evidence, found = hostile()
    for text in (html_report(found, {}), markdown_report(found), sample_csv(evidence).decode()):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", text)


def test_the_markdown_renders_no_link_no_image_and_no_html_of_a_stranger() -> None:
    markdown = markdown_report(hostile()[1])
    renderer = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table")
    tags = Tags(renderer.render(markdown))
    assert tags.seen <= {"h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code", "img"}
    assert tags.links == {"d_analysis.png"}


@pytest.mark.parametrize("text", HOSTILE[:-1])
def test_a_stranger_s_text_reads_the_same_in_markdown(text: str) -> None:
    visible = " ".join(re.sub("[\x00-\x1f]", " ", text).split())
    rendered = MarkdownIt("commonmark").renderInline(markdown_text(visible))
    assert Text(rendered).text.replace("\u200b", "") == visible.replace("\u200b", "")


class Text(HTMLParser):
    """What a reader of the page sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_no_cell_of_the_csv_starts_a_formula() -> None:
    content = sample_csv(hostile()[0]).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    texts = ("url", "host", "caption", "language", "format", "final_host", "outcome", "flags", "part")
    for row in rows:
        for name in texts:
            assert not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", row[name]), row[name]
            assert "\n" not in row[name]
    assert any(row["caption"] == "'=1+1" for row in rows)


def test_numbers_of_the_csv_keep_their_sign() -> None:
    rows = probe(population(50)).with_columns(similarity=pl.lit(-0.25))
    evidence = Evidence.of(draw(rows, 50), declared=None, requirement=RequirementSpec(), minimum_side_px=1024)
    assert {row["similarity"] for row in csv.DictReader(io.StringIO(sample_csv(evidence).decode()))} == {"-0.25"}


def test_long_texts_are_cut_and_quickly() -> None:
    rows = probe(population(60)).with_columns(caption=pl.lit("word " * 200_000), declared_width=pl.lit(900, pl.Int32))
    evidence = Evidence.of(draw(rows, 60), declared=None, requirement=RequirementSpec(), minimum_side_px=1024)
    found = measure(evidence, dataset="d", title="D")
    assert found.captions.words.maximum == 200_000
    assert all(len(example.caption) <= 90 for example in found.anomaly.examples)
    assert len(html_report(found, {})) < 300_000
