"""From planned rows to shards over real HTTP: what is kept, what is said about the rest, and in which format."""

import asyncio
import importlib.util
import io
import json
import tarfile
import threading
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from aiohttp import web

from laion_assets.lake.lake import Lake
from laion_assets.shards.accounting import account
from laion_assets.shards.audit import audit
from laion_assets.shards.layout import read_shards
from laion_assets.shards.prepare import prepare
from laion_assets.shards.resizing import QuickResizer, Resized
from laion_assets.shards.session import run
from laion_assets.shards.spec import HashSpec, ResizeSpec, ShardsSpec
from laion_assets.web.spec import WebSpec
from laion_assets_tests.shards.conftest import KEY, PART, Downloads, SmallWeb, image_bytes, planned_of
from laion_assets_tests.shards.test_judge import png_header

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF"}


def outcomes(downloads: Downloads) -> list[str]:
    return downloads.rows()["outcome"].to_list()


def test_originals_are_kept_byte_for_byte_under_the_suffix_of_their_true_format(
    downloads: Downloads, small_web: SmallWeb
) -> None:
    bodies = {suffix: image_bytes(1100, 1040, name) for suffix, name in FORMATS.items()}
    urls = [small_web.put(f"{suffix}.jpg", body) for suffix, body in bodies.items()]
    downloads.run(planned_of(urls))
    with tarfile.open(downloads.path("00000.tar")) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert sorted(members) == sorted(
        f"{PART}_00000000{index}.{suffix}" for index, image in enumerate(bodies) for suffix in (image, "txt", "json")
    )
    for index, (suffix, body) in enumerate(bodies.items()):
        assert members[f"{PART}_00000000{index}.{suffix}"] == body
        assert members[f"{PART}_00000000{index}.txt"].decode() == f"picture {index}"


def test_the_format_is_img2datasets(downloads: Downloads, small_web: SmallWeb) -> None:
    downloads.run(planned_of([small_web.put("a", image_bytes(1100, 1040)), small_web.url("gone")]))
    stats = json.loads(downloads.path("00000_stats.json").read_text())
    assert {name: stats[name] for name in ("count", "successes", "failed_to_download", "failed_to_resize")} == {
        "count": 2,
        "successes": 1,
        "failed_to_download": 1,
        "failed_to_resize": 0,
    }
    assert stats["status_dict"] == {"success": 1, "HTTP 404 Not Found": 1}
    assert stats["end_time"] >= stats["start_time"]
    rows = downloads.rows()
    assert {"url", "caption", "key", "status", "error_message", "width", "height", "original_width", "sha256"} <= set(
        rows.columns
    )
    assert rows["status"].to_list() == ["success", "failed_to_download"]
    assert rows["key"].to_list() == [f"{PART}_000000000", f"{PART}_000000001"]
    assert rows.select("width", "height", "original_width", "original_height").row(0) == (1100, 1040, 1100, 1040)
    assert rows.select("width", "sha256").row(1) == (None, None)
    with tarfile.open(downloads.path("00000.tar")) as tar:
        told = json.loads(tar.extractfile(f"{PART}_000000000.json").read())  # type: ignore[union-attr]
    assert told == rows.row(0, named=True)


def test_every_way_to_fail_has_its_word(downloads: Downloads, small_web: SmallWeb) -> None:
    good = image_bytes(1100, 1040)

    async def opted_out(_: web.Request) -> web.Response:
        return web.Response(body=good, headers={"X-Robots-Tag": "noai"})

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=503)

    small_web.answers |= {"noai": opted_out, "broken": broken}
    wanted = {
        small_web.put("good", good): "ok",
        small_web.url("gone"): "not_found",
        small_web.url("noai"): "opted_out",
        small_web.url("broken"): "server_error",
        small_web.put("small", image_bytes(1100, 800)): "too_small",
        small_web.put("html", b"<html><body><script>alert(1)</script>"): "not_an_image",
        small_web.put("svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>"): "not_an_image",
        small_web.put("cut", good[:-1000]): "truncated",
        small_web.put("bomb", png_header(10_000, 10_000)): "too_large",
        small_web.put("heavy", good + bytes(300_000)): "too_large",
        "http://169.254.169.254/latest/meta-data": "blocked_address",
        "ftp://example.org/a.jpg": "invalid_url",
        "http://127.9.9.1:1/refused.jpg": "refused",
    }
    downloads.spec = ShardsSpec(maximum_bytes=len(good) + 200_000)
    downloads.run(planned_of(list(wanted)))
    assert outcomes(downloads) == list(wanted.values())
    assert downloads.accounts().balanced


def test_captions_and_urls_never_become_names_or_paths(downloads: Downloads, small_web: SmallWeb) -> None:
    body = image_bytes(1100, 1040)
    captions = ["../../../etc/passwd", "<script>alert(1)</script>", "a\0b\n\t\u202e", "é" * 100_000, ""]
    urls = [small_web.put(f"{index}", body) for index in range(4)] + [small_web.url("4/../../../../x.tar?../..")]
    small_web.bodies["x.tar"] = body
    downloads.run(planned_of(urls, captions=captions))
    with tarfile.open(downloads.path("00000.tar")) as tar:
        assert {name.split(".")[0] for name in tar.getnames()} <= {f"{PART}_00000000{index}" for index in range(5)}
        for index in range(4):
            text = tar.extractfile(f"{PART}_00000000{index}.txt").read().decode()  # type: ignore[union-attr]
            assert text == captions[index]
    written = {path.relative_to(downloads.root) for path in downloads.root.rglob("*") if path.is_file()}
    assert {str(path.parent) for path in written} == {f"lake/d/s/shards/{PART}"}


def test_the_same_answers_give_the_same_bytes_whatever_order_they_come_in(
    tmp_path: Path, small_web: SmallWeb, local_web: WebSpec
) -> None:
    """Each run delays other images, and holds so little in memory that most wait on disk."""
    turn = 0
    bodies = [image_bytes(1100, 1040, colour=number) for number in range(24)]

    async def late(request: web.Request) -> web.Response:
        number = int(request.path.rsplit("/", 1)[1])
        await asyncio.sleep(0.05 * ((number * 7 + turn * 3) % 5))
        return web.Response(body=bodies[number])

    small_web.answers |= {f"late/{number}": late for number in range(24)}
    planned = planned_of([small_web.url(f"late/{number}") for number in range(24)])
    found = []
    for turn in range(2):
        once = Downloads(tmp_path / str(turn), local_web, ShardsSpec(rows_per_shard=12, memory_mb=16))
        once.run(planned)
        found.append([once.path(f"0000{shard}.{kind}").read_bytes() for shard in (0, 1) for kind in ("tar", "parquet")])
    assert found[0] == found[1]


def test_rows_are_spread_over_shards_and_the_books_balance(downloads: Downloads, small_web: SmallWeb) -> None:
    body = image_bytes(1100, 1040)
    urls = [small_web.put(f"{index}", body) if index % 4 else small_web.url("gone") for index in range(50)]
    downloads.spec = ShardsSpec(rows_per_shard=20)
    downloads.run(planned_of(urls))
    shards = read_shards(downloads.lake, KEY, PART)
    assert {shard: stats.count for shard, stats in shards.items()} == {0: 20, 1: 20, 2: 10}
    books = downloads.accounts()
    assert books.balanced, books.findings
    assert (books.planned, books.images, books.outcomes) == (50, 37, {"ok": 37, "not_found": 13})
    assert downloads.rows().height == 50
    assert downloads.rows()["key"].n_unique() == 50


def test_published_hashes_are_verified(downloads: Downloads, small_web: SmallWeb) -> None:
    import hashlib

    body = image_bytes(1100, 1040)
    urls = [small_web.put("right", body), small_web.put("wrong", image_bytes(1100, 1040, colour=3))]
    digest = hashlib.sha256(body).hexdigest()
    planned = planned_of(urls).with_columns(pl.Series("published", [digest, digest]))
    downloads.spec = ShardsSpec(verify_hash=HashSpec(column="published", kind="sha256"))
    downloads.run(planned)
    assert outcomes(downloads) == ["ok", "hash_mismatch"]
    assert downloads.rows()["sha256"].to_list() == [digest, None]


def test_resizing_bounds_the_long_side_and_remembers_the_original(downloads: Downloads, small_web: SmallWeb) -> None:
    urls = [
        small_web.put("large", image_bytes(2048, 1100)),
        small_web.put("png", image_bytes(1100, 1040, "PNG")),
        small_web.put("broken", image_bytes(1100, 1040, "PNG")[:-1000]),
    ]
    downloads.spec = ShardsSpec(resize=ResizeSpec(image_size=1050))
    downloads.run(planned_of(urls))
    rows = downloads.rows()
    assert outcomes(downloads) == ["ok", "ok", "truncated"]
    sizes = rows.select("width", "height", "original_width", "original_height").rows()
    assert sizes == [(1050, 564, 2048, 1100), (1050, 993, 1100, 1040), (None, None, None, None)]
    assert downloads.suffixes() == {"jpg": 2}
    assert rows["format"].to_list() == ["jpeg", "png", "png"]
    assert downloads.accounts().formats == {"jpeg": 2}  # of what is stored, whatever was served
    seen = audit(downloads.lake, KEY, PART, minimum_side_px=1024, decode_share=1.0)
    assert seen.passed, seen.findings
    assert seen.decoded == 2


def test_cores_to_spare_resize_at_the_same_time(
    downloads: Downloads, small_web: SmallWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    resize, met, alone = QuickResizer.__call__, threading.Barrier(2), 0

    def together(resizer: QuickResizer, image: io.BytesIO) -> Resized:
        nonlocal alone
        try:
            met.wait(10)
        except threading.BrokenBarrierError:
            alone += 1
        return resize(resizer, image)

    monkeypatch.setattr("os.cpu_count", lambda: 3)
    monkeypatch.setattr(QuickResizer, "__call__", together)
    downloads.spec = ShardsSpec(resize=ResizeSpec(image_size=512))
    downloads.run(planned_of([small_web.put(f"{index}", image_bytes(1100, 1040)) for index in range(2)]))
    assert (outcomes(downloads), alone) == (["ok", "ok"], 0)


DISTRIBUTORS = ["multiprocessing", *(name for name in ("pyspark", "ray") if importlib.util.find_spec(name))]


@pytest.mark.parametrize("distributor", DISTRIBUTORS)
def test_workers_do_what_one_process_does(
    tmp_path: Path, small_web: SmallWeb, local_web: WebSpec, distributor: Literal["multiprocessing", "pyspark", "ray"]
) -> None:
    """With every distributor there is: Spark and Ray are not installed with this package."""
    planned = planned_of([small_web.put(f"{index}", image_bytes(1100, 1040, colour=index)) for index in range(9)])
    tars = []
    for processes in (1, 2):
        spec = ShardsSpec(rows_per_shard=3, processes=processes, memory_mb=16)
        if processes > 1:
            spec = spec.model_copy(update={"distributor": distributor})
        once = Downloads(tmp_path / str(processes), local_web, spec)
        once.run(planned)
        tars.append([once.path(f"0000{shard}.tar").read_bytes() for shard in range(3)])
        assert once.accounts().balanced
    assert tars[0] == tars[1]


@pytest.mark.parametrize("distributor", ["pyspark", "ray"])
def test_a_distributor_that_is_not_installed_is_refused_in_one_sentence(
    downloads: Downloads, small_web: SmallWeb, distributor: Literal["pyspark", "ray"]
) -> None:
    if distributor in DISTRIBUTORS:
        pytest.skip("it is installed")
    downloads.spec = ShardsSpec(distributor=distributor)
    with pytest.raises(RuntimeError, match=f"{distributor} is not installed. Install it, or use multiprocessing."):
        downloads.run(planned_of([small_web.url("x")]))


@pytest.mark.parametrize("processes", [3, None])
def test_fewer_processes_than_wanted_are_said_to_be_so(
    downloads: Downloads, small_web: SmallWeb, monkeypatch: pytest.MonkeyPatch, processes: int | None
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("laion_assets.shards.session.SMALL_ROWS", 1)
    downloads.web = downloads.web.model_copy(update={"per_host": 1})
    downloads.spec = ShardsSpec(rows_per_shard=1, processes=processes)
    said: list[str] = []
    downloads.run(planned_of([small_web.url(f"{index}") for index in range(2)]), said)
    assert said[0] == "1 of 2 processes: each needs a place at every host, and per_host has no more"


def test_a_part_without_planned_rows_needs_no_shards(downloads: Downloads) -> None:
    downloads.run(planned_of([]))
    books = downloads.accounts()
    assert (books.balanced, books.shards, books.planned) == (True, 0, 0)


def test_progress_is_said_while_it_goes_on(downloads: Downloads, small_web: SmallWeb) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(4)
        return web.Response(body=image_bytes(1100, 1040))

    small_web.answers["slow"] = slow
    said: list[str] = []
    downloads.run(planned_of([small_web.put("a", image_bytes(1100, 1040)), small_web.url("slow")]), said)
    assert any(line.startswith("1 of 2 rows, 100.0% images") for line in said), said
    assert said[-1].startswith("2 of 2 rows")


def test_shards_go_to_another_lake_as_well(tmp_path: Path, small_web: SmallWeb, local_web: WebSpec) -> None:
    """Nothing but the lake knows where shards end up: a second lake gets the same bytes."""
    planned = planned_of([small_web.put("a", image_bytes(1100, 1040))])
    job = prepare(
        Lake(f"file://{tmp_path}/elsewhere"),
        KEY,
        PART,
        planned,
        spec=ShardsSpec(),
        web=local_web,
        minimum_side_px=1024,
        scratch=tmp_path,
    ).jobs[0]
    run(job, print)
    books = account(Lake(f"{tmp_path}/elsewhere"), KEY, PART, planned)
    assert (books.balanced, books.images) == (True, 1)
