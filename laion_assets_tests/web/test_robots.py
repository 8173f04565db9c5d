"""What publishers ask of robots is read as they mean it, and obeyed before a body is read."""

import asyncio
import time

import pytest

from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.robots import RobotsRules, opt_out, read_robots
from laion_assets.web.spec import OPT_OUT_WORDS, WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, Handler, Seen, Site, always, head, plain, routes, serve

OPEN = WebSpec(allow_networks=LOOPBACK, attempts=1, deadline_s=3.0)


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ([], None),
        (["noai"], "noai"),
        (["noimageai"], "noimageai"),
        (["noindex"], "noindex"),
        (["noimageindex"], "noimageindex"),
        (["noml"], "noml"),
        (["none"], "none"),
        (["NoAI"], "noai"),
        (["nofollow, NOINDEX"], "noindex"),
        (["nofollow,noindex,"], "noindex"),
        ([" , ,noai"], "noai"),
        (["nofollow", "noarchive", "noimageai"], "noimageai"),
        (["all"], None),
        (["index, follow"], None),
        (["noarchive, nosnippet"], None),
        (["max-snippet: 20, max-image-preview: large"], None),
        (["max-snippet:20, noindex"], "noindex"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], None),
        (["unavailable_after: Wednesday, 25-Jun-30 15:00:00 GMT"], None),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"),
        (["noai, unavailable_after: 25 Jun 2030 15:00:00 PST"], "noai"),
        (["unavailable_after: Wed, 25 Jun 2030 15:00:00 GMT, noai"], "noai"),
        (["unavailable_after: Wednesday, 25-Jun-30 15:00:00 GMT, noml"], "noml"),
        (["otherbot: unavailable_after: Wed, 25 Jun 2030 15:00:00 GMT, noai"], None),
        (["otherbot: noai"], None),
        (["otherbot: noindex, noai"], None),
        (["googlebot: nofollow", "otherbot: noindex"], None),
        (["googlebot: noindex, laion-assets: noai"], "noai"),
        (["laion-assets: noai"], "noai"),
        (["Laion-Assets : noindex"], "noindex"),
        (["laion-assets: nofollow, noml"], "noml"),
        (["*: noai"], "noai"),
        (["otherbot: noai", "noindex"], "noindex"),
        (["noai: true"], "noai"),
        (["noaix, xnoai, no ai"], None),
        (["\x00\xff,,;;::", ":", "::noai"], None),
    ],
)
def test_x_robots_tag_is_read_with_its_prefixes_lists_and_values(headers: list[str], word: str | None) -> None:
    assert opt_out(headers, words=OPT_OUT_WORDS, agent="laion-assets") == word


def big_image(*tags: str) -> Handler:
    async def handler(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, [("X-Robots-Tag", tag) for tag in tags], length=50_000_000))
        for _part in range(500):
            writer.write(bytes(100_000))
            await writer.drain()

    return handler


@pytest.mark.parametrize("prefix", [True, False], ids=["prefix", "whole"])
def test_an_opt_out_is_obeyed_before_the_body_is_read(run: Run[Answer], prefix: bool) -> None:  # noqa: FBT001
    async def main() -> Answer:
        async with serve(big_image("nofollow", "noimageai")) as site, GuardedClient(OPEN) as client:
            if prefix:
                return await client.fetch_prefix(site.url(), more=lambda _, __: None)
            return await client.fetch(site.url())

    answer = run(main())
    assert (answer.outcome, answer.opted_out, answer.body) == (Outcome.OPTED_OUT, True, b"")
    assert answer.error == "X-Robots-Tag: noimageai"
    # What came along with the headers, before they could be looked at.
    assert answer.bytes_read < 1_000_000


def test_an_opt_out_of_a_redirect_or_of_its_end_counts(run: Run[list[Answer]]) -> None:
    table = {
        "/a": always(plain(302, [("Location", "/fine"), ("X-Robots-Tag", "noai")])),
        "/b": always(plain(302, [("Location", "/out")])),
        "/out": always(plain(200, [("X-Robots-Tag", "noai")], b"x")),
        "/fine": always(plain(200, body=b"x")),
        "/missing": always(plain(404, [("X-Robots-Tag", "noindex")])),
    }

    async def main() -> list[Answer]:
        async with serve(routes(table)) as site, GuardedClient(OPEN) as client:
            return [await client.fetch(site.url(path)) for path in ("/a", "/b", "/missing")]

    first, second, missing = run(main())
    assert [first.outcome, second.outcome] == [Outcome.OPTED_OUT, Outcome.OPTED_OUT]
    assert (missing.outcome, missing.opted_out) == (Outcome.NOT_FOUND, False)


def test_which_words_count_can_be_configured(run: Run[list[Outcome]]) -> None:
    async def main() -> list[Outcome]:
        outcomes = []
        async with serve(always(plain(200, [("X-Robots-Tag", "noindex")], b"x"))) as site:
            for words in (("noai",), ("noindex",), ()):
                spec = WebSpec(allow_networks=LOOPBACK, opt_out_words=words)
                async with GuardedClient(spec) as client:
                    outcomes.append((await client.fetch(site.url())).outcome)
        return outcomes

    assert run(main()) == [Outcome.OK, Outcome.OPTED_OUT, Outcome.OK]


ROBOTS = b"""\
\xef\xbb\xbf# a comment
User-agent: *
Disallow: /private/
Allow: /private/open/
Disallow: /*.gif$
Disallow: /search*results
Disallow: /caf\xc3\xa9
Disallow: /exact$

user-agent: OtherBot
user-agent: laion-assets/1.0
crawl-delay: 10
disallow: /ours
Allow: /ours/but-this

Sitemap: https://example.org/sitemap.xml
User-agent: third
Disallow: /
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private/a.jpg", False),
        ("/private/open/a.jpg", True),
        ("/private", True),
        ("/a.gif", False),
        ("/a.gif?x=1", True),
        ("/search/all/results.html", False),
        ("/search", True),
        ("/caf%C3%A9/x", False),
        ("/caf%c3%a9/x", False),
        ("/exact", False),
        ("/exactly", True),
        ("/ours", True),
    ],
)
def test_robots_txt_for_everyone(path: str, allowed: bool) -> None:  # noqa: FBT001
    assert read_robots(ROBOTS, agent="somebody").allows(path) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"), [("/ours", False), ("/ours/x", False), ("/ours/but-this", True), ("/private/a.jpg", True)]
)
def test_robots_txt_for_us_by_name_replaces_what_is_for_everyone(path: str, allowed: bool) -> None:  # noqa: FBT001
    assert read_robots(ROBOTS, agent="laion-assets").allows(path) is allowed


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00\xff\xfe" * 1000, b"<html><body>404</body></html>", b"Disallow: /", b"User-agent: *\nDisallow:\n"],
)
def test_a_robots_txt_that_says_nothing_allows_everything(body: bytes) -> None:
    assert read_robots(body, agent="laion-assets").allows("/x")


def test_the_longest_pattern_wins_in_any_order_and_allow_wins_a_tie() -> None:
    rules = read_robots(b"User-agent: *\nAllow: /a/open\nDisallow: /a/\nDisallow: /b\nAllow: /b\n", agent="x")
    assert [rules.allows(path) for path in ("/a/open/x", "/a/x", "/b")] == [True, False, True]
    rules = read_robots(b"User-agent: *\nDisallow: /a/\nAllow: /a/open\nAllow: /b\nDisallow: /b\n", agent="x")
    assert [rules.allows(path) for path in ("/a/open/x", "/a/x", "/b")] == [True, False, True]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/%70rivate/a", False),
        ("/privat%65/a.jpg", False),
        ("/x/../private/a", False),
        ("/x/%2e%2E/private/a", False),
        ("/./private/./a", False),
        ("/../../private/a", False),
        ("/private/..", True),
        ("/private/../public/a", True),
        ("/private/x/..", False),
        ("/private/open/../a", False),
        ("/public?at=/../private/a", True),
        ("/a%2Egif", False),
        ("/%2570rivate/a", True),
        ("/%2Fprivate/a", True),
        ("/...private/a", True),
        ("/~me/a", False),
        ("/%7Eyou/a", False),
    ],
)
def test_a_path_is_compared_as_the_server_will_understand_it(path: str, allowed: bool) -> None:  # noqa: FBT001
    robots = b"User-agent: *\nDisallow: /private/\nDisallow: /*.gif$\nDisallow: /%7Eme\nDisallow: /~you"
    assert read_robots(robots, agent="x").allows(path) is allowed


def test_groups_that_name_us_twice_are_one() -> None:
    rules = read_robots(
        b"User-agent: laion-assets\nDisallow: /a\n\nUser-agent: laion-assets\nDisallow: /b\n", agent="laion-assets"
    )
    assert [rules.allows(path) for path in ("/a", "/b", "/c")] == [False, False, True]


def test_a_hostile_pattern_takes_no_time() -> None:
    rules = RobotsRules((("/" + "a*" * 5_000 + "b$", False),))
    began = time.monotonic()
    assert rules.allows("/" + "a" * 16_000)
    assert time.monotonic() - began < 1.0


def fetching(run: Run[tuple[list[Answer], Site]], robots: Handler, paths: list[str]) -> tuple[list[Answer], list[str]]:
    async def main() -> tuple[list[Answer], Site]:
        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            await (robots if seen.path == "/robots.txt" else always(plain(200, body=b"x")))(seen, writer)

        spec = WebSpec(allow_networks=LOOPBACK, robots_txt=True, attempts=2, backoff_s=0.01, deadline_s=2.0)
        async with serve(handler) as site, GuardedClient(spec) as client:
            answers = await asyncio.gather(*(client.fetch(site.url(path)) for path in paths))
            answers += [await client.fetch(site.url("/later"))]
            return list(answers), site

    answers, site = run(main())
    return answers, site.paths


def test_robots_txt_is_asked_once_per_host_and_obeyed(run: Run[tuple[list[Answer], Site]]) -> None:
    answers, paths = fetching(run, always(plain(200, body=ROBOTS)), ["/ours", "/a", "/ours/but-this", "/b"])
    assert [answer.outcome for answer in answers] == [
        Outcome.OPTED_OUT,
        Outcome.OK,
        Outcome.OK,
        Outcome.OK,
        Outcome.OK,
    ]
    assert (answers[0].error, answers[0].opted_out, answers[0].requests) == ("robots.txt says no", True, 0)
    assert paths[0] == "/robots.txt"
    assert sorted(paths) == ["/a", "/b", "/later", "/ours/but-this", "/robots.txt"]


@pytest.mark.parametrize("status", [404, 403, 401, 410, 400])
def test_no_robots_txt_means_no_rules(run: Run[tuple[list[Answer], Site]], status: int) -> None:
    answers, paths = fetching(run, always(plain(status)), ["/a"])
    assert [answer.outcome for answer in answers] == [Outcome.OK, Outcome.OK]
    assert paths.count("/robots.txt") == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_robots_txt_that_cannot_be_had_means_stay_away_for_now(
    run: Run[tuple[list[Answer], Site]], status: int
) -> None:
    answers, paths = fetching(run, always(plain(status)), ["/a", "/b"])
    expected = Outcome.RATE_LIMITED if status == 429 else Outcome.SERVER_ERROR
    assert [answer.outcome for answer in answers] == [expected] * 3
    assert answers[0].error == f"robots.txt: HTTP {status} Whatever"
    assert set(paths) == {"/robots.txt"}


def test_a_robots_txt_behind_redirects_is_found_and_an_endless_one_read_so_far(
    run: Run[tuple[list[Answer], Site]],
) -> None:
    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200) + b"User-agent: *\nDisallow: /a\n")
        while True:
            writer.write(b"# and so on\n" * 1000)
            await writer.drain()

    answers, _ = fetching(run, endless, ["/a", "/b"])
    assert [answer.outcome for answer in answers] == [Outcome.OPTED_OUT, Outcome.OK, Outcome.OK]

    async def elsewhere(seen: Seen, writer: asyncio.StreamWriter) -> None:
        assert seen.path == "/robots.txt"
        writer.write(plain(301, [("Location", "/rules.txt")]))
        await writer.drain()

    answers, _ = fetching(run, elsewhere, ["/a"])
    assert [answer.outcome for answer in answers] == [Outcome.OK, Outcome.OK]
