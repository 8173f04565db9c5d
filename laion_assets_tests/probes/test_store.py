"""What was learned survives: kills, other runs, and its own housekeeping."""

import itertools
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.probes.store import FOLDER, STORE_SCHEMA, ProbeStore
from laion_assets_tests.probes.conftest import PROBES_KEY

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def results(*urls: str, outcome: str = "ok", after_s: float = 0) -> pl.DataFrame:
    rows = [{"url": url, "outcome": outcome, "probed_at": START + timedelta(seconds=after_s)} for url in urls]
    return pl.DataFrame(rows, schema=STORE_SCHEMA)


def outcomes(store: ProbeStore) -> dict[str, str]:
    return dict(store.newest().select("url", "outcome").iter_rows())


def segments(store: ProbeStore) -> list[Path]:
    return sorted((Path(store.lake.base_uri).joinpath(*store.asset) / FOLDER).glob("*.parquet"))


def test_an_empty_store_knows_nothing(store: ProbeStore) -> None:
    assert store.newest().height == 0
    assert store.newest().schema == pl.Schema(STORE_SCHEMA)
    store.compact()
    store.forget(pl.Series(["a"]))
    assert store.newest().height == 0


def test_what_is_appended_is_there_for_another_reader(store: ProbeStore) -> None:
    store.append(results("a", "b"))
    assert outcomes(ProbeStore(Lake(store.lake.base_uri), PROBES_KEY)) == {"a": "ok", "b": "ok"}


def test_the_newest_result_of_a_url_counts_in_whatever_order_they_came(store: ProbeStore) -> None:
    store.append(results("a", outcome="ok", after_s=5))
    store.append(results("a", outcome="not_found", after_s=1))
    store.append(results("b", outcome="ok", after_s=1))
    store.append(results("b", outcome="not_found", after_s=5))
    assert outcomes(store) == {"a": "ok", "b": "not_found"}
    store.compact()
    assert outcomes(store) == {"a": "ok", "b": "not_found"}


def test_compacting_leaves_one_segment_and_the_same_results(store: ProbeStore) -> None:
    for number in range(10):
        store.append(results(f"url-{number}", "shared", after_s=number))
    before = store.newest()
    store.compact()
    assert len(segments(store)) == 1
    assert store.newest().equals(before)


def test_segments_do_not_pile_up(store: ProbeStore) -> None:
    for number in range(90):
        store.append(results(f"url-{number}"))
    assert len(segments(store)) < 70
    assert store.newest().height == 90


def test_a_kill_in_the_middle_of_compacting_does_no_harm(store: ProbeStore) -> None:
    store.append(results("a", outcome="not_found"))
    store.append(results("a", outcome="ok", after_s=9))
    old = {path: path.read_bytes() for path in segments(store)}
    before = store.newest()
    store.compact()
    # The new segment was written, the old ones not yet all deleted.
    for path, content in old.items():
        path.write_bytes(content)
        assert store.newest().equals(before)
    store.compact()
    assert store.newest().equals(before)
    assert len(segments(store)) == 1


def test_forgotten_results_are_gone_and_others_are_not(store: ProbeStore) -> None:
    store.append(results("a", "b"))
    store.append(results("b", "c", after_s=1))
    store.forget(pl.Series(["b", "unknown"]))
    assert outcomes(store) == {"a": "ok", "c": "ok"}


@pytest.mark.parametrize("forgotten", [[], ["b"]], ids=["reading", "forgetting"])
def test_it_waits_for_another_run_that_deletes_what_it_replaced(
    store: ProbeStore, monkeypatch: pytest.MonkeyPatch, forgotten: list[str]
) -> None:
    """As long as one file after the other is gone between being listed and being read."""
    store.append(results("a", *forgotten))
    names, left = Lake.list_names, iter(range(30))

    def with_one_that_goes(lake: Lake, key: Sequence[str], ending: str) -> list[str]:
        gone = [f"{number}.parquet" for number in itertools.islice(left, 1)]
        return [*names(lake, key, ending), *gone]

    monkeypatch.setattr(Lake, "list_names", with_one_that_goes)
    if forgotten:
        store.forget(pl.Series(forgotten))
    else:
        store.newest()
    assert next(left, None) is None
    assert store.newest()["url"].to_list() == ["a"]


def test_runs_side_by_side_lose_nothing(store: ProbeStore) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            own = ProbeStore(Lake(store.lake.base_uri), PROBES_KEY)
            for number in range(25):
                own.append(results(f"{name}-{number}"))
                own.newest()
        except BaseException as failure:  # noqa: BLE001 - reported below
            failures.append(failure)

    workers = [threading.Thread(target=work, args=(name,)) for name in ("one", "two", "three")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert store.newest().height == 75


@pytest.mark.parametrize("column", list(STORE_SCHEMA))
def test_every_column_comes_back_as_it_went_in(store: ProbeStore, column: str) -> None:
    row = {
        "url": "http://host.example/ä.jpg", "outcome": "ok", "error": "\u2028 odd", "http_status": 206,
        "true_width": 61, "true_height": 47, "format": "jpeg", "exif_orientation": 6, "file_bytes": 2**40,
        "bytes_read": 4096, "requests": 2, "seconds": 0.25, "final_host": "cdn.example", "opted_out": False,
        "probed_at": START,
    }  # fmt: skip
    store.append(pl.DataFrame([row], schema=STORE_SCHEMA))
    assert store.newest()[column].to_list() == [row[column]]
