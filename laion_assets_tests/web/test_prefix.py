"""The first bytes of a file: no more of them than asked, from servers good and bad."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, Handler, Seen, Site, always, head, plain, ranged, serve

FILE = bytes((7 * n + n // 251) % 256 for n in range(300_000))
OPEN = WebSpec(allow_networks=LOOPBACK, attempts=1, deadline_s=3.0)


@dataclass
class Wants:
    """Asks for a given number of bytes, then the next, and remembers what it was shown."""

    steps: list[int]
    shown: list[tuple[int, bool]] = field(default_factory=list)

    def __call__(self, prefix: bytes, complete: bool) -> int | None:  # noqa: FBT001
        self.shown.append((len(prefix), complete))
        return next((step for step in self.steps if step > len(prefix)), None)


@dataclass
class Outcomes:
    answer: Answer
    site: Site
    shown: list[tuple[int, bool]]


def probe(
    run: Run[Outcomes], handler: Handler, steps: list[int], *, first: int = 4096, cap: int = 2**20, spec: WebSpec = OPEN
) -> Outcomes:
    async def main() -> Outcomes:
        async with serve(handler) as site, GuardedClient(spec) as client:
            wants = Wants(steps)
            answer = await client.fetch_prefix(site.url("/a.jpg"), more=wants, first_bytes=first, max_bytes=cap)
            return Outcomes(answer, site, wants.shown)

    return run(main())


def test_four_kilobytes_are_asked_for_and_no_more_is_read(run: Run[Outcomes]) -> None:
    got = probe(run, ranged(FILE), [])
    assert got.answer.outcome is Outcome.OK
    assert got.answer.body == FILE[:4096]
    assert (got.answer.bytes_read, got.answer.requests, got.answer.http_status) == (4096, 1, 206)
    assert (got.answer.file_bytes, got.answer.complete) == (300_000, False)
    assert got.answer.content_type == "image/jpeg"
    assert got.site.seen[0].header("Range") == "bytes=0-4095"


def test_more_is_asked_for_where_the_last_range_ended_on_the_same_connection(run: Run[Outcomes]) -> None:
    got = probe(run, ranged(FILE), [65_536, 200_000])
    assert got.answer.body == FILE[:200_000]
    assert [seen.range for seen in got.site.seen] == [(0, 4096), (4096, 65_536), (65_536, 200_000)]
    assert (got.answer.bytes_read, got.answer.requests, got.site.connections) == (200_000, 3, 1)
    assert got.shown == [(4096, False), (65_536, False), (200_000, False)]


def test_a_file_smaller_than_the_range_is_known_to_be_complete(run: Run[Outcomes]) -> None:
    got = probe(run, ranged(FILE[:1000]), [10**9])
    assert (got.answer.body, got.answer.complete, got.answer.file_bytes) == (FILE[:1000], True, 1000)
    assert (got.answer.requests, got.shown) == (1, [(1000, True)])


@pytest.mark.parametrize("size", [4095, 4096, 4097, 8192])
def test_files_around_the_size_of_a_range_are_read_to_their_end(run: Run[Outcomes], size: int) -> None:
    got = probe(run, ranged(FILE[:size]), [10**9])
    assert (got.answer.outcome, got.answer.complete, got.answer.file_bytes) == (Outcome.OK, True, size)
    assert got.answer.body == FILE[:size]
    assert got.answer.requests == (1 if size <= 4096 else 2)
    assert got.shown[-1] == (size, True)


def test_an_empty_file_is_complete_and_empty_with_or_without_ranges(run: Run[Outcomes]) -> None:
    for handler in (ranged(b""), always(plain(200)), always(head(204))):
        got = probe(run, handler, [10**9])
        assert (got.answer.outcome, got.answer.body, got.answer.complete) == (Outcome.OK, b"", True), got.answer
        assert got.answer.file_bytes == 0


def test_the_cap_is_never_passed_whatever_is_asked(run: Run[Outcomes]) -> None:
    got = probe(run, ranged(FILE), [10**9], cap=100_000)
    assert (got.answer.outcome, len(got.answer.body), got.answer.complete) == (Outcome.OK, 100_000, False)
    assert got.answer.bytes_read == 100_000


async def ignores_ranges(_: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(plain(200, [("Content-Type", "image/jpeg")], FILE))
    await writer.drain()


def test_a_server_without_ranges_is_read_on_and_cut_off(run: Run[Outcomes]) -> None:
    got = probe(run, ignores_ranges, [65_536])
    assert got.answer.outcome is Outcome.OK
    assert got.answer.body[:65_536] == FILE[:65_536]
    assert FILE.startswith(got.answer.body)
    assert (got.answer.requests, got.answer.file_bytes, got.answer.http_status) == (1, 300_000, 200)


def test_a_server_without_ranges_costs_little_more_than_was_asked(run: Run[Outcomes]) -> None:
    assert 4096 <= probe(run, ignores_ranges, []).answer.bytes_read <= 20_000
    assert 65_536 <= probe(run, ignores_ranges, [65_536]).answer.bytes_read <= 100_000


def test_a_connection_that_brought_much_brings_little_again_for_the_next_file(
    run: Run[tuple[Answer, Answer, int]],
) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await (ranged(FILE) if seen.path == "/large" else ignores_ranges)(seen, writer)

    async def main() -> tuple[Answer, Answer, int]:
        async with serve(handler) as site, GuardedClient(OPEN) as client:
            large = await client.fetch_prefix(site.url("/large"), more=Wants([250_000]))
            small = await client.fetch_prefix(site.url("/small"), more=lambda _, __: None)
            return large, small, site.connections

    large, small, connections = run(main())
    assert (len(large.body), connections) == (250_000, 1)
    assert small.bytes_read <= 40_000


def test_an_endless_body_is_cut_off_after_what_was_asked(run: Run[tuple[Answer, int]]) -> None:
    sent = 0

    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head(200))
        while True:
            writer.write(b"\xff\xd8" * 8192)
            sent += 16_384
            await writer.drain()

    async def main() -> tuple[Answer, int]:
        async with serve(endless) as site, GuardedClient(OPEN) as client:
            answer = await client.fetch_prefix(site.url(), more=lambda _, __: None)
            await asyncio.sleep(0.1)
            return answer, sent

    answer, sent = run(main())
    assert answer.outcome is Outcome.OK
    assert 4096 <= answer.bytes_read <= 1_000_000
    assert answer.file_bytes is None
    # What the kernels buffered on loopback; the server noticed the cut.
    assert sent < 8_000_000


def test_a_server_that_sends_the_rest_of_a_small_file_keeps_its_connection(run: Run[int]) -> None:
    async def main() -> int:
        async with serve(always(plain(200, body=FILE[:6000]))) as site, GuardedClient(OPEN) as client:
            for n in range(5):
                answer = await client.fetch_prefix(site.url(f"/{n}"), more=lambda _, __: None)
                assert answer.outcome is Outcome.OK
            return site.connections

    assert run(main()) == 1


def test_a_small_rest_that_comes_a_little_later_is_waited_for(run: Run[int]) -> None:
    async def in_two_pieces(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, length=6000) + FILE[:4096])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(FILE[4096:6000])
        await writer.drain()

    async def main() -> int:
        async with serve(in_two_pieces) as site, GuardedClient(OPEN) as client:
            for n in range(3):
                answer = await client.fetch_prefix(site.url(f"/{n}"), more=lambda _, __: None)
                assert answer.outcome is Outcome.OK
            return site.connections

    assert run(main()) == 1


@pytest.mark.parametrize(
    ("status", "outcome"), [(404, Outcome.NOT_FOUND), (500, Outcome.SERVER_ERROR), (302, Outcome.REDIRECT_LOOP)]
)
def test_an_error_to_the_request_without_a_range_is_no_body(run: Run[Outcomes], status: int, outcome: Outcome) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.range is None:
            writer.write(plain(status, [("Location", seen.path)], b"<html>sorry</html>"))
        else:
            writer.write(plain(206, [("Content-Range", "nonsense")], FILE[:4096]))
        await writer.drain()

    got = probe(run, handler, [])
    assert (got.answer.outcome, got.answer.body, got.shown) == (outcome, b"", [])


def test_an_error_to_starting_over_ends_the_url(run: Run[Outcomes]) -> None:
    site: Site

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.range is None:
            writer.write(plain(404, body=b"<html>gone meanwhile</html>"))
        else:
            # Another size each time, so that no two ranges belong together.
            file = FILE[: 100_000 + len(site.seen)]
            await ranged(file)(seen, writer)
        await writer.drain()

    async def main() -> Outcomes:
        nonlocal site
        async with serve(handler) as site, GuardedClient(OPEN) as client:
            wants = Wants([65_536])
            return Outcomes(await client.fetch_prefix(site.url(), more=wants), site, wants.shown)

    got = run(main())
    assert (got.answer.outcome, got.answer.body, got.shown) == (Outcome.NOT_FOUND, b"", [(4096, False)])


@pytest.mark.parametrize(
    ("status", "outcome"), [(404, Outcome.NOT_FOUND), (503, Outcome.SERVER_ERROR), (302, Outcome.CONNECTION_LOST)]
)
def test_an_error_to_a_later_range_ends_the_url(run: Run[Outcomes], status: int, outcome: Outcome) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.range is not None and seen.range[0] == 0:
            await ranged(FILE)(seen, writer)
        else:
            writer.write(plain(status, [("Location", "/elsewhere")]))
            await writer.drain()

    got = probe(run, handler, [65_536])
    assert (got.answer.outcome, got.answer.requests) == (outcome, 2)


@pytest.mark.parametrize(
    "value",
    [
        "bytes 100-4195/300000",
        "bytes 0-4095",
        "items 0-4095/300000",
        "bytes 5-1/3",
        "bytes 0-4095/100",
        "",
        "bytes */9",
    ],
)
def test_a_server_with_wrong_ranges_is_asked_again_without(run: Run[Outcomes], value: str) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.range is None:
            writer.write(plain(200, body=FILE))
        else:
            writer.write(plain(206, [("Content-Range", value)], FILE[100:4196]))
        await writer.drain()

    got = probe(run, handler, [])
    assert got.answer.outcome is Outcome.OK
    assert got.answer.body[:4096] == FILE[:4096]
    assert [seen.header("Range") for seen in got.site.seen] == ["bytes=0-4095", None]


def test_a_server_that_calls_a_good_range_unsatisfiable_is_asked_again_without(run: Run[Outcomes]) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(plain(416) if seen.range else plain(200, body=FILE[:5000]))
        await writer.drain()

    got = probe(run, handler, [10**9])
    assert (got.answer.outcome, got.answer.body, got.answer.complete) == (Outcome.OK, FILE[:5000], True)


def test_a_file_of_unknown_size_ends_where_a_range_comes_short(run: Run[Outcomes]) -> None:
    def unknown_size(size: int) -> Handler:
        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            assert seen.range is not None
            first, end = seen.range[0], min(seen.range[1], size)
            if first >= size:
                writer.write(plain(416))
            else:
                writer.write(plain(206, [("Content-Range", f"bytes {first}-{end - 1}/*")], FILE[first:end]))
            await writer.drain()

        return handler

    got = probe(run, unknown_size(6000), [10**9], cap=50_000)
    assert (got.answer.body, got.answer.complete, got.answer.file_bytes) == (FILE[:6000], True, 6000)
    exact = probe(run, unknown_size(4096), [10**9], cap=50_000)
    assert (exact.answer.body, exact.answer.complete, exact.shown[-1]) == (FILE[:4096], True, (4096, True))


def test_a_file_that_changes_between_two_ranges_is_read_anew_in_one_piece(run: Run[Outcomes]) -> None:
    other = bytes(reversed(FILE))[:123_456]

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        file = FILE if seen.range is not None and seen.range[0] == 0 else other
        await ranged(file)(seen, writer)

    got = probe(run, handler, [65_536])
    assert got.answer.outcome is Outcome.OK
    assert got.answer.body[:65_536] == other[:65_536]
    assert got.answer.file_bytes == 123_456


def test_a_server_that_forgets_ranges_midway_is_read_from_the_start(run: Run[Outcomes]) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        first_time = seen.range is not None and seen.range[0] == 0
        await (ranged(FILE) if first_time else ignores_ranges)(seen, writer)

    got = probe(run, handler, [65_536])
    assert got.answer.body[:65_536] == FILE[:65_536]
    assert FILE.startswith(got.answer.body)


def test_ranges_of_one_byte_do_not_become_thousands_of_requests(run: Run[Outcomes]) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.range is None:
            writer.write(plain(200, body=FILE))
        else:
            first = seen.range[0]
            value = ("Content-Range", f"bytes {first}-{first}/{len(FILE)}")
            writer.write(plain(206, [value], FILE[first : first + 1]))
        await writer.drain()

    got = probe(run, handler, [4096])
    assert got.answer.body[:4096] == FILE[:4096]
    assert got.answer.requests <= 10


def deflated(raw: bytes) -> bytes:
    return zlib.compress(raw)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", deflated)]
)
@pytest.mark.parametrize("ranges", ["with ranges", "without"])
def test_a_body_compressed_against_our_wish_is_decoded(
    run: Run[Outcomes], encoding: str, pack: Callable[[bytes], bytes], ranges: str
) -> None:
    packed = pack(FILE[:20_000])
    headers = [("Content-Encoding", encoding)]
    handler = ranged(packed, headers=headers) if ranges == "with ranges" else always(plain(200, headers, packed))
    got = probe(run, handler, [10**9])
    assert got.site.seen[0].header("Accept-Encoding") == "identity"
    assert (got.answer.outcome, got.answer.body, got.answer.complete) == (Outcome.OK, FILE[:20_000], True)
    assert got.answer.file_bytes == 20_000


def test_a_bomb_costs_its_cap_and_no_more(run: Run[Outcomes]) -> None:
    bomb = gzip.compress(bytes(100_000_000), 1)
    got = probe(run, always(plain(200, [("Content-Encoding", "gzip")], bomb)), [10**9], cap=150_000)
    assert (got.answer.outcome, len(got.answer.body), got.answer.complete) == (Outcome.OK, 150_000, False)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "utf-8", "none", "image/jpeg"])
def test_an_encoding_that_is_named_but_not_applied_does_no_harm(run: Run[Outcomes], encoding: str) -> None:
    jpeg = b"\xff\xd8\xff\xe0" + FILE[:3000]
    got = probe(run, always(plain(200, [("Content-Encoding", encoding)], jpeg)), [10**9])
    assert (got.answer.outcome, got.answer.body, got.answer.complete) == (Outcome.OK, jpeg, True)


def test_a_truncated_file_is_only_noticed_by_who_needs_the_rest(run: Run[Outcomes]) -> None:
    short = always(head(200, length=100_000) + FILE[:5000], then_close=True)
    assert probe(run, short, []).answer.outcome is Outcome.OK
    got = probe(run, short, [10**9])
    assert got.answer.outcome is Outcome.TRUNCATED
    assert got.shown[-1] == (5000, False)


def test_a_chunked_body_without_length_is_read_to_its_end(run: Run[Outcomes]) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (1000, FILE[n : n + 1000]) for n in range(0, 10_000, 1000)) + b"0\r\n\r\n"
    got = probe(run, always(head(200, [("Transfer-Encoding", "chunked")]) + body), [10**9])
    assert (got.answer.body, got.answer.complete, got.answer.file_bytes) == (FILE[:10_000], True, 10_000)


def test_an_old_server_that_ends_the_body_by_closing_is_read_to_its_end(run: Run[Outcomes]) -> None:
    got = probe(run, always(b"HTTP/1.0 200 OK\r\n\r\n" + FILE[:9000], then_close=True), [10**9])
    assert (got.answer.body, got.answer.complete, got.answer.file_bytes) == (FILE[:9000], True, 9000)


def test_a_callback_that_fails_is_our_fault_and_fails_nobody_else(run: Run[list[Answer]]) -> None:
    def broken(_: bytes, __: bool) -> int | None:  # noqa: FBT001
        raise KeyError("a bug of ours")

    async def main() -> list[Answer]:
        async with serve(ranged(FILE)) as site, GuardedClient(OPEN) as client:
            bad = client.fetch_prefix(site.url("/1"), more=broken)
            good = client.fetch_prefix(site.url("/2"), more=lambda _, __: None)
            return list(await asyncio.gather(bad, good))

    bad, good = run(main())
    assert (bad.outcome, bad.error, bad.requests) == (Outcome.FAILED_HERE, "KeyError: 'a bug of ours'", 1)
    assert good.outcome is Outcome.OK


SMALL = FILE[:2000]
PACKED = gzip.compress(SMALL)
STORED_NOTHING = b"\0\0\0\xff\xff"
"""A deflate block of no bytes."""


def without_end(start: bytes, then: bytes) -> Handler:
    """Says that it is gzip, starts like this and goes on like that for as long as somebody reads it."""

    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, [("Content-Encoding", "gzip")]) + start)
        while True:
            writer.write(then * (65_536 // len(then)))
            await writer.drain()

    return handler


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "prefix"])
def test_what_follows_the_end_of_compressed_data_is_not_read(run: Run[Answer], whole: bool) -> None:  # noqa: FBT001
    async def main() -> Answer:
        async with serve(without_end(PACKED, b"more")) as site, GuardedClient(OPEN) as client:
            if whole:
                return await client.fetch(site.url(), max_bytes=100_000)
            return await client.fetch_prefix(site.url(), more=Wants([10**9]), max_bytes=100_000)

    answer = run(main())
    assert (answer.outcome, answer.body, answer.complete) == (Outcome.OK, SMALL, True)
    # What the kernel had by then: one or two buffers.
    assert answer.bytes_read < 3_000_000


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "prefix"])
@pytest.mark.parametrize(
    ("start", "then"),
    [
        (b"\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"name"),
        (b"\x1f\x8b\x08\x00\0\0\0\0\0\x03", STORED_NOTHING),
        (b"\x78\x9c", STORED_NOTHING),
    ],
    ids=["a name without end", "empty blocks", "empty blocks in zlib's wrapping"],
)
def test_compressed_data_that_brings_nothing_is_given_up(
    run: Run[Answer],
    start: bytes,
    then: bytes,
    whole: bool,  # noqa: FBT001
) -> None:
    spec = WebSpec(allow_networks=LOOPBACK, attempts=3, deadline_s=20.0)

    async def main() -> Answer:
        async with serve(without_end(start, then)) as site, GuardedClient(spec) as client:
            if whole:
                return await client.fetch(site.url(), max_bytes=100_000)
            return await client.fetch_prefix(site.url(), more=Wants([10**9]), max_bytes=100_000)

    answer = run(main())
    assert (answer.outcome, answer.requests) == (Outcome.TOO_LARGE, 1)
    assert answer.error is not None
    assert "bytes of compressed data brought only 0" in answer.error
    assert answer.bytes_read < 3_000_000


def test_data_that_cannot_be_compressed_is_decoded_all_the_same(run: Run[Outcomes]) -> None:
    packed = gzip.compress(FILE, 0)
    got = probe(run, always(plain(200, [("Content-Encoding", "gzip")], packed)), [10**9])
    assert len(packed) > len(FILE)
    assert (got.answer.outcome, got.answer.body, got.answer.complete) == (Outcome.OK, FILE, True)


def test_compressed_data_that_brings_too_much_at_once_is_too_large_for_what_it_brings(run: Run[Answer]) -> None:
    packed = always(head(200, [("Content-Encoding", "gzip")]) + gzip.compress(FILE, 0), then_close=True)

    async def main() -> Answer:
        async with serve(packed) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url(), max_bytes=1000)

    answer = run(main())
    assert (answer.outcome, answer.error) == (Outcome.TOO_LARGE, "more than 1000 bytes, which is the cap")
