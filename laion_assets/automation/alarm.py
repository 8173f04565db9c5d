"""Where a failure is told: into the log, to a webhook, or to a sink of one's own.

A sink is anything with ``tell``. Which one is used is a resource of the code location, so that a deployment that wants
mail or a pager puts its own in place of ours.
"""

import functools
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from typing import Protocol

import dagster as dg
from pydantic import Field

from laion_assets import __version__
from laion_assets.automation.deadline import DeadlineError, before_deadline
from laion_assets.automation.failure import Failure, first_failure

WEBHOOK_VARIABLE = "LAION_ASSETS_ALARM_WEBHOOK"
UI_VARIABLE = "LAION_ASSETS_UI_URL"
DEFAULT_UI = "http://127.0.0.1:3000"


class AlarmError(RuntimeError):
    """A sink could not be reached; the message names no address, since a webhook's address is its password."""


class AlarmSink(Protocol):
    """Somebody to be told."""

    def tell(self, failure: Failure) -> None:
        """Pass a failure on.

        Raises:
            AlarmError: nobody was told.
        """


@dataclass(frozen=True)
class LogSink:
    """Writes one line per failure."""

    log: logging.Logger

    def tell(self, failure: Failure) -> None:
        """Write the line."""
        self.log.error("%s", failure)


@dataclass(frozen=True)
class WebhookSink:
    """Posts JSON: ``text`` as chat services read it, and each word of the failure by its name."""

    url: str = field(repr=False)
    attempts: int = 3
    pause_s: float = 1.0
    timeout_s: float = 5.0
    deadline_s: float = 8.0
    """For everything together: Dagster tells of five failed runs in a tick, and begins it again after a minute."""

    def tell(self, failure: Failure) -> None:
        """Post, and post again when that fails: a tick comes back to a failed run only once."""
        body = json.dumps({"text": _without_markup(str(failure)), **asdict(failure)}).encode()
        try:
            before_deadline(functools.partial(self._insist, body), deadline_s=self.deadline_s)
        except DeadlineError as error:
            raise _not_taken(str(error)) from None

    def _insist(self, body: bytes) -> None:
        finding = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            try:
                self._post(body)
            except urllib.error.HTTPError as error:
                finding = f"HTTP {error.code}"
                if error.code < 400:
                    finding += ", a redirect, which would lose the message"
                if error.code < 500 and error.code != 429:
                    break
            except (OSError, ValueError, http.client.HTTPException) as error:
                finding = type(error).__name__
            else:
                return
        raise _not_taken(finding)

    def _post(self, body: bytes) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("not an http(s) address")
        headers = {"Content-Type": "application/json", "User-Agent": f"laion-assets/{__version__}"}
        request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310 (checked above)
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=self.timeout_s) as answer:
            answer.read(1)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Followed, a redirect turns our POST into a GET without the message."""

    def redirect_request(self, *_: object) -> None:
        """Follow none: what was answered becomes an ``HTTPError``."""


class Alarm(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Tells failures to the log, and to the webhook of ``LAION_ASSETS_ALARM_WEBHOOK`` where that is set.

    Another sink: subclass, override ``sinks``, and give it to the code location as the resource ``alarm``.
    """

    webhook_variable: str = Field(
        default=WEBHOOK_VARIABLE, description="Environment variable with the webhook's address, which is a secret."
    )

    def sinks(self, log: logging.Logger) -> list[AlarmSink]:
        """Everybody to be told, the log first."""
        url = os.environ.get(self.webhook_variable, "").strip()
        return [LogSink(log), *([WebhookSink(url)] if url else [])]

    def tell(self, failure: Failure, log: logging.Logger) -> None:
        """Tell every sink; one that cannot be reached is noted in the log and keeps nobody else from being told."""
        for sink in self.sinks(log):
            try:
                sink.tell(failure)
            except AlarmError as error:  # noqa: PERF203 (a message costs a thousand times more)
                log.warning("%s", error)


def ui_url() -> str:
    """Where the UI is, as an operator reaches it."""
    return os.environ.get(UI_VARIABLE, "").strip() or DEFAULT_UI


def failure_sensor() -> dg.SensorDefinition:
    """The sensor that tells of every failed run of this code location; off until someone switches it on."""

    @dg.run_failure_sensor(
        name="failure_alarm",
        minimum_interval_seconds=30,
        description="Tells of every failed run: dataset, part, asset, first error, link. To the log, and to the "
        f"webhook of {WEBHOOK_VARIABLE} where that is set.",
    )
    def failure_alarm(context: dg.RunFailureSensorContext, alarm: Alarm) -> None:
        failure = first_failure(context.instance, context.dagster_run, ui_url=ui_url())
        alarm.tell(failure, context.log)

    return failure_alarm


def _not_taken(finding: str) -> AlarmError:
    return AlarmError(
        f"the webhook of {WEBHOOK_VARIABLE} did not take the message ({finding}). Check the variable and the host."
    )


def _without_markup(text: str) -> str:
    """Chat services take <…> for links and mentions; an error may quote what strangers wrote."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
