"""The Dagster UI of a test, as its user meets it: going from page to page, starting backfills, waiting for runs."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from playwright.sync_api import Page, Request, expect

ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
RUN_S = 180
# A page is drawn once a dozen requests were answered, by a machine that also runs the runs.
expect.set_options(timeout=60_000)


@dataclass
class Watched:
    """A page, and what it did that it should not have done."""

    page: Page
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    under_way: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin to watch."""
        on = self.page.on
        on("request", lambda request: None if _is_ours(request.url) else self.elsewhere.append(request.url))
        on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        on("dialog", lambda dialog: self.alerts.append(dialog.message))
        on("request", self._began)
        on("requestfinished", self._ended)
        on("requestfailed", self._ended)

    def _began(self, request: Request) -> None:
        self.under_way.add(request)

    def _ended(self, request: Request) -> None:
        self.under_way.discard(request)

    def wait_until_quiet(self) -> None:
        """Until nothing has been asked for half a second."""
        calm = 0
        while calm < 5:
            self.page.wait_for_timeout(100)
            calm = 0 if self.under_way else calm + 1


def visit(page: Page, address: str) -> None:
    """Go to a page of the UI, from another one as its own links do: without loading all scripts anew."""
    if page.url == "about:blank":
        page.goto(address)
    else:
        page.evaluate(
            "address => { history.pushState({}, '', address); dispatchEvent(new PopStateEvent('popstate')) }", address
        )


def leave(ui: str, page: Page) -> None:
    """Go where nothing moves: pages that follow runs ask and draw all the time, and slow down what is waited for."""
    visit(page, f"{ui}/deployment/config")


def runs(ui: str) -> list[Mapping[str, str]]:
    """Id, job, status, part and backfill of every run so far, the newest first."""
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
            **{
                name: next((tag["value"] for tag in run["tags"] if tag["key"] == f"dagster/{key}"), "")
                for name, key in (("part", "partition"), ("backfill", "backfill"))
            },
        }
        for run in found
    ]


def wait_until(ui: str, happened: Callable[[list[Mapping[str, str]]], bool]) -> list[Mapping[str, str]]:
    """The runs once they are as they should be."""
    deadline = time.monotonic() + RUN_S
    while not happened(found := runs(ui)):
        assert time.monotonic() < deadline, found
        time.sleep(1)
    return found


def ended(ui: str, count: int) -> list[Mapping[str, str]]:
    """The runs once there are so many of them and all have ended."""
    return wait_until(ui, lambda found: len(found) == count and {run["status"] for run in found} <= ENDED)


def launch(ui: str, page: Page, choice: str, chosen: int) -> None:
    """Start a backfill of parts with the buttons of their job."""
    visit(page, f"{ui}/locations/laion_assets/jobs/laion_hr_parts")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=choice, exact=True).click()
    expect(dialog.get_by_text(f"{chosen} partition{'' if chosen == 1 else 's'}", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Launch").click()
    expect(dialog).not_to_be_visible()
    leave(ui, page)


def _is_ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
