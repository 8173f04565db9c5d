"""Probing the sandbox's web over real sockets: every URL one outcome, the right one, and no size that is not true."""

import gc
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import polars as pl
import psutil
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.probes.asking import FLUSH_INTERVAL_S
from laion_assets.probes.probe import PROGRESS_INTERVAL_S, probe_panel, probe_sample
from laion_assets.probes.progress import Progress
from laion_assets.probes.reading import Reading
from laion_assets.probes.schema import PROBE_SCHEMA
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import STORE_SCHEMA, ProbeStore
from laion_assets.probes.workers import WorkerError, _Worker, deal
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.spec import WebSpec
from laion_assets_tests import warm
from laion_assets_tests.probes.conftest import PROBES_KEY, Round
from laion_assets_tests.probes.killed import probe
from laion_assets_tests.probes.pictures import exif, painted, saved, tiff_with_directory_at_end

NOW = datetime.now(timezone.utc)


# --- one round over every fault of the sandbox ------------------------------------------------------------------------


def test_every_url_has_exactly_one_outcome_and_it_is_the_expected_one(whole_round: Round) -> None:
    rows = whole_round.rows
    assert rows.height == whole_round.run.asked >= 10_000
    assert rows["outcome"].null_count() == 0
    wrong = rows.filter(pl.col("outcome") != pl.col("expected_outcome"))
    assert wrong.select("fault", "outcome", "expected_outcome", "error").rows() == []


def test_every_kind_of_fault_was_met(whole_round: Round) -> None:
    assert whole_round.rows["fault"].n_unique() >= 60
    assert set(whole_round.rows["outcome"]) >= {
        "ok", "not_found", "forbidden", "rejected", "dns_failed", "refused", "tls_failed", "redirect_loop",
        "not_an_image", "rate_limited", "server_error", "connection_lost", "timed_out", "opted_out",
        "blocked_address", "resolver_failed", "invalid_url",
    }  # fmt: skip


def test_every_size_is_the_true_one(whole_round: Round) -> None:
    ok = whole_round.rows.filter(pl.col("outcome") == "ok")
    wrong = ok.filter(
        (pl.col("true_width") != pl.col("true_width_truth"))
        | (pl.col("true_height") != pl.col("true_height_truth"))
        | (pl.col("format") != pl.col("format_truth"))
    )
    assert ok.height > 8_000
    assert wrong.height == 0
    assert (
        whole_round.rows.filter(pl.col("outcome") != "ok")["true_width"].null_count()
        == whole_round.rows.height - ok.height
    )


def test_the_size_of_the_file_is_the_true_one_where_the_server_is_honest(whole_round: Round) -> None:
    honest = whole_round.rows.filter((pl.col("outcome") == "ok") & (pl.col("fault") == "none"))
    assert honest["file_bytes"].null_count() == 0
    assert honest.filter(pl.col("file_bytes") != pl.col("file_bytes_truth")).height == 0


def test_images_are_settled_without_reading_them_whole(whole_round: Round) -> None:
    ok = whole_round.rows.filter((pl.col("outcome") == "ok") & (pl.col("fault") == "none"))
    # No goal for speed here, but one for manners: 8 KB per image of the web-like mix.
    assert ok["bytes_read"].mean() < 8_000  # type: ignore[operator]
    large = ok.filter(pl.col("file_bytes") > 100_000)
    # Some of the sandbox's files are little more than a colour profile of 180 KB in front of the size.
    assert (large["bytes_read"] < large["file_bytes"]).mean() >= 0.99  # type: ignore[operator]
    assert ok["requests"].mean() < 1.2  # type: ignore[operator]


def test_opted_out_images_are_marked_and_nothing_is_said_about_them(whole_round: Round) -> None:
    out = whole_round.rows.filter(pl.col("outcome") == "opted_out")
    assert out.height > 0
    assert out["opted_out"].all()
    assert out["true_width"].null_count() == out.height
    assert not whole_round.rows.filter(pl.col("outcome") != "opted_out")["opted_out"].any()


def test_failures_keep_their_raw_error_in_one_short_line(whole_round: Round) -> None:
    failed = whole_round.rows.filter(pl.col("outcome") != "ok")
    assert failed["error"].null_count() == 0
    assert failed["error"].str.len_chars().max() <= 300  # type: ignore[operator]
    assert not failed["error"].str.contains(r"[\x00-\x1f]").any()


def test_no_url_takes_longer_than_the_deadline(whole_round: Round, web: WebSpec) -> None:
    assert whole_round.rows["seconds"].max() < web.deadline_s + 1  # type: ignore[operator]


def test_memory_stays_flat(whole_round: Round) -> None:
    assert whole_round.rss_grown_bytes < 300_000_000


def test_progress_tells_how_far_it_is(whole_round: Round) -> None:
    last = whole_round.progress[-1]
    assert (last.done, last.total, last.reused) == (whole_round.run.asked, whole_round.run.asked, 0)
    assert sum(last.outcomes.values()) == last.done
    assert [one.done for one in whole_round.progress] == sorted(one.done for one in whole_round.progress)
    assert len(whole_round.progress) >= whole_round.run.seconds / PROGRESS_INTERVAL_S * 0.4


def test_a_line_of_progress_reads_well() -> None:
    progress = Progress(
        1500, 10_000, 200, 10.0, {"ok": 1200, "not_found": 200, "timed_out": 60, "dns_failed": 30, "refused": 10}
    )
    assert str(progress) == (
        "1,500 of 10,000 probed (150/s, 57 s left, 200 known already): "
        "ok 1,200, not_found 200, timed_out 60, dns_failed 30, 1 other outcome"
    )
    assert str(Progress(0, 5, 0, 0.0)) == "0 of 5 probed (0/s): none yet"
    assert str(Progress(0, 0, 7, 0.0)) == "nothing to probe, 7 known already"


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.fixture
def fine(truth: pl.DataFrame) -> pl.DataFrame:
    return (
        truth.filter((pl.col("fault") == "none") & (pl.col("expected_outcome") == "ok"))
        .select("part", "row", "url")
        .head(300)
    )


def test_a_repeated_run_asks_nothing_and_says_the_same(fine: pl.DataFrame, web: WebSpec, store: ProbeStore) -> None:
    first = probe_sample(fine, web=web, spec=ProbeSpec(), store=store)
    again = probe_sample(fine, web=web, spec=ProbeSpec(), store=store)
    assert (first.asked, first.reused) == (300, 0)
    assert (again.asked, again.reused, again.requests) == (0, 300, 0)
    assert again.frame.equals(first.frame)


def test_a_larger_sample_asks_only_what_is_new(fine: pl.DataFrame, web: WebSpec, store: ProbeStore) -> None:
    probe_sample(fine.head(200), web=web, spec=ProbeSpec(), store=store)
    run = probe_sample(fine, web=web, spec=ProbeSpec(), store=store)
    assert (run.asked, run.reused) == (100, 200)
    assert run.frame.height == 300
    assert run.frame["outcome"].null_count() == 0


def test_a_url_in_two_rows_is_asked_once(fine: pl.DataFrame, web: WebSpec, store: ProbeStore) -> None:
    twice = pl.concat([fine.head(10), fine.head(10).with_columns(part=pl.lit("part-99999"))])
    run = probe_sample(twice, web=web, spec=ProbeSpec(), store=store)
    assert run.asked == 10
    assert run.frame.height == 20
    assert run.frame["true_width"].null_count() == 0


def test_an_empty_sample_asks_nothing(fine: pl.DataFrame, web: WebSpec, store: ProbeStore) -> None:
    run = probe_sample(fine.clear(), web=web, spec=ProbeSpec(), store=store)
    assert run.asked == run.frame.height == 0
    assert set(PROBE_SCHEMA) <= set(run.frame.columns)


@pytest.mark.parametrize("before", [True, False])
def test_what_somebody_set_aside_from_garbage_collection_stays_so(
    fine: pl.DataFrame, web: WebSpec, store: ProbeStore, *, before: bool
) -> None:
    gc.unfreeze()
    try:
        if before:
            gc.freeze()
        with mock.patch.object(gc, "freeze", wraps=gc.freeze) as freeze:
            probe_sample(fine.head(3), web=web, spec=ProbeSpec(), store=store)
        assert freeze.called != before
        assert (gc.get_freeze_count() > 10_000) == before
    finally:
        gc.freeze()  # the worker of the tests has much that stays


def kept(*results: tuple[str, str, float]) -> pl.DataFrame:
    """Results as (url, outcome, age in days)."""
    rows = [{"url": url, "outcome": outcome, "probed_at": NOW - timedelta(days=age)} for url, outcome, age in results]
    return pl.DataFrame(rows, schema=STORE_SCHEMA)


@contextmanager
def saying(*headers: bytes) -> Iterator[str]:
    """A web server that answers everything with a page and these header lines; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"Content-Length: 13", b"", b"<html></html>"]))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_server_says_of_itself_neither_ends_the_run_nor_reaches_a_terminal(
    web: WebSpec, store: ProbeStore, processes: int
) -> None:
    with saying(b"Content-Type: text/html; charset=\xe9\x1b[31m") as address:
        urls = pl.DataFrame({"url": [f"{address}/1", f"{address}/2"]})
        run = probe_sample(urls, web=web, spec=ProbeSpec(processes=processes), store=store)
    assert run.frame["outcome"].to_list() == ["not_an_image"] * 2
    assert run.frame["error"].to_list() == ["html (as text/html; charset= [31m)"] * 2
    assert store.newest().sort("url")["error"].to_list() == run.frame["error"].to_list()


def test_hosts_are_spread_over_the_whole_run(web: WebSpec, store: ProbeStore) -> None:
    # Nothing can be asked at these URLs, so they are answered in the order in which they are asked.
    hosts, each = 10, 100
    urls = [f"ftp://host-{host}.example/{number}.jpg" for host in range(hosts) for number in range(each)]
    probe_sample(pl.DataFrame({"url": urls}), web=web, spec=ProbeSpec(processes=1), store=store)
    order = store.newest().sort("probed_at", maintain_order=True)["url"].str.extract(r"host-(\d)")
    assert order.len() == hosts * each
    for begin in range(0, hosts * each, each):
        # Of a hundred URLs some ten are of each host; in the order of their names they would all be of one.
        counts = order.slice(begin, each).value_counts()
        assert counts.height == hosts
        assert counts["count"].to_numpy().max() < 30


def test_what_is_believed_and_for_how_long_depends_on_the_outcome(web: WebSpec, store: ProbeStore) -> None:
    cases = [
        ("ok", 29, False), ("ok", 31, True),
        ("not_found", 29, False), ("not_found", 31, True),
        ("timed_out", 0.9, False), ("timed_out", 1.1, True),
        ("server_error", 0.9, False), ("server_error", 1.1, True),
        ("resolver_failed", 0, True), ("network_unreachable", 0, True), ("failed_here", 0, True),
        ("never asked", 0, True),
    ]  # fmt: skip
    # Nothing can be asked at these URLs, so those asked again say invalid_url.
    urls = [f"ftp://host-{number:02}.example/a.jpg" for number in range(len(cases))]
    store.append(kept(*((url, outcome, age) for url, (outcome, age, _) in zip(urls[:-1], cases[:-1], strict=True))))
    run = probe_sample(pl.DataFrame({"url": urls}), web=web, spec=ProbeSpec(), store=store, now=NOW)
    asked_again = [outcome == "invalid_url" for outcome in run.frame["outcome"]]
    assert asked_again == [asked for *_, asked in cases]
    # What is asked again because it failed says nothing about how well this run could ask.
    assert sorted(run.afresh) == [urls[1], urls[3], urls[-1]]


def test_the_newest_result_counts(web: WebSpec, store: ProbeStore) -> None:
    url = "ftp://host.example/a.jpg"
    store.append(kept((url, "ok", 1)))
    store.append(kept((url, "not_found", 5)))
    run = probe_sample(pl.DataFrame({"url": [url]}), web=web, spec=ProbeSpec(), store=store, now=NOW)
    assert run.frame["outcome"].to_list() == ["ok"]


def test_a_panel_is_asked_again_whatever_is_known(truth: pl.DataFrame, web: WebSpec, store: ProbeStore) -> None:
    sample = (
        truth.filter((pl.col("fault") == "none") & (pl.col("expected_outcome") == "ok"))
        .select("part", "row", "url")
        .head(400)
    )
    probe_sample(sample, web=web, spec=ProbeSpec(), store=store)
    panel = probe_panel(sample, rows=50, seed=0, web=web, spec=ProbeSpec(), store=store)
    again = probe_panel(sample.head(350), rows=50, seed=0, web=web, spec=ProbeSpec(), store=store)
    assert panel.asked == again.asked == panel.frame.height == 50
    common = panel.frame.join(again.frame, on=["part", "row"], how="semi").height
    assert common >= 40
    assert store.newest().height == 400


def test_a_run_killed_with_sigkill_loses_at_most_a_few_seconds(
    truth: pl.DataFrame, web: WebSpec, tmp_path: Path
) -> None:
    # One request at a time, and some of them are answered slowly: the run lasts long enough to be killed.
    fine = truth.filter((pl.col("fault") == "none") & (pl.col("expected_outcome") == "ok"))["url"].head(1_500)
    slow = truth.filter(pl.col("fault") == "slow_first_byte")["url"]
    urls = pl.concat([fine, slow])
    (tmp_path / "urls.json").write_text(json.dumps(urls.to_list()))
    lake = Lake(str(tmp_path / "lake"))
    store = ProbeStore(lake, PROBES_KEY)
    child = warm.start(probe, lake.base_uri, tmp_path / "urls.json", web.nameservers[0], 1)
    first = int(child.line())
    # What was done at the first report has been flushed by the next flush, two seconds later at most.
    time.sleep(FLUSH_INTERVAL_S + 1.5)
    assert child.kill() == -signal.SIGKILL
    survived = store.newest()
    assert survived.height >= first > 0
    assert survived.height < len(urls), "the run was over before it was killed"
    run = probe_sample(pl.DataFrame({"url": urls}), web=web, spec=ProbeSpec(), store=store)
    assert (run.asked, run.reused) == (len(urls) - survived.height, survived.height)
    assert run.frame["outcome"].unique().to_list() == ["ok"]


def test_several_processes_find_the_same_as_one_however_late_they_are_heard(
    truth: pl.DataFrame, web: WebSpec, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = _Worker.listen

    def late(worker: _Worker) -> None:
        worker.process.wait()
        time.sleep(0.2)
        listen(worker)

    monkeypatch.setattr(_Worker, "listen", late)
    rows = (
        truth.filter(pl.col("fault").is_in(["none", "not_found", "html_page"])).select("part", "row", "url").head(900)
    )
    progress: list[Progress] = []
    one = probe_sample(rows, web=web, spec=ProbeSpec(), store=ProbeStore(lake, ["one"]))
    three = probe_sample(
        rows, web=web, spec=ProbeSpec(processes=3), store=ProbeStore(lake, ["three"]), on_progress=progress.append
    )
    steady = ["part", "row", "url", "outcome", "http_status", "true_width", "true_height", "format", "file_bytes"]
    assert three.frame.select(steady).equals(one.frame.select(steady))
    assert (three.asked, progress[-1].done) == (one.asked, one.asked)
    assert dict(progress[-1].outcomes) == dict(one.frame["outcome"].value_counts().iter_rows())


def test_a_host_is_asked_by_one_process_only(truth: pl.DataFrame) -> None:
    urls = [*truth["url"].to_list(), "http://[", "UNLIKELY", "https://a.shop.example/1", "https://b.shop.example/2"]
    shares = deal(urls, 3)
    assert sorted(url for share in shares for url in share) == sorted(urls)
    hosts = [{url.split("/")[2] for url in share if url.count("/") > 2} for share in shares]
    assert not hosts[0] & hosts[1] | hosts[0] & hosts[2] | hosts[1] & hosts[2]
    assert any({"a.shop.example", "b.shop.example"} <= share for share in hosts)


@pytest.mark.parametrize(
    "spellings",
    [
        ["http://shop.example/1", "http://shop.example./2", "http://SHOP.example:8080/3", "ftp://me@shop.example/4"],
        ["http://127.0.0.1/1", "http://2130706433/2", "http://0x7f.1/3"],
        ["http://bücher.example/1", "http://xn--bcher-kva.example/2", "http:\\\\xn--bcher-kva.example/3"],
    ],
)
def test_a_host_is_one_however_it_is_written(spellings: list[str]) -> None:
    # Of 64 shares any two hosts would hardly share one.
    assert sorted(map(len, deal(spellings, 64)))[-2:] == [0, len(spellings)]


def test_workers_end_with_their_parent_and_keep_what_they_learned(
    truth: pl.DataFrame, web: WebSpec, tmp_path: Path
) -> None:
    urls = truth.filter(pl.col("fault").is_in(["none", "slow_first_byte", "silent"]))["url"]
    (tmp_path / "urls.json").write_text(json.dumps(urls.to_list()))
    lake = Lake(str(tmp_path / "lake"))
    parent = warm.start(probe, lake.base_uri, tmp_path / "urls.json", web.nameservers[0], 2)
    done = int(parent.line())
    workers = psutil.Process(parent.pid).children()
    assert len(workers) == 2
    assert parent.kill() == -signal.SIGKILL
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    assert ProbeStore(lake, PROBES_KEY).newest().height >= done > 0


def test_a_worker_that_is_killed_ends_the_run_with_a_sentence(
    truth: pl.DataFrame, web: WebSpec, store: ProbeStore
) -> None:
    rows = truth.filter(pl.col("fault").is_in(["none", "slow_first_byte", "silent"])).select("url")

    def at_work() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if "probes.worker" in " ".join(child.cmdline())]

    def kill_one(progress: Progress) -> None:
        if progress.done < progress.total:
            at_work()[0].kill()

    with pytest.raises(WorkerError, match=r"ended with -9: without a word\. What was learned until then is kept"):
        probe_sample(
            rows,
            web=web.model_copy(update={"concurrency": 4}),
            spec=ProbeSpec(processes=2),
            store=store,
            on_progress=kill_one,
        )
    assert at_work() == []


def test_results_that_cannot_be_kept_end_the_run_with_the_reason(fine: pl.DataFrame, web: WebSpec, lake: Lake) -> None:
    folder = Path(lake.base_uri) / "laion_hr" / "dimension_probes"
    folder.mkdir(parents=True)
    (folder / "kept_probes").write_text("a file where a folder should be")
    with pytest.raises((OSError, RuntimeError, ValueError), match="kept_probes"):
        probe_sample(fine, web=web, spec=ProbeSpec(), store=ProbeStore(lake, PROBES_KEY))


# --- how far is read, and what an answer is called --------------------------------------------------------------------


def test_no_more_is_read_than_the_header_needs() -> None:
    complete = False
    plain = saved(painted(2000, 1500), "JPEG")
    assert Reading(ProbeSpec())(plain[:4096], complete) is None
    exif_10k = saved(painted(2000, 1500), "JPEG", exif=exif(filler=10_000))
    more = Reading(ProbeSpec())
    wanted = more(exif_10k[:4096], complete)
    assert wanted is not None
    assert 10_000 < wanted < 32_000
    assert more(exif_10k[:wanted], complete) is None


def test_what_lies_beyond_the_cap_is_not_asked_for() -> None:
    complete = False
    scan = tiff_with_directory_at_end(1000, 900)
    assert Reading(ProbeSpec())(scan[:4096], complete) == 900_010 + 16_384
    assert Reading(ProbeSpec(max_prefix_bytes=500_000))(scan[:4096], complete) is None
    assert Reading(ProbeSpec(max_prefix_bytes=900_100))(scan[:4096], complete) == 900_100


def test_reading_on_always_ends() -> None:
    complete = False
    spec = ProbeSpec()
    more = Reading(spec)
    endless = b"\xff\xd8" + b"\xff\xfe\xff\xff" + bytes(spec.max_prefix_bytes * 2)
    have, steps = spec.first_prefix_bytes, 0
    while (wanted := more(endless[:have], complete)) is not None and have < spec.max_prefix_bytes:
        assert have < wanted <= spec.max_prefix_bytes
        have, steps = wanted, steps + 1
    assert steps < 10


def answer(
    body: bytes = b"", *, outcome: Outcome = Outcome.OK, complete: bool = True, error: str | None = None
) -> Answer:
    return Answer(
        outcome=outcome,
        error=error,
        http_status=200,
        body=body,
        complete=complete,
        content_type="image/jpeg",
        final_url="http://host.example/a.jpg",
        final_host="host.example",
        file_bytes=len(body) if complete else None,
        bytes_read=len(body),
        requests=1,
        seconds=0.1,
        opted_out=outcome is Outcome.OPTED_OUT,
    )


@pytest.mark.parametrize(
    ("found", "outcome", "format_", "error"),
    [
        (answer(saved(painted(61, 47), "PNG")), "ok", "png", None),
        (answer(b"<html></html>"), "not_an_image", None, "html (as image/jpeg)"),
        (answer(b""), "not_an_image", None, "empty (as image/jpeg)"),
        (
            answer(saved(painted(61, 47), "JPEG", exif=exif(filler=5000))[:3000]),
            "truncated",
            "jpeg",
            "jpeg: the file ends before its size",
        ),
        (
            answer(tiff_with_directory_at_end(1000, 900)[:4096], complete=False),
            "unknown_size",
            "tiff",
            "tiff: the size lies beyond the first 4096 bytes, at 900010 or later",
        ),
        (answer(b"8BPS" + bytes(60)), "unknown_size", "psd", "psd: sizes of psd files are not read"),
        (answer(outcome=Outcome.NOT_FOUND, error="404 Not Found"), "not_found", None, "404 Not Found"),
        (answer(outcome=Outcome.OPTED_OUT, error="noai"), "opted_out", None, "noai"),
    ],
)
def test_an_answer_is_called_by_what_its_bytes_are(
    found: Answer, outcome: str, format_: str | None, error: str | None
) -> None:
    result = Reading(ProbeSpec()).result(found, probed_at=NOW)
    assert (result["outcome"], result["format"], result["error"]) == (outcome, format_, error)
    assert list(result) == list(PROBE_SCHEMA)
    assert (result["true_width"], result["true_height"]) == ((61, 47) if outcome == "ok" else (None, None))


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    found = replace(answer(b"<html></html>"), content_type="text/html; charset=\udce9\x1b[31m")
    assert Reading(ProbeSpec()).result(found, probed_at=NOW)["error"] == "html (as text/html; charset= [31m)"
