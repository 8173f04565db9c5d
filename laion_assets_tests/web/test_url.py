# ruff: noqa: RUF001 - look-alike characters are what is tested here
"""A URL is read as a browser reads it, and escaped only where it must be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome
from laion_assets.web.url import BLOCKED_PORTS, join_url, parse_url

READINGS = [
    # text as published -> what is asked
    ("http://example.com", "http://example.com/"),
    ("https://Example.COM:443/A", "https://example.com/A"),
    ("HTTP://example.com:80/?q", "http://example.com/?q"),
    ("http://example.com:8080/a#b", "http://example.com:8080/a"),
    ("  http://example.com/a\n", "http://example.com/a"),
    ("ht\ttp://exa\nmple.com/a\rb", "http://example.com/ab"),
    ("http:example.com/a", "http://example.com/a"),
    ("http:////example.com/a", "http://example.com/a"),
    ("http://example.com./a", "http://example.com/a"),
    ("http://user:secret@example.com/a", "http://example.com/a"),
    ("http://user@evil.com@example.com/a", "http://example.com/a"),
    ("http://example.com\\a\\b", "http://example.com/a/b"),
    ("http://example.com/a?b\\c", "http://example.com/a?b%5Cc"),
    ("http://example.com/a b.jpg", "http://example.com/a%20b.jpg"),
    ("http://example.com/ä/日本.jpg?ö", "http://example.com/%C3%A4/%E6%97%A5%E6%9C%AC.jpg?%C3%B6"),
    ("http://example.com/\udce4.jpg", "http://example.com/%E4.jpg"),
    ("http://example.com/\ud800.jpg", "http://example.com/%EF%BF%BD.jpg"),
    ('http://example.com/a|b^c`{d}"<e>', "http://example.com/a%7Cb%5Ec%60%7Bd%7D%22%3Ce%3E"),
    # Escapes stay as they are, needed or not: signatures of signed URLs are made over them.
    ("http://example.com/%7Efoo%2Cbar%2f?sig=%2B%3d", "http://example.com/%7Efoo%2Cbar%2f?sig=%2B%3d"),
    ("http://example.com/100%", "http://example.com/100%"),
    ("http://example.com/a+b,c;d=e(f)!$&'*~", "http://example.com/a+b,c;d=e(f)!$&'*~"),
    ("http://example.com/a//b/../c", "http://example.com/a//b/../c"),
    ("http://example.com/?a=1?b=2&c[]=3", "http://example.com/?a=1?b=2&c[]=3"),
    ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
    ("http://faß.de/", "http://xn--fa-hia.de/"),
    ("http://例え。テスト/", "http://xn--r8jz45g.xn--zckzah/"),
    ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
    ("http://i\u2764\ufe0f.example/", "http://xn--i-7iq.example/"),
    ("http://\U0001f44d.\U0001fae8.example/", "http://xn--yp8h.xn--929h.example/"),  # the second newer than Python 3.11
    ("http://\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example/", "http://xn--mgba3gch31f060k.example/"),
    ("http://a_b.my-host.co.uk/", "http://a_b.my-host.co.uk/"),
    ("http://ex%61mple.com/", "http://example.com/"),
    ("http://127.0.0.1/", "http://127.0.0.1/"),
    ("http://127.1/", "http://127.0.0.1/"),
    ("http://0x7f.0.0.0x1/", "http://127.0.0.1/"),
    ("http://017700000001/", "http://127.0.0.1/"),
    ("http://2130706433/", "http://127.0.0.1/"),
    ("http://1.2.3/", "http://1.2.0.3/"),
    ("http://[2001:DB8:0:0::1]/", "http://[2001:db8::1]/"),
    ("http://[2001:DB8::A:0:0:1]:81/", "http://[2001:db8::a:0:0:1]:81/"),
]


@pytest.mark.parametrize(("text", "asked"), READINGS)
def test_a_url_is_read_as_a_browser_reads_it(text: str, asked: str) -> None:
    target = parse_url(text)
    assert target.url == asked
    assert parse_url(asked) == target, "reading what was read changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UNLIKELY",
        "example.com/a.jpg",
        "//example.com/a.jpg",
        "ftp://example.com/a.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "gopher://127.0.0.1:6379/_x",
        "unix:///var/run/docker.sock",
        "http://",
        "http:///",
        "http://@/",
        "http://:80/",
        "http://.",
        "http://..",
        "http://a..b/",
        "http://.example.com/",
        "http://exa mple.com/",
        "http://exa%20mple.com/",
        "http://exa%00mple.com/",
        "http://ex%ffample.com/",
        "http://example.com:port/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:８0/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://1.2.3.08/",
        "http://0x100000000/",
        "http://99999999999999999999/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[1.2.3.4]/",
        "http://[]/",
        "http://::1/",
        "http://xn--a.example\u2028/",
        "http://xn--\u00fc.example/",
        "http://\u0300a.example/",
        "http://a\u200db.example/",
        "http://\U0001fae8\u200dx.example/",
        "http://1\u05d0\u05d1.example/",
        "http://1a.\u05d0\u05d1.example/",  # where one label runs from right to left, all heed the rule
        # Newer than Python 3.13: a mark that begins a label, marks out of order, a digit that runs from right to left.
        "http://\u0897a.example/",
        "http://1\U00010d69\u094d.example/",
        "http://1\U00010d40.example/",
        "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 130 + "com/",
        "http://" + "ä" * 300 + ".com/",
        "http://example.com/" + "a" * 20_000,
    ],
)
def test_what_cannot_be_asked_is_an_invalid_url(text: str) -> None:
    with pytest.raises(Failure) as refusal:
        parse_url(text)
    assert refusal.value.outcome is Outcome.INVALID_URL
    assert len(refusal.value.error) <= 300


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("https://other.example/x", "https://other.example/x"),
        ("//other.example/x", "http://other.example/x"),
        ("///other.example/x", "http://other.example/x"),
        ("\\\\other.example\\x", "http://other.example/x"),
        ("/x y?z#f", "http://example.com/x%20y?z"),
        ("x", "http://example.com/a/x"),
        ("../x", "http://example.com/x"),
        ("?x", "http://example.com/a/b?x"),
        ("http:x", "http://example.com/a/x"),
        ("http:/x", "http://example.com/x"),
        ("https:/other.example", "https://other.example/"),
        ("http://user:pw@127.0.0.1:99/", "http://127.0.0.1:99/"),
        ("/\udce9.jpg", "http://example.com/%E9.jpg"),
        ("", "http://example.com/a/b?c"),
    ],
)
def test_a_redirect_is_joined_as_a_browser_joins_it(location: str, leads_to: str) -> None:
    assert join_url(parse_url("http://example.com/a/b?c"), location).url == leads_to


@pytest.mark.parametrize("location", ["file:///etc/passwd", "javascript:x", "http://?x", "http://[", "//", "ftp://a/"])
def test_a_redirect_to_nowhere_is_refused(location: str) -> None:
    with pytest.raises(Failure) as refusal:
        join_url(parse_url("http://example.com/a"), location)
    assert refusal.value.outcome is Outcome.INVALID_URL


# fmt: off
PIECES = st.sampled_from([
    "http", "https", "file", ":", "/", "//", "\\", "@", "[", "]", "::1", "127.0.0.1", "0x7f", "%", "%00", "%2e", "%ff",
    "#", "?", "&", "=", "a", "ä", "日", "．", "。", "ß", "xn--", "-", "_", ".", "..", "65536", "0", "08", "1" * 20,
    "a" * 64, "\t", "\n", " ", "\x00", "\ud800", "\udcff", "\u200d", "\u00ad", "\u202e", "٣", "℡", "İ",
])
# fmt: on
STARTS = st.sampled_from(["", "http://", "https://", "http:", "HTTP:/", "//", "/"])


@settings(max_examples=300, deadline=None)
@given(start=STARTS, middle=st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40))
def test_any_text_is_either_a_plain_url_or_an_invalid_one(start: str, middle: str) -> None:
    base = parse_url("http://example.com/a/b?c")
    for read in (parse_url, lambda text: join_url(base, text)):
        target, failure = None, None
        try:
            target = read(start + middle)
        except Failure as refusal:
            failure = refusal
        if target is None:
            assert failure is not None
            assert failure.outcome in {Outcome.INVALID_URL, Outcome.BLOCKED_ADDRESS}
            assert failure.error.isprintable()
            continue
        url = target.url
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert "@" not in url.split("/")[2]
        assert URL(target.url, encoded=True).raw_host in {target.host, str(target.address)}
        assert parse_url(url) == target


def test_the_blocked_ports_are_those_of_the_fetch_standard() -> None:
    assert len(BLOCKED_PORTS) == 83
    assert {0, 1, 22, 25, 6000, 6667, 10080} <= BLOCKED_PORTS
    assert not {80, 443, 8000, 8080, 8443} & BLOCKED_PORTS
