"""What is told of a failed run, and to whom."""

import logging
import socket
import threading

import dagster as dg
import pytest
from dagster._core.definitions.run_status_sensor_definition import _get_run_status_sensor_process_limit
from dagster._grpc.utils import default_sensor_grpc_timeout

from laion_assets.automation.alarm import (
    UI_VARIABLE,
    WEBHOOK_VARIABLE,
    Alarm,
    AlarmError,
    AlarmSink,
    WebhookSink,
    failure_sensor,
)
from laion_assets.automation.failure import Failure, first_failure
from laion_assets_tests.automation.conftest import SECRET_PATH, Chat, Toy

UI = "https://dagster.example"
FAILURE = Failure("toy", "p1", "toy/small/rows", "No space left on device.", "toy_parts", "run-1", f"{UI}/runs/run-1")


def failure_of(toy: Toy, result: dg.ExecuteInProcessResult) -> Failure:
    assert not result.success
    return first_failure(toy.instance, result.dagster_run, ui_url=f"{UI}/")


def test_a_failed_step_is_told_with_dataset_part_asset_first_cause_and_link(toy: Toy) -> None:
    toy.raising = {"p1"}
    failed = failure_of(toy, toy.run("toy_parts", "p1"))
    assert (failed.dataset, failed.part, failed.asset) == ("toy", "p1", "toy/small/rows")
    assert failed.error == "OSError: [Errno 28] No space left on device."
    assert failed.run_url == f"{UI}/runs/{failed.run_id}"
    for piece in ("toy/small/rows", "p1", "No space left on device", failed.run_url):
        assert piece in str(failed)


def test_a_failed_blocking_check_is_told_by_its_name_and_finding(toy: Toy) -> None:
    toy.broken = {"p2"}
    failed = failure_of(toy, toy.run("toy_parts", "p2"))
    assert (failed.part, failed.asset) == ("p2", "toy/validated_metadata")
    assert failed.error == "blocking check contract failed: a column is missing."


def test_a_run_that_ends_before_its_first_step_is_told_too(toy: Toy) -> None:
    run = toy.instance.get_run_by_id(toy.request("toy_parts", "p3"))
    assert run is not None
    toy.instance.report_run_failed(run, "its process 17 is gone")
    failed = first_failure(toy.instance, run, ui_url=UI)
    assert (failed.dataset, failed.part, failed.asset) == ("toy", "p3", "toy_parts")
    assert "its process 17 is gone" in failed.error


def test_the_webhook_gets_a_text_for_people_and_every_word_by_its_name(chat: Chat) -> None:
    WebhookSink(chat.url).tell(FAILURE)
    [message] = chat.posted
    assert message["text"] == str(FAILURE)
    assert {name: message[name] for name in ("dataset", "part", "asset", "error", "run_url")} == {
        "dataset": "toy",
        "part": "p1",
        "asset": "toy/small/rows",
        "error": "No space left on device.",
        "run_url": f"{UI}/runs/run-1",
    }


def test_what_strangers_wrote_calls_nobody_in_a_chat(chat: Chat) -> None:
    WebhookSink(chat.url).tell(Failure("toy", None, "a", "<!channel> & <https://evil.example|click>", "j", "r", UI))
    assert "<" not in chat.posted[0]["text"]


def test_a_webhook_that_fails_for_a_moment_is_asked_again(chat: Chat) -> None:
    chat.statuses = [503, 429]
    WebhookSink(chat.url, pause_s=0.01).tell(FAILURE)
    assert len(chat.posted) == 3


def test_a_webhook_that_refuses_is_not_asked_again_and_its_address_is_not_told(chat: Chat) -> None:
    chat.statuses = [404]
    with pytest.raises(AlarmError, match="HTTP 404") as caught:
        WebhookSink(chat.url, pause_s=0.01).tell(FAILURE)
    assert SECRET_PATH not in str(caught.value)
    assert len(chat.posted) == 1
    assert SECRET_PATH not in repr(WebhookSink(chat.url))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_webhook_that_redirects_is_not_followed_and_counts_as_not_told(chat: Chat, status: int) -> None:
    chat.statuses = [status]
    with pytest.raises(AlarmError, match=f"HTTP {status}, a redirect") as caught:
        WebhookSink(chat.url, pause_s=0.01).tell(FAILURE)
    assert SECRET_PATH not in str(caught.value)
    assert len(chat.posted) == 1
    assert chat.got == []


def test_what_is_no_http_at_all_is_named_and_the_address_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET_PATH}"
        with pytest.raises(AlarmError, match="BadStatusLine") as caught:
            WebhookSink(url, attempts=1).tell(FAILURE)
        answering.join()
    assert SECRET_PATH not in str(caught.value)


def test_a_webhook_that_never_answers_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET_PATH}"
        with pytest.raises(AlarmError, match=r"not done within 0\.05 s") as caught:
            WebhookSink(url, attempts=1, timeout_s=0.3, deadline_s=0.05).tell(FAILURE)
    assert SECRET_PATH not in str(caught.value)


def test_all_that_one_tick_tells_is_told_before_the_daemon_gives_the_tick_up() -> None:
    assert _get_run_status_sensor_process_limit() * WebhookSink("").deadline_s < default_sensor_grpc_timeout()


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:9/{SECRET_PATH}",
        f"http://127.0.0.1:9/in two {SECRET_PATH}",
        f"http://127.0.0.1:nine/{SECRET_PATH}",
        f"http://127.0.0.1:99999/{SECRET_PATH}",
        f"http://[::1/{SECRET_PATH}",
        f"file:///{SECRET_PATH}",
        SECRET_PATH,
    ],
)
def test_a_webhook_that_cannot_be_reached_keeps_the_log_from_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, url)
    monkeypatch.setattr(WebhookSink, "__init__", _quick)
    with caplog.at_level(logging.WARNING):
        Alarm().tell(FAILURE, logging.getLogger("toy"))
    assert str(FAILURE) in caplog.text
    assert "did not take the message" in caplog.text
    assert SECRET_PATH not in caplog.text


def _quick(sink: WebhookSink, url: str) -> None:
    for name, value in {"url": url, "attempts": 2, "pause_s": 0.0, "timeout_s": 1.0}.items():
        object.__setattr__(sink, name, value)


class Pager:
    """A sink of one's own."""

    told: list[Failure] = []  # noqa: RUF012 (for the test to look at)

    def tell(self, failure: Failure) -> None:
        self.told.append(failure)


class PagerAlarm(Alarm):
    """An alarm with that sink alone."""

    def sinks(self, log: logging.Logger) -> list[AlarmSink]:  # noqa: ARG002 (no log)
        return [Pager()]


def test_the_sensor_tells_a_sink_of_one_s_own(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(UI_VARIABLE, UI)
    toy.raising = {"p1"}
    result = toy.run("toy_parts", "p1")
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_alarm",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=toy.instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    failure_sensor()(context, alarm=PagerAlarm())
    assert [(one.part, one.asset) for one in Pager.told] == [("p1", "toy/small/rows")]
    assert Pager.told[0].run_url == f"{UI}/runs/{result.run_id}"
