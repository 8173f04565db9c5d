"""The Dagster UI in a real browser, as `make dev` opens it, on a smaller sandbox.

`make pictures` sets ``LAION_ASSETS_PICTURES``: then it is the demo's home that is opened, and the pictures that the
README shows are left in the folder of that name.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = os.environ.get("LAION_ASSETS_PICTURES")
PARTS, ROWS_PER_PART, PORT = (4, 8000, 18080) if PICTURES else (2, 1500, 0)
READY_S = 90
LAUNCHED_S = 120
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


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a UI with a sandbox beside it."""
    folder = Path("demo").resolve() if PICTURES else tmp_path_factory.mktemp("home")
    port = free_port()
    code = (
        "import sys; from pathlib import Path; from rich.console import Console; "
        "from laion_assets.dev import run_dev; from laion_assets.home import Home; "
        "from laion_assets.sandbox.spec import SandboxSpec; "
        f"spec = SandboxSpec(parts={PARTS}, rows_per_part={ROWS_PER_PART}, port={PORT}); "
        "sys.exit(run_dev(Home(Path(sys.argv[1])), Console(), source=None, host='127.0.0.1', port=int(sys.argv[2]), "
        "spec=spec))"
    )
    log = tmp_path_factory.mktemp("log") / "dev.log"
    with (
        log.open("wb") as out,
        subprocess.Popen([sys.executable, "-c", code, str(folder), str(port)], stdout=out, stderr=out) as process,
    ):
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
    opened.on("request", lambda request: None if _is_ours(request.url) else elsewhere.append(request.url))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield opened
    opened.close()
    assert elsewhere == []
    assert errors == []


def run_statuses(ui: str) -> list[str]:
    query = "{ runsOrError { ... on Runs { results { status } } } }"
    request = urllib.request.Request(  # noqa: S310 (ours)
        f"{ui}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 (ours)
        return [run["status"] for run in json.load(answer)["data"]["runsOrError"]["results"]]


def _is_ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def _picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(4000)
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


@pytest.mark.skipif(bool(PICTURES), reason="the demo has run already")
def test_all_parts_are_there_at_once_and_a_backfill_of_them_completes(ui: str, page: Page) -> None:
    page.goto(f"{ui}/locations/laion_assets/jobs/laion_hr_parts")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="All", exact=True).click()
    expect(dialog.get_by_text(f"{PARTS} partitions")).to_be_visible()
    dialog.get_by_role("button", name="Launch").click()
    expect(dialog).not_to_be_visible()

    for _ in range(LAUNCHED_S):
        if (statuses := run_statuses(ui)) == ["SUCCESS"] * PARTS or "FAILURE" in statuses:
            break
        time.sleep(1)
    assert run_statuses(ui) == ["SUCCESS"] * PARTS
    page.goto(f"{ui}/assets/laion_hr/validated_metadata?view=partitions")
    expect(page.get_by_text("part-00000").first).to_be_visible()
    expect(page.get_by_text(f"Materialized ({PARTS})").first).to_be_visible()


def test_the_graph_shows_the_chain_in_its_groups(ui: str, page: Page) -> None:
    groups = ["laion_hr_metadata", "laion_hr_analysis", "laion_hr_vlm_1024"]
    expanded = quote(",".join(f"global@global:{group}" for group in groups))
    page.set_viewport_size({"width": 1900, "height": 1250})
    page.goto(f"{ui}/asset-groups?expanded={expanded}")
    for asset in ("raw_metadata", "validated_metadata", "dimension_sample", "dimension_probes", "shards", "index"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    _picture(page, "asset_graph")


def test_a_materialised_part_shows_its_columns_and_checks(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/laion_hr/validated_metadata")
    for text in ("declared_width", "similarity", "laion_hr_metadata"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    page.goto(f"{ui}/assets/laion_hr/validated_metadata?view=checks")
    for check in ("contract", "row_accounting"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()


@pytest.mark.skipif(not PICTURES, reason="shows what the demo found")
def test_the_demo_s_findings_are_shown(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/laion_hr/dimension_probes?view=checks&checkDetail=below_1024_anomaly")
    expect(page.get_by_text("straddles_buckets").first).to_be_visible()
    _picture(page, "below_1024_anomaly")
    page.set_viewport_size({"width": 1600, "height": 2200})
    page.goto(f"{ui}/assets/laion_hr/resolution_statistics")
    expect(page.get_by_text("historical_too_small_share", exact=True).first).to_be_visible()
    _picture(page, "resolution_statistics")
