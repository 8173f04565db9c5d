"""Every number on the page, in the Markdown and in the CSV against an independent recomputation."""

import csv
import functools
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

import laion_assets.statistics
from laion_assets.statistics.declared import Declared
from laion_assets.statistics.document import Statistics
from laion_assets.statistics.evidence import Evidence
from laion_assets.statistics.measure import measure
from laion_assets.statistics.report import html_report, markdown_report
from laion_assets.statistics.sample_csv import COLUMNS, sample_csv
from laion_assets.statistics.spec import RequirementSpec
from laion_assets_tests.statistics.populations import draw, population, probe, profiles
from laion_assets_tests.statistics.recomputed import Recomputation, aspect, historical, host, kinds_of, match

QUARANTINED = 5


@dataclass(frozen=True)
class Case:
    """A population, the sample of it, and what it is measured against."""

    rows: int
    draw: Callable[[pl.DataFrame], pl.DataFrame]
    requirement: RequirementSpec = field(default_factory=RequirementSpec)
    promised: int = 1024
    unsized: float = 0.0
    """Share of the rows that declare no size."""


CASES = {
    "usual": Case(1_600, lambda rows: draw(rows, 700), RequirementSpec(rows_wanted=500)),
    "strata, and rows without a size": Case(
        700, lambda rows: draw_strata(rows, {"en": 150, "de": 60, "ja": 40, "nolang": 40}), unsized=0.2
    ),
    "no sizes": Case(400, lambda rows: draw(rows, 150), unsized=1.0),
    "few rows, other requirement": Case(
        300,
        lambda rows: draw(rows, 30),
        RequirementSpec(
            minimum_side_px=1300,
            minimum_high_side_px=1800,
            edges_px=(1200, 2400),
            rows_wanted=40,
            minimum_median_words=None,
            maximum_unsafe_share=0.5,
            watermark_cutoff=0.4,
            unsafe_cutoff=0.25,
            bandwidth_mbit_s=10,
            requests_per_host_s=1,
        ),
        promised=1100,
    ),
}
every_case = pytest.mark.parametrize("case", CASES)
UNITS = {
    "%": 0.01, "KB": 1e3, "MB": 1e6, "GB": 1e9, "bytes": 1, "million": 1e6, "billion": 1e9, "pp": 0.01,
    "seconds": 1 / 3600, "minutes": 1 / 60, "hours": 1, "days": 24,
}  # fmt: skip
UNIT = re.compile(r"\u00a0(?:" + "|".join(UNITS) + ")$")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def draw_strata(rows: pl.DataFrame, numbers: dict[str, int]) -> pl.DataFrame:
    """So many rows of each language; each stands for as many as there are for one drawn."""
    drawn = [draw(rows.filter(pl.col("language") == language), number) for language, number in numbers.items()]
    return pl.concat(drawn).sort("part", "row")


@functools.cache
def made(case: str = "usual") -> tuple[pl.DataFrame, pl.DataFrame, Evidence, Statistics]:
    """A population with every kind of oddity, a sample of it, and what was measured."""
    its = CASES[case]
    rows = population(its.rows)
    odd = pl.col("row")
    rows = rows.with_columns(
        caption=pl.when(odd % 31 == 0)
        .then(pl.lit("https://a.example/x.png"))
        .when(odd % 37 == 0)
        .then(pl.lit("red oak table"))
        .otherwise("caption"),
        similarity=pl.when(odd % 300 == 7).then(6016.0).otherwise("similarity"),
        punsafe=pl.when(odd % 300 == 8).then(1.7).otherwise("punsafe"),
    )
    rows = probe(rows).with_columns(
        opted_out=odd % 50 == 0,
        **{
            f"true_{a}": pl.when(odd % 40 == 0)
            .then(f"declared_{b}")
            .when(odd % 41 == 0)
            .then(2500)
            .otherwise(f"true_{a}")
            for a, b in (("width", "height"), ("height", "width"))
        },
    )
    rows = rows.with_columns(
        outcome=pl.when(pl.col("true_width").is_not_null()).then(pl.lit("ok")).otherwise("outcome"),
        format=pl.when(pl.col("true_width").is_not_null()).then(pl.col("format").fill_null("jpeg")),
        true_width=pl.col("true_width").cast(pl.Int32),
        true_height=pl.col("true_height").cast(pl.Int32),
        **{
            f"declared_{side}": pl.when(odd % 10 >= 10 * its.unsized).then(f"declared_{side}")
            for side in ("width", "height")
        },
    )
    sample = its.draw(rows)
    declared = Declared.of(profiles(rows, quarantined=QUARANTINED))
    evidence = Evidence.of(sample, declared=declared, requirement=its.requirement, minimum_side_px=its.promised)
    return rows, sample, evidence, measure(evidence, dataset="d", title="A dataset")


@functools.cache
def recomputed(case: str = "usual") -> dict[str, float]:
    rows, sample, _, _ = made(case)
    requirement, promised = CASES[case].requirement.model_dump(), CASES[case].promised
    return Recomputation(rows.to_dicts(), sample.to_dicts(), requirement, 4 * QUARANTINED, promised).numbers


@dataclass
class Shown:
    """A number on the page."""

    path: str
    value: float
    form: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The numbers of a page, and the text around them."""

    numbers: list[Shown] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    inside: bool = False
    skipped: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skipped = tag in ("style", "script")
        if tag == "data":
            found = {name: value or "" for name, value in attrs}
            self.numbers.append(Shown(found["data-of"], float(found["value"]), found["data-as"]))
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "data"
        self.skipped = self.skipped and tag not in ("style", "script")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.numbers[-1].text += data
        elif not self.skipped:
            self.words.append(data)


@functools.cache
def page(case: str = "usual") -> Page:
    found = Page()
    found.feed(html_report(made(case)[3], {}))
    return found


def close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def test_there_are_as_many_numbers_as_a_report_has() -> None:
    assert len(page().numbers) > 1_000


@every_case
def test_every_number_on_the_page_is_what_the_rows_say(case: str) -> None:
    truth, numbers = recomputed(case), page(case).numbers
    assert len(numbers) > 500
    unknown = sorted({shown.path for shown in numbers if shown.path not in truth})
    assert unknown == []
    wrong = [(s.path, s.value, truth[s.path]) for s in numbers if not close(s.value, truth[s.path])]
    assert wrong == []


def read(text: str) -> tuple[float, float]:
    """A shown number, and half a step of its last digit."""
    found = NUMBER.search(text)
    assert found, text
    digits = found[0].replace(",", "")
    unit = next((scale for name, scale in UNITS.items() if text.endswith(name)), 1)
    decimals = len(digits.partition(".")[2])
    return float(digits) * unit, 0.5 * 10.0**-decimals * unit


@every_case
def test_every_number_reads_as_its_value_rounded(case: str) -> None:
    numbers = page(case).numbers
    for place, shown in enumerate(numbers):
        text, unit = shown.text, UNIT.search(shown.text)
        if unit is None and shown.form in ("percent", "bytes", "count", "hours") and place + 1 < len(numbers):
            # A range has its unit once, at its end.
            following = (
                UNIT.search(numbers[place + 1].text) if shown.path.rpartition("/")[2] in ("low", "lowest") else None
            )
            text += following[0] if following else ""
        value, half = read(text)
        if shown.text.startswith(("<", ">")):
            assert (shown.value < value) == shown.text.startswith("<")
        else:
            assert abs(value - shown.value) <= half * (1 + 1e-6) + abs(shown.value) * 1e-9, shown


def test_no_number_stands_on_the_page_that_was_not_looked_up() -> None:
    templates = (Path(laion_assets.statistics.__file__).parent / "report.html.jinja").read_text()
    found = made()[3]
    known = [templates, *found.methods.values(), *COLUMNS.values(), *COLUMNS]
    known += [bucket.name for bucket in found.buckets]
    known += [outcome.meaning for outcome in (found.reach.outcomes if found.reach else [])]
    known += [f"{found.coverage.probed_from} {found.coverage.probed_to}"]
    known += [f"{example.part} {example.host} {example.caption}" for example in found.anomaly.examples]
    known += [host.name for host in found.hosts.top]
    for group in found.conclusions.model_dump().values():
        known += [re.sub(r"\{\w+\}", "", statement["template"]) for statement in group]
    allowed = set(NUMBER.findall(" ".join(known))) | {str(found.schema_version)}
    loose = {number for words in page().words for number in NUMBER.findall(words)}
    assert loose - allowed == set()


@every_case
def test_the_document_is_complete_without_the_page(case: str) -> None:
    """Other tools read statistics.json: what they read there is what was recomputed, to the last estimate."""
    truth, checked = recomputed(case), 0
    for path, estimate in estimates(made(case)[3].model_dump(), ""):
        if path in truth and estimate is not None:
            assert close(estimate, truth[path]), path
            checked += 1
    assert checked > (350 if case == "usual" else 200)


def estimates(value: object, path: str) -> Iterator[tuple[str, float | None]]:
    if isinstance(value, dict):
        if "estimate" in value:
            yield path, value["estimate"]
        for name, entry in value.items():
            yield from estimates(entry, f"{path}/{name}".lstrip("/"))
    elif isinstance(value, list):
        for place, entry in enumerate(value):
            names = [
                entry[k]
                for k in ("name", "id", "kind", "outcome", "minimum_side_px")
                if isinstance(entry, dict) and k in entry
            ]
            by_place = path in ("hosts/top", "languages", "reach/formats", "reach/outcomes")
            yield from estimates(entry, f"{path}/{place if by_place or not names else names[0]}")


def test_the_markdown_has_the_same_numbers() -> None:
    shown = {text.replace("\u00a0", " ") for text in (s.text for s in page().numbers)}
    markdown = markdown_report(made()[3])
    rows = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("| ")]
    cells = [cell.strip() for row in rows for cell in row[1:]]
    numbers = re.compile(r"(?:&lt; |&gt; |± )?\d[\d,]*(?:\.\d+)?(?: (?:%|KB|MB|GB|bytes|pp|million))?")
    measured = [cell for cell in cells if numbers.fullmatch(cell) or re.fullmatch(r".* \(.* \u2013 .*\)", cell)]
    assert len(measured) > 400
    for cell in measured:
        for number in numbers.findall(cell):
            assert number.replace("&lt;", "<").replace("&gt;", ">") in shown, cell


def test_every_interval_states_its_method_beside_it() -> None:
    html = html_report(made()[3], {})
    intervals = re.findall(r'<span class="ci">(?!of )(.*?)</span>', html)
    assert len(intervals) > 200
    explained = set(re.findall(r"<abbr>(\w)</abbr></dt>", html))
    for interval in intervals:
        mark = re.search(r'<abbr title="[^"]{20,}">(\w)</abbr>$', interval)
        assert mark, interval
        assert mark[1] in explained


def test_every_table_names_the_methods_of_its_intervals() -> None:
    html, markdown = html_report(made()[3], {}), markdown_report(made()[3])
    tables = [
        (re.findall(r"<abbr [^>]+>(\w)</abbr>", table), re.findall(r"[:,] ([A-Z])\s", under))
        for table, under in re.findall(r"<table (.*?)</table></div>\n(.*?)\n", html, re.DOTALL)
    ]
    tables += [
        (re.findall(r" ([A-Z])(?:\)| \|)", table), re.findall(r"[:,] ([A-Z])\s", under))
        for table, under in re.findall(r"((?:^\| .*\n)+)\n(.*)$", markdown, re.MULTILINE)
        if "\u2013 " in table
    ]
    assert len(tables) > 30
    for marks, named in tables:
        assert set(marks) == set(named), (marks, named)


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sample_csv(made()[2]).decode())))


def test_the_csv_has_every_sampled_row_once_in_order(table: list[dict[str, str]]) -> None:
    sample = made()[1]
    assert list(table[0]) == list(COLUMNS)
    assert [(row["part"], int(row["row"])) for row in table] == list(sample.select("part", "row").iter_rows())


def test_every_cell_of_the_csv_is_what_the_row_says(table: list[dict[str, str]]) -> None:
    faults = {"ok": "nobody", "timed_out": "server", "server_error": "server"}
    for shown, row in zip(table, made()[1].to_dicts(), strict=True):
        width, height, true = row["declared_width"], row["declared_height"], row["true_width"]
        short = min(width, height)
        expected: dict[str, object] = {
            **{name: row[name] for name in COLUMNS if name in row},
            "flags": "",
            "host": host(row),
            "declared_short_side": short,
            "declared_megapixels": width * height / 1e6,
            "declared_aspect_ratio": width / height,
            "declared_aspect": aspect(width, height),
            "declared_bucket": bucket(short),
            "historical_bucket": historical(width, height),
            "fault": faults.get(row["outcome"], "link"),
            "declared_match": match(row),
            "probed_at": row["probed_at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if true is not None:
            high = row["true_height"]
            expected |= {
                "true_short_side": min(true, high),
                "true_megapixels": true * high / 1e6,
                "true_aspect_ratio": true / high,
                "true_aspect": aspect(true, high),
                "true_bucket": bucket(min(true, high)),
                "meets_requirement": min(true, high) >= 1024,
            }
        kinds = kinds_of(row)
        probed = {"true_below_minimum", "declared_swapped"}
        for kind in ("straddles_buckets", "declared_below_minimum", *probed):
            expected[kind] = None if kind in probed and true is None else kind in kinds
        order = ("declared_below_minimum", "true_below_minimum", "declared_swapped", "straddles_buckets")
        expected["anomaly_kind"] = next((kind for kind in order if kind in kinds), None)
        for name in COLUMNS:
            assert same(shown[name], expected.get(name)), (name, shown[name], expected.get(name))


def bucket(short: int) -> str:
    return "< 1024" if short < 1024 else "1024-2048" if short < 2048 else "2048-4096" if short < 4096 else "4096+"


def same(cell: str, value: object) -> bool:
    if value is None:
        return cell == ""
    if isinstance(value, bool):
        return cell == str(value).lower()
    return math.isclose(float(cell), value, rel_tol=1e-6) if isinstance(value, int | float) else cell == str(value)
