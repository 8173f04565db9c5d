"""Every way a server can fail has one word, over real sockets."""

import asyncio
import gzip
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer, Request
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import head, plain, serve_raw

IMAGE = b"\xff\xd8" + bytes(range(256)) * 256
Writes = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(data: bytes) -> Writes:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return write


async def resets(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def resets_in_the_body(writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, length=100_000) + IMAGE[:1000])
    await writer.drain()
    await asyncio.sleep(0.05)
    await resets(writer)


async def hangs(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def hangs_in_the_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n")
    await asyncio.sleep(60)


async def hangs_in_the_body(writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, length=100_000) + IMAGE[:10])
    await asyncio.sleep(60)


async def drips_headers(writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Padding: 0\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def drips_a_body(writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, length=100_000))
    for byte in IMAGE:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(head(200))
    while True:
        writer.write(b"\x00" * 65_536)
        await writer.drain()


async def endless_header_line(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        writer.write(b"a" * 65_536)
        await writer.drain()


async def endless_header_lines(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Many: aaaa\r\n" * 1000)
        await writer.drain()


async def endless_informational(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0.001)


FAULTS: list[tuple[str, Writes, Outcome, str]] = [
    ("404", says(plain(404)), Outcome.NOT_FOUND, "HTTP 404"),
    ("410", says(plain(410)), Outcome.NOT_FOUND, "HTTP 410"),
    ("401", says(plain(401)), Outcome.FORBIDDEN, "HTTP 401"),
    ("402", says(plain(402)), Outcome.FORBIDDEN, "HTTP 402"),
    ("403", says(plain(403, body=b"<html>no</html>")), Outcome.FORBIDDEN, "HTTP 403"),
    ("451", says(plain(451)), Outcome.FORBIDDEN, "HTTP 451"),
    ("400", says(plain(400)), Outcome.REJECTED, "HTTP 400"),
    ("405", says(plain(405)), Outcome.REJECTED, "HTTP 405"),
    ("418", says(plain(418)), Outcome.REJECTED, "HTTP 418"),
    ("999", says(plain(999)), Outcome.REJECTED, "HTTP 999"),
    ("304 without a condition", says(plain(304)), Outcome.REJECTED, "HTTP 304"),
    ("302 without Location", says(plain(302)), Outcome.REJECTED, "without a Location"),
    ("429", says(plain(429)), Outcome.RATE_LIMITED, "HTTP 429"),
    ("500", says(plain(500)), Outcome.SERVER_ERROR, "HTTP 500"),
    ("502", says(plain(502)), Outcome.SERVER_ERROR, "HTTP 502"),
    ("503", says(plain(503)), Outcome.SERVER_ERROR, "HTTP 503"),
    ("520", says(plain(520)), Outcome.SERVER_ERROR, "HTTP 520"),
    ("redirect to itself", says(plain(301, [("Location", "/")])), Outcome.REDIRECT_LOOP, "circle"),
    ("redirect to a file", says(plain(302, [("Location", "file:///etc/passwd")])), Outcome.INVALID_URL, "'file'"),
    ("redirect to nonsense", says(plain(302, [("Location", "http://[::/")])), Outcome.INVALID_URL, ""),
    ("redirect to no host", says(plain(302, [("Location", "http://?x")])), Outcome.INVALID_URL, "no host"),
    ("opted out", says(plain(200, [("X-Robots-Tag", "noai")], IMAGE)), Outcome.OPTED_OUT, "noai"),
    ("closes at once", says(b""), Outcome.CONNECTION_LOST, "disconnected"),
    ("resets", resets, Outcome.CONNECTION_LOST, ""),
    ("not HTTP", says(b"SSH-2.0-OpenSSH_9.6\r\n"), Outcome.CONNECTION_LOST, "not HTTP"),
    ("random bytes", says(bytes(range(255, 0, -1)) * 8), Outcome.CONNECTION_LOST, ""),
    ("headers end early", says(b"HTTP/1.1 200 OK\r\nContent-Le"), Outcome.CONNECTION_LOST, ""),
    ("bad length", says(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nab"), Outcome.CONNECTION_LOST, "not HTTP"),
    ("two lengths", says(head(200, [("Content-Length", "3")], length=5) + b"abcde"), Outcome.CONNECTION_LOST, ""),
    ("hangs", hangs, Outcome.TIMED_OUT, "first byte"),
    ("hangs in the headers", hangs_in_the_headers, Outcome.TIMED_OUT, "first byte"),
    ("drips headers", drips_headers, Outcome.TIMED_OUT, "first byte"),
    ("endless informational answers", endless_informational, Outcome.TIMED_OUT, "first byte"),
    ("hangs in the body", hangs_in_the_body, Outcome.TIMED_OUT, "rest of the body"),
    ("drips a body", drips_a_body, Outcome.TIMED_OUT, "rest of the body"),
    ("endless body", endless_body, Outcome.TOO_LARGE, "more than 200000 bytes"),
    ("endless header line", endless_header_line, Outcome.TOO_LARGE, "header"),
    ("endless header lines", endless_header_lines, Outcome.TOO_LARGE, "header"),
    ("announces too much", says(head(200, length=10**12)), Outcome.TOO_LARGE, "1000000000000 bytes announced"),
    ("ends early", says(head(200, length=100_000) + IMAGE[:1000]), Outcome.TRUNCATED, "fewer than 100000 bytes"),
    # Not how many came: that is chance, and the row of a shard would be another each time.
    ("resets in the body", resets_in_the_body, Outcome.TRUNCATED, "received fewer than 100000 bytes"),
    (
        "chunk ends early",
        says(head(200, [("Transfer-Encoding", "chunked")]) + b"400\r\nabc"),
        Outcome.TRUNCATED,
        "",
    ),
    (
        "gzip ends early",
        says(plain(200, [("Content-Encoding", "gzip")], gzip.compress(IMAGE)[:-20])),
        Outcome.TRUNCATED,
        "compression",
    ),
]


def ask(run: Run[Answer], spec: WebSpec, write: Writes, *, prefix: bool = False, max_bytes: int = 200_000) -> Answer:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await write(writer)
        writer.close()
        await writer.wait_closed()

    async def main() -> Answer:
        async with serve_raw(handler) as site, GuardedClient(spec) as client:
            url = site.url("/")
            if prefix:
                return await client.fetch_prefix(url, more=lambda _, __: 10**9, max_bytes=max_bytes)
            return await client.fetch(url, max_bytes=max_bytes)

    return run(main())


@pytest.mark.both_loops
@pytest.mark.parametrize(("write", "outcome", "error"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_has_its_word_and_its_raw_error(
    run: Run[Answer], impatient: WebSpec, write: Writes, outcome: Outcome, error: str
) -> None:
    answer = ask(run, impatient, write)
    assert answer.outcome is outcome, answer
    assert answer.error is not None
    assert error in answer.error
    assert answer.error.isprintable()
    assert answer.body == b""
    assert answer.seconds < impatient.deadline_s + 0.5


def broken_at_random(luck: random.Random) -> bytes:
    """An answer that was good once."""
    answers = [
        plain(200, [("Content-Type", "image/jpeg")], IMAGE[:2000]),
        plain(206, [("Content-Range", "bytes 0-1999/65538")], IMAGE[:2000]),
        plain(302, [("Location", "/elsewhere")]),
        plain(200, [("Content-Encoding", "gzip")], gzip.compress(IMAGE[:2000])),
        head(200, [("Transfer-Encoding", "chunked")]) + b"3e8\r\n" + IMAGE[:1000] + b"\r\n0\r\n\r\n",
        plain(429, [("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"), ("X-Robots-Tag", "a: b, c: d")]),
    ]
    data = bytearray(luck.choice(answers))
    for _ in range(luck.randint(1, 8)):
        place = luck.randrange(min(len(data), 200))
        match luck.randrange(4):
            case 0:
                data[place] ^= 1 << luck.randrange(8)
            case 1:
                del data[place : place + luck.randint(1, 20)]
            case 2:
                data[place:place] = luck.randbytes(luck.randint(1, 20))
            case _:
                data[place:place] = data[luck.randrange(len(data)) :][:50]
        if not data:
            break
    return bytes(data)


def test_answers_broken_at_random_have_an_outcome_and_break_nothing(run: Run[Counter[Outcome]]) -> None:
    luck = random.Random(1)  # noqa: S311 - the same broken answers every time

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(broken_at_random(luck))
        writer.close()
        await writer.wait_closed()

    async def main() -> Counter[Outcome]:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        spec = WebSpec(allow_networks=("127.0.0.0/8",), attempts=1, deadline_s=5, breaker_failures=10**6, per_host=8)
        async with serve_raw(handler) as site, GuardedClient(spec) as client:
            requests = [
                Request(site.url(f"/{n}"), more=(lambda _, __: 10**6) if n % 2 else None, max_bytes=10**6)
                for n in range(1000)
            ]
            outcomes = Counter([answer.outcome async for _, answer in client.answers(requests)])
        assert complaints == []
        return outcomes

    outcomes = run(main())
    assert sum(outcomes.values()) == 1000
    assert outcomes[Outcome.FAILED_HERE] == 0
    assert outcomes[Outcome.OK] > 0
    assert outcomes[Outcome.CONNECTION_LOST] > 0


# What a whole body is refused for, a prefix may not even notice.
SAME_FOR_A_PREFIX = [fault for fault in FAULTS if fault[2] is not Outcome.TOO_LARGE]


@pytest.mark.parametrize(
    ("write", "outcome"), [f[1:3] for f in SAME_FOR_A_PREFIX], ids=[f[0] for f in SAME_FOR_A_PREFIX]
)
def test_a_prefix_that_is_never_enough_ends_with_the_same_word(
    run: Run[Answer], impatient: WebSpec, write: Writes, outcome: Outcome
) -> None:
    answer = ask(run, impatient, write, prefix=True)
    assert answer.outcome is outcome, answer
