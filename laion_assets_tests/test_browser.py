"""The Dagster UI in a real browser, as `make dev` opens it, on parts of which one is broken, one hostile, one too slow.

`make pictures` sets ``LAION_ASSETS_PICTURES``: then it is the demo's home that is opened, and the pictures that the
README shows are left in the folder of that name.
"""

import contextlib
import io
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright

from laion_assets.home import Home
from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.spec import SandboxSpec
from laion_assets_tests.dagster_ui import ENDED, RUN_S, Watched, ended, launch, leave, runs, visit, wait_until
from laion_assets_tests.dev import dev
from laion_assets_tests.sources.publisher import Publisher, serve

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = os.environ.get("LAION_ASSETS_PICTURES")
GOOD, HOSTILE, BROKEN, SLOW = PARTS = ("part-00000", "part-00001", "part-00002", "part-00003")
SCREEN: ViewportSize = {"width": 1600, "height": 1000}
# What a stranger may write into a caption or a URL in the hope that someone's browser believes it.
MARKUP = "<img src=http://evil.test/x onerror=alert(1)> ![x](http://evil.test/y.png) [click](javascript:alert(1)) "
# Without these a browser looks up its maker's hosts at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium: apt-get install chromium")


def publish(made: Path, publisher: Publisher) -> None:
    """Publish the sandbox's parts: one as it is, one full of markup, one that breaks its contract, one that is long."""
    changes: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
        GOOD: lambda frame: frame,
        HOSTILE: _with_markup,
        BROKEN: lambda frame: frame.with_columns(TEXT=pl.lit(" ")),
        SLOW: lambda frame: frame.with_columns(thumbnail=pl.Series([os.urandom(30_000) for _ in range(len(frame))])),
    }
    for path in made.rglob("*/repository/part-*.parquet"):
        part = path.name[:10]
        changed = io.BytesIO()
        changes[part](pl.read_parquet(path)).write_parquet(changed)
        publisher.files[f"/{part}.parquet"] = changed.getvalue()
    # So that the short ones are here soon, and the long one is not while anybody looks.
    publisher.bytes_per_s = len(publisher.files[f"/{SLOW}.parquet"]) / RUN_S


def _with_markup(frame: pl.DataFrame) -> pl.DataFrame:
    """Markup in rows that are shown as examples: declared below the minimum, and quarantined."""
    number = pl.int_range(pl.len())
    some = number % 20 == 0
    return frame.with_columns(
        TEXT=pl.lit(MARKUP) + pl.col("TEXT"),
        WIDTH=pl.when(some).then(700).otherwise(pl.col("WIDTH")),
        URL=pl.when(some)
        .then(pl.format("http://evil.test/{}?{}", number, pl.lit(MARKUP.replace(" ", ""))))
        .when(number == 1)
        .then(pl.lit(f"ftp://{MARKUP}"))
        .otherwise(pl.col("URL")),
    )


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    """Where the parts are published, unless pictures are made."""
    with serve(Publisher()) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home that the UI is opened on, unless pictures are made."""
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def ui(home: Home, publisher: Publisher) -> Iterator[str]:
    """The address of a UI on the demo's home, or on what is published with a sandbox's web behind its links."""
    log = home.folder / "dev.log"
    if PICTURES:
        with opened(Home(Path("demo")), [], os.environ, log) as address:
            yield address
        return
    spec = SandboxSpec(parts=len(PARTS), rows_per_part=300, port=0)
    with start_sandbox(spec, cache=home.sandbox_cache) as sandbox:
        publish(home.sandbox_cache, publisher)
        source = ["--source", f"{publisher.url}/part-{{00000..00003}}.parquet"]
        with opened(home, source, {**os.environ, **sandbox.environment}, log) as address:
            assert f"laion_hr: {len(PARTS)} parts at {publisher.url}" in log.read_text()
            yield address


@contextlib.contextmanager
def opened(home: Home, arguments: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address of the UI, which is ended as a service is; nothing went wrong in it."""
    with dev(home, arguments, variables, log, end=signal.SIGTERM) as running:
        running.wait_until(lambda: running.answers)
        yield running.address
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """One page for all tests: to start the UI's scripts costs more than anything that is looked at here."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        page = browser.new_page(viewport=SCREEN, reduced_motion="reduce")
        page.set_default_timeout(60_000)
        yield Watched(page)
        browser.close()


@pytest.fixture
def page(watched: Watched) -> Iterator[Page]:
    """A page on which nothing may ask another host, and nothing may fail."""
    watched.page.set_viewport_size(SCREEN)
    yield watched.page
    assert watched.alerts == []
    assert watched.elsewhere == []
    assert watched.errors == []


def _picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(4000)
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


def _switch(page: Page, name: str) -> Locator:
    """The switch in the line of a sensor or schedule; its label is what can be clicked."""
    return page.locator(f"xpath=//a[contains(@href, '/{name}')]/following-sibling::div//input[@type='checkbox']")


live = pytest.mark.skipif(bool(PICTURES), reason="the demo has run already")


@live
def test_a_backfill_of_all_parts_stops_the_broken_one_and_no_other(ui: str, page: Page) -> None:
    launch(ui, page, "All", len(PARTS))
    quick = {GOOD, HOSTILE, BROKEN}
    found = wait_until(ui, lambda found: quick <= {run["part"] for run in found if run["status"] in ENDED})
    assert {run["part"]: run["status"] for run in found if run["part"] in quick} == {
        GOOD: "SUCCESS",
        HOSTILE: "SUCCESS",
        BROKEN: "FAILURE",
    }

    visit(page, f"{ui}/assets/laion_hr/vlm_1024/rows?view=partitions")
    expect(page.get_by_text("Materialized (2)").first).to_be_visible()
    expect(page.get_by_text("Failed (1)").first).to_be_visible()
    [broken] = [run["id"] for run in found if run["part"] == BROKEN]
    visit(page, f"{ui}/runs/{broken}")
    expect(page.get_by_text("share_caption_blank", exact=True).first).to_be_visible()


@live
def test_a_run_that_is_terminated_half_way_leaves_no_half_part(
    ui: str, page: Page, home: Home, publisher: Publisher
) -> None:
    raw = home.lake / "laion_hr" / "raw_metadata"
    wait_until(ui, lambda _: any(path.stat().st_size for path in raw.glob(f"*/{SLOW}.parquet.partial")))
    [slow] = [run for run in runs(ui) if run["part"] == SLOW]
    assert slow["status"] == "STARTED"
    visit(page, f"{ui}/runs/{slow['id']}")
    page.get_by_role("button", name="Terminate").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate 1 run").click()
    expect(page.get_by_text("Canceled", exact=True).first).to_be_visible()
    assert {run["part"]: run["status"] for run in ended(ui, len(PARTS))}[SLOW] == "CANCELED"
    assert not (raw / f"{SLOW}.parquet").exists()
    [begun] = raw.glob(f"*/{SLOW}.parquet.partial")
    assert 0 < begun.stat().st_size < len(publisher.files[f"/{SLOW}.parquet"])


@live
def test_a_backfill_that_is_cancelled_ends_its_runs_and_keeps_what_is_made(
    ui: str, page: Page, home: Home, publisher: Publisher
) -> None:
    publisher.files[f"/{BROKEN}.parquet"] = publisher.files[f"/{GOOD}.parquet"]
    launch(ui, page, "Failed and missing", 2)
    under_way = {(BROKEN, "SUCCESS"), (SLOW, "STARTED")}
    found = wait_until(ui, lambda found: under_way == {(run["part"], run["status"]) for run in found[: -len(PARTS)]})
    raw = home.lake / "laion_hr" / "raw_metadata"
    visit(page, f"{ui}/runs/b/{found[0]['backfill']}")
    page.get_by_role("button", name="expand_more").click()
    page.get_by_role("menuitem", name="Cancel backfill").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel backfill").click()
    # Its daemon looks twice a minute, so the last word on the backfill may come later than on its runs.
    expect(page.get_by_text(re.compile(r"^Cancel(ing|ed)$")).first).to_be_visible()
    leave(ui, page)
    newest = {run["part"]: run["status"] for run in ended(ui, len(PARTS) + 2)[:2]}
    assert newest == {BROKEN: "SUCCESS", SLOW: "CANCELED"}
    assert {path.name for path in raw.glob("*.parquet")} == {f"{part}.parquet" for part in (GOOD, HOSTILE, BROKEN)}


@live
def test_what_was_cancelled_is_made_by_launching_it_again(
    ui: str, page: Page, home: Home, publisher: Publisher
) -> None:
    publisher.bytes_per_s = None
    launch(ui, page, "Failed and missing", 1)
    newest = ended(ui, len(PARTS) + 3)[0]
    assert (newest["job"], newest["part"], newest["status"]) == ("laion_hr_parts", SLOW, "SUCCESS")
    visit(page, f"{ui}/assets/laion_hr/vlm_1024/rows?view=partitions")
    expect(page.get_by_text(f"Materialized ({len(PARTS)})").first).to_be_visible()

    whole = publisher.files[f"/{SLOW}.parquet"]
    [_, _, rest] = [seen for seen in publisher.gets() if seen.path == f"/{SLOW}.parquet"]
    assert 0 < rest.body_bytes < len(whole), "it goes on where it ended"
    assert (home.lake / "laion_hr" / "raw_metadata" / f"{SLOW}.parquet").read_bytes() == whole


@live
def test_the_analysis_runs_from_its_job(ui: str, page: Page) -> None:
    visit(page, f"{ui}/locations/laion_assets/jobs/laion_hr_analysis")
    page.get_by_role("button", name="Materialize all").click()
    wait_until(ui, lambda found: len(found) == len(PARTS) + 4)
    leave(ui, page)
    newest = ended(ui, len(PARTS) + 4)[0]
    assert (newest["job"], newest["status"]) == ("laion_hr_analysis", "SUCCESS")


def test_the_graph_shows_the_chain_in_its_groups(ui: str, page: Page) -> None:
    groups = ["laion_hr_metadata", "laion_hr_analysis", "laion_hr_vlm_1024"]
    expanded = quote(",".join(f"global@global:{group}" for group in groups))
    page.set_viewport_size({"width": 1900, "height": 1380})
    visit(page, f"{ui}/asset-groups?expanded={expanded}")
    for asset in ("raw_metadata", "validated_metadata", "dimension_sample", "dimension_probes", "shards", "index"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    for group in ("comparison", "laion_hr_high_res_2048", "laion_hr_top_20m", *groups):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    _picture(page, "asset_graph")


def test_a_materialised_part_shows_its_columns_checks_and_plots(ui: str, page: Page) -> None:
    visit(page, f"{ui}/assets/laion_hr/validated_metadata")
    for text in ("declared_width", "similarity", "laion_hr_metadata"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Plots").click()
    for figure in ("dagster/partition_row_count", "rows_in", "share_flagged"):
        expect(page.get_by_text(figure, exact=True).first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    visit(page, f"{ui}/assets/laion_hr/validated_metadata?view=checks&checkDetail=contract")
    for check in ("contract", "row_accounting", "share_url_missing"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()


@live
def test_the_data_docs_of_a_part_open_from_their_link(ui: str, page: Page) -> None:
    visit(page, f"{ui}/assets/laion_hr/validated_metadata?view=checks&checkDetail=contract")
    with page.expect_popup() as opened:
        page.locator("a[href$='.html']", has_text="metadata_profile/contract/part-").first.click()
    docs = opened.value
    expect(docs.get_by_role("heading", name="Expectation Validation Result")).to_be_visible()
    assert "share_url_missing" in docs.content()
    docs.close()


def test_the_below_1024_check_tells_the_kinds_apart(ui: str, page: Page) -> None:
    visit(page, f"{ui}/assets/laion_hr/dimension_probes?view=checks&checkDetail=below_1024_anomaly")
    for kind in ("straddles_buckets", "declared_below_minimum", "true_below_minimum", "declared_swapped"):
        expect(page.get_by_text(kind).first).to_be_visible()
    _picture(page, "below_1024_anomaly")


def test_the_analysis_picture_is_shown_in_the_asset(ui: str, page: Page) -> None:
    page.set_viewport_size({"width": 1600, "height": 2200})
    visit(page, f"{ui}/assets/laion_hr/resolution_statistics")
    expect(page.get_by_text("historical_too_small_share", exact=True).first).to_be_visible()
    _picture(page, "resolution_statistics")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("dialog").get_by_role("img", name="analysis")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 600


@live
def test_the_report_reads_on_paper_on_a_phone_and_in_the_dark(ui: str, page: Page, home: Home) -> None:  # noqa: ARG001
    browser = page.context.browser
    assert browser is not None
    report = browser.new_page()
    asked: list[str] = []
    report.on("request", lambda request: asked.append(request.url))
    address = (home.lake / "laion_hr" / "resolution_statistics" / "report.html").as_uri()
    report.goto(address)
    assert [url for url in asked if url != address and not url.startswith("data:")] == []

    hidden = (
        "[...document.querySelectorAll('details > :not(summary)')]"
        ".filter(part => !part.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert report.evaluate(hidden) > 0
    report.emulate_media(media="print")
    report.wait_for_function(f"{hidden} === 0")  # with the next frame that is drawn

    report.emulate_media(media="screen", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)"
    assert max(report.evaluate(paper)) < 60
    report.emulate_media(color_scheme="light")
    assert min(report.evaluate(paper)) > 200

    report.set_viewport_size({"width": 390, "height": 800})
    assert report.evaluate("document.documentElement.scrollWidth") <= 390
    report.close()


@live
def test_a_sensor_and_a_schedule_are_switched_on_and_off(ui: str, page: Page) -> None:
    visit(page, f"{ui}/automation")
    switches = [_switch(page, name) for name in ("failure_alarm", "laion_hr_link_health_weekly")]
    for switch in switches:
        expect(switch).not_to_be_checked()
        switch.locator("xpath=ancestor::label").click()
        expect(switch).to_be_checked()
    page.reload()
    for switch in switches:
        expect(switch).to_be_checked()
        switch.locator("xpath=ancestor::label").click()
        expect(switch).not_to_be_checked()


@live
def test_what_strangers_wrote_is_text_on_every_page_that_shows_it(ui: str, page: Page, watched: Watched) -> None:
    for asset in ("validated_metadata", "quarantined_metadata", "dimension_sample", "dimension_probes"):
        for view in ("overview", "checks", "events"):
            visit(page, f"{ui}/assets/laion_hr/{asset}?view={view}")
            expect(page.get_by_text(asset, exact=True).first).to_be_visible()
            watched.wait_until_quiet()
    visit(page, f"{ui}/assets/laion_hr/dimension_probes?view=checks&checkDetail=below_1024_anomaly")
    expect(page.get_by_text("http://evil.test/").first).to_be_visible()
    assert page.locator("img[src*='evil.test'], a[href^='javascript:']").count() == 0
