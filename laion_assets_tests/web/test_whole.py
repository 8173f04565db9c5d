"""Whole files, and what asking for them tells about us."""

import asyncio
import contextlib
import gzip
import os
import re
from collections.abc import AsyncIterator

import pytest

from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, Seen, Site, a, always, head, plain, routes, serve, serve_names

FILE = os.urandom(350_000)
OPEN = WebSpec(allow_networks=LOOPBACK, attempts=1, deadline_s=3.0)


def test_a_whole_file_comes_in_one_request_without_a_range(run: Run[tuple[Answer, Seen]]) -> None:
    async def main() -> tuple[Answer, Seen]:
        png = always(plain(200, [("Content-Type", "image/png")], FILE))
        async with serve(png) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url("/a.png")), site.seen[0]

    answer, seen = run(main())
    assert (answer.outcome, answer.complete, answer.content_type) == (Outcome.OK, True, "image/png")
    assert answer.body == FILE
    assert (answer.file_bytes, answer.bytes_read, answer.requests) == (350_000, 350_000, 1)
    assert seen.header("Range") is None


@pytest.mark.parametrize("size", [99_999, 100_000, 100_001])
@pytest.mark.parametrize("length", ["announced", "unknown"])
def test_the_cap_is_exact(run: Run[Answer], size: int, length: str) -> None:
    announced = length == "announced"
    answer_bytes = plain(200, body=FILE[:size]) if announced else b"HTTP/1.0 200 OK\r\n\r\n" + FILE[:size]

    async def main() -> Answer:
        async with serve(always(answer_bytes, then_close=not announced)) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url(), max_bytes=100_000)

    answer = run(main())
    assert answer.outcome is (Outcome.OK if size <= 100_000 else Outcome.TOO_LARGE)
    assert len(answer.body) == (size if size <= 100_000 else 0)


def test_a_bomb_is_too_large_before_it_is_unpacked(run: Run[Answer]) -> None:
    bomb = gzip.compress(bytes(100_000_000), 1)

    async def main() -> Answer:
        packed = always(plain(200, [("Content-Encoding", "gzip")], bomb))
        async with serve(packed) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url(), max_bytes=1_000_000)

    answer = run(main())
    assert (answer.outcome, answer.error) == (Outcome.TOO_LARGE, "more than 1000000 bytes, which is the cap")


def test_a_body_that_is_longer_than_announced_never_comes_as_more_than_announced(run: Run[Answer]) -> None:
    async def main() -> Answer:
        async with serve(always(head(200, length=1000) + FILE[:5000])) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url())

    answer = run(main())
    # Whether the surplus, which is no HTTP, is noticed depends on whether it came along in one piece.
    assert (answer.outcome, answer.body) in [(Outcome.OK, FILE[:1000]), (Outcome.CONNECTION_LOST, b"")]


def test_we_say_who_we_are_and_nothing_about_where_we_come_from(run: Run[list[Seen]]) -> None:
    async def main() -> list[Seen]:
        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            if seen.path == "/":
                location = ("Location", f"http://u:p@127.0.0.1:{site.port}/b#frag")
                writer.write(plain(302, [location, ("Set-Cookie", "id=1; Path=/")]))
            else:
                writer.write(plain(200, [("Set-Cookie", "id=2")], b"x"))
            await writer.drain()

        async with serve(handler) as site, GuardedClient(OPEN) as client:
            with_password = site.url("/").replace("http://", "http://me:secret@")
            for _ in range(2):
                answer = await client.fetch(with_password)
                assert answer.final_url == site.url("/b")
            return site.seen

    seen = run(main())
    assert [request.path for request in seen] == ["/", "/b", "/", "/b"]
    for request in seen:
        names = [name.lower() for name, _ in request.headers]
        assert sorted(names) == ["accept", "accept-encoding", "host", "user-agent"]
        assert request.header("Accept-Encoding") == "identity"
        user_agent = request.header("User-Agent") or ""
        assert user_agent.startswith("laion-assets/")
        assert "(+https://" in user_agent
        assert "secret" not in str(request.headers)


def test_proxies_of_the_environment_are_not_used_unless_asked_for(
    run: Run[tuple[Answer, Answer, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> tuple[Answer, Answer, list[str]]:
        async with (
            serve(always(plain(200, body=b"proxy"))) as proxy,
            serve(always(plain(200, body=b"site")), addresses=("127.0.0.2",)) as site,
        ):
            for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            url = site.url("/x", host="127.0.0.2")
            async with GuardedClient(WebSpec(allow_networks=("127.0.0.2/32",))) as client:
                direct = await client.fetch(url)
            spec = WebSpec(allow_networks=("127.0.0.2/32",), trust_environment_proxies=True)
            async with GuardedClient(spec) as client:
                proxied = await client.fetch(url)
                itself = await client.fetch(proxy.url("/admin"))
            assert itself.outcome is Outcome.BLOCKED_ADDRESS
            return direct, proxied, proxy.paths

    direct, proxied, paths = run(main())
    assert direct.body == b"site"
    assert proxied.body == b"proxy"
    assert len(paths) == 1
    assert paths[0].startswith("http://127.0.0.2:")


def test_a_private_target_is_not_asked_of_a_proxy_either(run: Run[Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Answer:
        async with serve(always(plain(200, body=b"proxy"))) as proxy:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            async with GuardedClient(WebSpec(trust_environment_proxies=True)) as client:
                return await client.fetch("http://169.254.169.254/latest/meta-data/")

    assert run(main()).outcome is Outcome.BLOCKED_ADDRESS


@contextlib.asynccontextmanager
async def private_proxy() -> AsyncIterator[tuple[Site, WebSpec]]:
    """A proxy on loopback, and settings under which every name is there and proxies of the environment are used."""
    async with (
        serve(always(plain(200, body=b"proxy"))) as proxy,
        serve_names(lambda name, _, __: [a(name, "127.0.0.1")]) as names,
    ):
        yield proxy, WebSpec(trust_environment_proxies=True, nameservers=(names.address,), attempts=1)


def test_a_proxy_of_the_environment_is_a_private_address_for_everybody_else(
    run: Run[tuple[list[Answer], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> tuple[list[Answer], list[str]]:
        async with private_proxy() as (proxy, spec):
            for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
                monkeypatch.delenv(variable, raising=False)
            answers = []
            for url in (f"http://127.0.0.1:{proxy.port}", f"http://proxy.example:{proxy.port}"):
                monkeypatch.setenv("https_proxy", url)
                async with GuardedClient(spec) as client:
                    answers.append(await client.fetch(f"http://evil.example:{proxy.port}/admin"))
                    answers.append(await client.fetch(f"http://127.0.0.1:{proxy.port}/admin"))
            return answers, proxy.paths

    answers, paths = run(main())
    assert [answer.outcome for answer in answers] == [Outcome.BLOCKED_ADDRESS] * 4
    assert paths == []


def test_a_proxy_with_a_private_address_is_used_by_name_and_by_number(
    run: Run[tuple[list[Answer], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> tuple[list[Answer], list[str]]:
        async with private_proxy() as (proxy, spec):
            for variable in ("HTTP_PROXY", "no_proxy", "NO_PROXY"):
                monkeypatch.delenv(variable, raising=False)
            answers = []
            for host in ("127.0.0.1", "proxy.example"):
                monkeypatch.setenv("http_proxy", f"http://{host}:{proxy.port}")
                async with GuardedClient(spec) as client:
                    answers.append(await client.fetch("http://site.example/x"))
            return answers, proxy.paths

    answers, paths = run(main())
    assert [answer.body for answer in answers] == [b"proxy", b"proxy"]
    assert paths == ["http://site.example/x"] * 2


def test_redirects_are_followed_up_to_the_cap(run: Run[tuple[Answer, Answer]]) -> None:
    table = {f"/{n}": always(plain(301 + n % 2, [("Location", str(n + 1))])) for n in range(20)}
    table["/20"] = always(plain(200, body=b"end"))

    async def main() -> tuple[Answer, Answer]:
        async with serve(routes(table)) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url("/12")), await client.fetch(site.url("/11"))

    eight, nine = run(main())
    assert (eight.outcome, eight.body, eight.requests) == (Outcome.OK, b"end", 9)
    assert (nine.outcome, nine.requests) == (Outcome.REDIRECT_LOOP, 9)


def test_a_circle_is_noticed_before_the_cap(run: Run[Answer]) -> None:
    table = {"/a": always(plain(302, [("Location", "/b")])), "/b": always(plain(307, [("Location", "/a")]))}

    async def main() -> Answer:
        async with serve(routes(table)) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url("/a"))

    answer = run(main())
    assert (answer.outcome, answer.requests) == (Outcome.REDIRECT_LOOP, 2)


def test_a_connection_the_server_closed_while_idle_is_not_held_against_the_url(run: Run[list[Answer]]) -> None:
    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(plain(200, body=b"x"))
        await writer.drain()
        asyncio.get_running_loop().call_later(0.05, writer.close)

    async def main() -> list[Answer]:
        async with serve(handler) as site, GuardedClient(OPEN) as client:
            first = await client.fetch_prefix(site.url("/1"), more=lambda _, __: None)
            await asyncio.sleep(0.1)
            second = await client.fetch_prefix(site.url("/2"), more=lambda _, __: None)
            return [first, second]

    assert [answer.outcome for answer in run(main())] == [Outcome.OK, Outcome.OK]


def test_a_kept_connection_that_is_cut_when_used_again_is_replaced_at_once(run: Run[list[Answer]]) -> None:
    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if seen.path == "/2" and seen.connection == 1:
            writer.transport.abort()
            return
        writer.write(plain(200, body=b"x"))
        await writer.drain()

    async def main() -> list[Answer]:
        spec = WebSpec(allow_networks=LOOPBACK, attempts=1)
        async with serve(handler) as site, GuardedClient(spec) as client:
            return [await client.fetch_prefix(site.url(path), more=lambda _, __: None) for path in ("/1", "/2")]

    answers = run(main())
    assert [(answer.outcome, answer.requests) for answer in answers] == [(Outcome.OK, 1), (Outcome.OK, 2)]


def test_what_comes_before_the_answer_is_not_the_answer(run: Run[Answer]) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    async def main() -> Answer:
        async with serve(always(early + early + plain(200, body=b"late"))) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url())

    answer = run(main())
    assert (answer.http_status, answer.body) == (200, b"late")


def test_a_proxy_is_told_the_password_of_the_environment_and_nobody_else_is(
    run: Run[list[Seen]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[Seen]:
        async with (
            serve(always(plain(200, body=b"proxy"))) as proxy,
            serve(always(plain(200)), addresses=("127.0.0.2",)) as site,
        ):
            monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "127.0.0.2")
            spec = WebSpec(allow_networks=LOOPBACK, trust_environment_proxies=True)
            async with GuardedClient(spec) as client:
                for _ in range(2):
                    await client.fetch(site.url("/x", host="127.0.0.3"))
                await client.fetch(site.url("/x", host="127.0.0.2"))
            return [*proxy.seen, *site.seen]

    told = [request.header("Proxy-Authorization") for request in run(main())]
    assert told == ["Basic bWU6c2VjcmV0", "Basic bWU6c2VjcmV0", None]


@pytest.mark.parametrize(("size", "outcome"), [(400, Outcome.OK), (600, Outcome.TOO_LARGE)])
def test_all_headers_of_an_answer_together_are_bounded(run: Run[Answer], size: int, outcome: Outcome) -> None:
    # No line is long, and there are not too many of them.
    headers = [(f"X-{n}", "a" * size) for n in range(60)]

    async def main() -> Answer:
        async with serve(always(plain(200, headers, b"x"))) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url())

    answer = run(main())
    assert answer.outcome is outcome
    if outcome is Outcome.TOO_LARGE:
        assert answer.error is not None
        assert re.fullmatch(r"headers over our cap: 36\d{3} bytes in all, 32768 is the most", answer.error)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"text/html; charset=\xe9", "text/html; charset="),
        (b"text/html; \x1b[31mred", "text/html; [31mred"),
        (b"image/\xc3\xa9t\xc3\xa9", "image/\u00e9t\u00e9"),
        (b"image/png\xe2\x80\xae", "image/png"),
        (b"a" * 500, "a" * 200),
        (b"\xe9\xff", None),
        (b"", None),
    ],
)
def test_a_content_type_is_one_printable_line_that_can_be_written_down(
    run: Run[Answer], sent: bytes, told: str | None
) -> None:
    answer_bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: " + sent + b"\r\n\r\nx"

    async def main() -> Answer:
        async with serve(always(answer_bytes)) as site, GuardedClient(OPEN) as client:
            return await client.fetch(site.url())

    answer = run(main())
    assert (answer.outcome, answer.content_type) == (Outcome.OK, told)
