"""Rows that failed in a way that may pass are tried again, into shards of their own."""

from collections import Counter

import polars as pl
import pytest
from aiohttp import web

from laion_assets.shards.index import read_index
from laion_assets.shards.layout import read_shards
from laion_assets.shards.spec import ShardsSpec
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, SmallWeb, image_bytes, planned_of


@pytest.fixture
def recovering(small_web: SmallWeb) -> list[str]:
    """30 rows: every third server is down until told otherwise, one is gone for good."""
    body = image_bytes(1100, 1040)
    down = {"now": True}

    async def flaky(_: web.Request) -> web.Response:
        return web.Response(status=503) if down["now"] else web.Response(body=body)

    async def recover(_: web.Request) -> web.Response:
        down["now"] = False
        return web.Response()

    urls = []
    for index in range(30):
        if index % 3 == 0:
            small_web.answers[f"flaky/{index}"] = flaky
            urls.append(small_web.url(f"flaky/{index}"))
        else:
            urls.append(small_web.put(f"fine/{index}", body) if index != 1 else small_web.url("gone"))
    small_web.answers["recover"] = recover
    return urls


def recover(small_web: SmallWeb) -> None:
    import urllib.request

    urllib.request.urlopen(small_web.url("recover")).close()  # noqa: S310
    small_web.asked.clear()


def test_only_what_failed_for_a_while_is_fetched_again(
    downloads: Downloads, small_web: SmallWeb, recovering: list[str]
) -> None:
    downloads.spec = ShardsSpec(rows_per_shard=10)
    planned = planned_of(recovering)
    downloads.run(planned)
    before = {shard: stats.tar_sha256 for shard, stats in read_shards(downloads.lake, KEY, PART).items()}
    assert Counter(downloads.rows()["outcome"]) == {"ok": 19, "server_error": 10, "not_found": 1}
    recover(small_web)
    downloads.run(planned, retry=True)
    assert set(small_web.asked) == {f"flaky/{index}" for index in range(0, 30, 3)}
    shards = read_shards(downloads.lake, KEY, PART)
    assert {shard: shards[shard].tar_sha256 for shard in before} == before
    assert {shard: (stats.retry_round, stats.count) for shard, stats in shards.items() if shard > 2} == {3: (1, 10)}
    books = downloads.accounts()
    assert books.balanced, books.findings
    assert (books.planned, books.images, books.retried) == (30, 29, 10)
    assert books.outcomes == {"ok": 29, "not_found": 1}


def test_keys_of_retried_rows_are_new_ones(downloads: Downloads, small_web: SmallWeb, recovering: list[str]) -> None:
    planned = planned_of(recovering)
    downloads.run(planned)
    recover(small_web)
    downloads.run(planned, retry=True)
    kept = downloads.rows().filter(status="success")
    assert kept["key"].n_unique() == kept.height == kept["row"].n_unique() == 29


def in_three_rounds(downloads: Downloads, small_web: SmallWeb, urls: list[str]) -> pl.DataFrame:
    """Download, try again what failed, and once more when it has recovered; what was planned."""
    downloads.spec = ShardsSpec(rows_per_shard=4)
    planned = planned_of(urls)
    downloads.run(planned)
    downloads.run(planned, retry=True)
    recover(small_web)
    downloads.run(planned, retry=True)
    return planned


def test_what_still_fails_can_be_tried_in_a_further_round(
    downloads: Downloads, small_web: SmallWeb, recovering: list[str]
) -> None:
    in_three_rounds(downloads, small_web, recovering)
    rounds = Counter(stats.retry_round for stats in read_shards(downloads.lake, KEY, PART).values())
    assert rounds == {0: 8, 1: 3, 2: 3}
    books = downloads.accounts()
    assert books.balanced, books.findings
    assert books.outcomes == {"ok": 29, "not_found": 1}
    assert read_index(downloads.lake, KEY, [PART]).rows == 30


def test_when_nothing_failed_for_a_while_there_is_no_further_round(downloads: Downloads, small_web: SmallWeb) -> None:
    planned = planned_of([small_web.put("a", image_bytes(1100, 1040)), small_web.url("gone")])
    downloads.run(planned)
    assert downloads.run(planned, retry=True).jobs == ()


def test_a_round_that_was_interrupted_is_completed_by_any_later_run(
    downloads: Downloads, small_web: SmallWeb, recovering: list[str]
) -> None:
    downloads.spec = ShardsSpec(rows_per_shard=4)
    planned = planned_of(recovering)
    downloads.run(planned)
    recover(small_web)
    downloads.run(planned, retry=True)
    before = read_shards(downloads.lake, KEY, PART)
    downloads.path("00009_stats.json").unlink()
    small_web.asked.clear()
    downloads.run(planned)
    assert len(small_web.asked) == 4
    assert {shard: stats.tar_sha256 for shard, stats in read_shards(downloads.lake, KEY, PART).items()} == {
        shard: stats.tar_sha256 for shard, stats in before.items()
    }


@pytest.mark.parametrize(("shard", "rounds"), [(2, {0: 8}), (8, {0: 8, 1: 3})], ids=["first tries", "first round"])
def test_rounds_after_one_that_lost_a_tar_go_with_it(
    downloads: Downloads, small_web: SmallWeb, recovering: list[str], shard: int, rounds: dict[int, int]
) -> None:
    """What is made again may end better this time; a row that came twice would be counted twice."""
    planned = in_three_rounds(downloads, small_web, recovering)
    downloads.path(f"{shard:05d}.tar").unlink()
    downloads.run(planned)
    assert Counter(stats.retry_round for stats in read_shards(downloads.lake, KEY, PART).values()) == rounds
    assert len(list(downloads.path("retries").glob("*"))) == len(rounds) - 1
    downloads.run(planned, retry=True)
    books = downloads.accounts()
    assert books.balanced, books.findings
    assert books.outcomes == {"ok": 29, "not_found": 1}


def test_after_a_change_of_plan_old_rounds_are_forgotten(
    downloads: Downloads, small_web: SmallWeb, recovering: list[str]
) -> None:
    planned = planned_of(recovering)
    downloads.run(planned)
    recover(small_web)
    downloads.run(planned, retry=True)
    downloads.run(planned.head(25))
    assert list(read_shards(downloads.lake, KEY, PART)) == [0]
    assert downloads.accounts().balanced
    assert not list(downloads.path("retries").glob("*"))
