"""The Dagster UI in a real browser, as `make dev` opens it, on parts of which one is broken and one hostile.

`make pictures` sets ``LAION_ASSETS_PICTURES``: then it is the demo's home that is opened, and the pictures that the
README shows are left in the folder of that name.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from laion_assets.sandbox.process import start_sandbox
from laion_assets.sandbox.spec import SandboxSpec

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = os.environ.get("LAION_ASSETS_PICTURES")
GOOD, HOSTILE, BROKEN = "part-00000", "part-00001", "part-00002"
PARTS = 3
READY_S = 120
RUN_S = 180
# A page is drawn once a dozen requests were answered, by a machine that also runs the runs.
expect.set_options(timeout=60_000)
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def publish(made: Path, folder: Path) -> None:
    """Lay the sandbox's parts into a folder: one as it is, one full of markup, one that breaks its contract."""
    folder.mkdir()
    for path in sorted(made.rglob("*/repository/part-*.parquet")):
        name = f"{path.name[:10]}.parquet"
        if name.startswith(GOOD):
            shutil.copyfile(path, folder / name)
            continue
        frame = pl.read_parquet(path)
        if name.startswith(HOSTILE):
            # Rows that are shown as examples: declared below the minimum, and quarantined.
            some = pl.int_range(pl.len()) % 20
            frame = frame.with_columns(
                TEXT=pl.lit(MARKUP) + pl.col("TEXT"),
                WIDTH=pl.when(some == 0).then(700).otherwise(pl.col("WIDTH")),
                URL=pl.when(some == 0)
                .then(pl.format("http://evil.test/{}?{}", pl.int_range(pl.len()), pl.lit(MARKUP.replace(" ", ""))))
                .when(pl.int_range(pl.len()) == 1)
                .then(pl.lit(f"ftp://{MARKUP}"))
                .otherwise(pl.col("URL")),
            )
        else:
            frame = frame.with_columns(TEXT=pl.lit(" "))
        frame.write_parquet(folder / name)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the UI's source is, unless pictures are made."""
    return tmp_path_factory.mktemp("source") / "parts"


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, published: Path) -> Iterator[str]:
    """The address of a UI on the demo's home, or on the published folder with a sandbox's web behind its links."""
    if PICTURES:
        with served(["--home", "demo"], dict(os.environ), tmp_path_factory.mktemp("log") / "dev.log") as address:
            yield address
        return
    folder = tmp_path_factory.mktemp("home")
    spec = SandboxSpec(parts=PARTS, rows_per_part=1000, port=0)
    with start_sandbox(spec, cache=folder / "sandbox") as sandbox:
        publish(folder / "sandbox", published)
        arguments = ["--home", str(folder), "--source", f"{published}/*.parquet"]
        with served(arguments, {**os.environ, **sandbox.environment}, folder / "dev.log") as address:
            yield address


@contextlib.contextmanager
def served(arguments: list[str], variables: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address of the UI that the command opens, until the block ends."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "laion-assets"), "dev", "--port", str(port), *arguments]
    with log.open("wb") as out, subprocess.Popen(command, env=variables, stdout=out, stderr=out) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(READY_S * 2):
                try:
                    urllib.request.urlopen(f"{address}/server_info", timeout=2).close()  # noqa: S310 (ours)
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.5)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may ask another host, and nothing may fail."""
    opened = browser.new_page(viewport={"width": 1600, "height": 1000})
    opened.set_default_timeout(60_000)
    elsewhere: list[str] = []
    errors: list[str] = []
    alerts: list[str] = []
    opened.on("request", lambda request: None if _is_ours(request.url) else elsewhere.append(request.url))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("dialog", lambda dialog: alerts.append(dialog.message))
    yield opened
    opened.close()
    assert alerts == []
    assert elsewhere == []
    assert errors == []


def runs(ui: str) -> list[Mapping[str, str]]:
    """Job, part and status of every run so far, the newest first."""
    query = "{ runsOrError { ... on Runs { results { id status jobName tags { key value } } } } }"
    request = urllib.request.Request(  # noqa: S310 (ours)
        f"{ui}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 (ours)
        found = json.load(answer)["data"]["runsOrError"]["results"]
    return [
        {
            "id": run["id"],
            "job": run["jobName"],
            "status": run["status"],
            "part": next((tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition"), ""),
        }
        for run in found
    ]


def ended(ui: str, count: int) -> list[Mapping[str, str]]:
    """The runs once there are so many of them and all have ended."""
    deadline = time.monotonic() + RUN_S
    while time.monotonic() < deadline:
        found = runs(ui)
        if len(found) == count and all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in found):
            return found
        time.sleep(0.5)
    raise AssertionError(runs(ui))


def _is_ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


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
    page.goto(f"{ui}/locations/laion_assets/jobs/laion_hr_parts")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    expect(dialog.get_by_text(f"{PARTS} partitions")).to_be_visible()
    dialog.get_by_role("button", name="Launch").click()
    expect(dialog).not_to_be_visible()
    found = {run["part"]: run for run in ended(ui, PARTS)}
    assert {part: run["status"] for part, run in found.items()} == {
        GOOD: "SUCCESS",
        HOSTILE: "SUCCESS",
        BROKEN: "FAILURE",
    }

    page.goto(f"{ui}/assets/laion_hr/vlm_1024/rows?view=partitions")
    expect(page.get_by_text("Materialized (2)").first).to_be_visible()
    expect(page.get_by_text("Failed (1)").first).to_be_visible()
    page.goto(f"{ui}/runs/{found[BROKEN]['id']}")
    expect(page.get_by_text("share_caption_blank", exact=True).first).to_be_visible()


@live
def test_a_part_that_was_mended_is_materialised_from_its_page(ui: str, page: Page, published: Path) -> None:
    shutil.copyfile(published / f"{GOOD}.parquet", published / f"{BROKEN}.parquet")
    page.goto(f"{ui}/locations/laion_assets/jobs/laion_hr_parts")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Failed", exact=True).click()
    expect(dialog.get_by_text("1 partition", exact=False)).to_be_visible()
    dialog.get_by_role("button", name="Launch").click()
    expect(dialog).not_to_be_visible()
    newest = ended(ui, PARTS + 1)[0]
    assert (newest["job"], newest["part"], newest["status"]) == ("laion_hr_parts", BROKEN, "SUCCESS")
    page.goto(f"{ui}/assets/laion_hr/vlm_1024/rows?view=partitions")
    expect(page.get_by_text(f"Materialized ({PARTS})").first).to_be_visible()


@live
def test_the_analysis_runs_from_its_job(ui: str, page: Page) -> None:
    page.goto(f"{ui}/locations/laion_assets/jobs/laion_hr_analysis")
    page.get_by_role("button", name="Materialize all").click()
    newest = ended(ui, PARTS + 2)[0]
    assert (newest["job"], newest["status"]) == ("laion_hr_analysis", "SUCCESS")


def test_the_graph_shows_the_chain_in_its_groups(ui: str, page: Page) -> None:
    groups = ["laion_hr_metadata", "laion_hr_analysis", "laion_hr_vlm_1024"]
    expanded = quote(",".join(f"global@global:{group}" for group in groups))
    page.set_viewport_size({"width": 1900, "height": 1250})
    page.goto(f"{ui}/asset-groups?expanded={expanded}")
    for asset in ("raw_metadata", "validated_metadata", "dimension_sample", "dimension_probes", "shards", "index"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    for group in ("comparison", "laion_hr_high_res_2048", "laion_hr_top_20m", *groups):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    _picture(page, "asset_graph")


def test_a_materialised_part_shows_its_columns_checks_and_plots(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/laion_hr/validated_metadata")
    for text in ("declared_width", "similarity", "laion_hr_metadata"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Plots").click()
    for figure in ("dagster/partition_row_count", "rows_in", "share_flagged"):
        expect(page.get_by_text(figure, exact=True).first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.goto(f"{ui}/assets/laion_hr/validated_metadata?view=checks&checkDetail=contract")
    for check in ("contract", "row_accounting", "share_url_missing"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()


@live
def test_the_data_docs_of_a_part_open_from_their_link(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/laion_hr/validated_metadata?view=checks&checkDetail=contract")
    with page.expect_popup() as opened:
        page.locator("a[href$='.html']", has_text="metadata_profile/contract/part-").first.click()
    docs = opened.value
    expect(docs.get_by_role("heading", name="Expectation Validation Result")).to_be_visible()
    assert "share_url_missing" in docs.content()
    docs.close()


def test_the_below_1024_check_tells_the_kinds_apart(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/laion_hr/dimension_probes?view=checks&checkDetail=below_1024_anomaly")
    for kind in ("straddles_buckets", "declared_below_minimum", "true_below_minimum", "declared_swapped"):
        expect(page.get_by_text(kind).first).to_be_visible()
    _picture(page, "below_1024_anomaly")


def test_the_analysis_picture_is_shown_in_the_asset(ui: str, page: Page) -> None:
    page.set_viewport_size({"width": 1600, "height": 2200})
    page.goto(f"{ui}/assets/laion_hr/resolution_statistics")
    expect(page.get_by_text("historical_too_small_share", exact=True).first).to_be_visible()
    _picture(page, "resolution_statistics")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("dialog").get_by_role("img", name="analysis")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 600


@live
def test_what_strangers_wrote_is_text_on_every_page_that_shows_it(ui: str, page: Page) -> None:
    for asset in ("validated_metadata", "quarantined_metadata", "dimension_sample", "dimension_probes"):
        for view in ("overview", "checks", "events"):
            page.goto(f"{ui}/assets/laion_hr/{asset}?view={view}")
            expect(page.get_by_text(asset, exact=True).first).to_be_visible()
            page.wait_for_load_state("networkidle")
    page.goto(f"{ui}/assets/laion_hr/dimension_probes?view=checks&checkDetail=below_1024_anomaly")
    expect(page.get_by_text("http://evil.test/").first).to_be_visible()
    assert page.locator("img[src*='evil.test'], a[href^='javascript:']").count() == 0


@live
@pytest.mark.parametrize("name", ["laion_hr_discovery", "laion_hr_link_health_weekly"])
def test_a_sensor_and_a_schedule_are_switched_on_and_off(ui: str, page: Page, name: str) -> None:
    page.goto(f"{ui}/automation")
    switch = _switch(page, name)
    expect(switch).not_to_be_checked()
    switch.locator("xpath=ancestor::label").click()
    expect(switch).to_be_checked()
    page.reload()
    expect(switch).to_be_checked()
    switch.locator("xpath=ancestor::label").click()
    expect(switch).not_to_be_checked()
