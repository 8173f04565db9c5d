"""There is one host of a URL, whoever asks: a rule, a count, or the client that connects to it."""

from collections import Counter

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from laion_assets.metadata.derived import DERIVED
from laion_assets.metadata.hosts import host_counts
from laion_assets.web.failure import Failure
from laion_assets.web.url import MAX_URL_CHARS, parse_url

_PIECES = (
    *("http://", "https://", "HTTP://", "https:", "ftp://", "/", "//", "\\", "?", "#", "@", ":", ":80", ":x", "."),
    *("a.example", "B.Example", "user:pass", "[::1]", "127.0.0.1", "0x7f.1", "m\u00fcller.de", "\uff41", "%6F", "%2e"),
    *(" ", "\t", "\n", "\r", "\x00", "\x1f", "\x85", "[", "]", "_", "-", "x.jpg", "\u3002"),
)
urls_of_pieces = st.lists(
    st.one_of(st.none(), st.lists(st.sampled_from(_PIECES), max_size=8).map("".join), st.text(max_size=12)), max_size=12
)


def asked(url: str | None) -> str | None:
    try:
        return parse_url(url).host if url is not None else None
    except Failure:
        return None


@settings(max_examples=30, deadline=None)
@given(urls_of_pieces)
@example(["http://a.example ", "http://a.example /x", "https:///a.example/x", "http://\t/a.example/x", "http://a b/x"])
@example(["https://a.example/" + "x" * MAX_URL_CHARS, "https://a.example\\@b.example/x", "HTTP://A.example./x"])
@example(["http://a.example", "https://a.example", "http://", "https:///a.example", f"http://{'u' * 16_367}@a.example"])
@example(["http://a.example:9999/", "http://a.example:70000/", f"http://{'a' * 64}.example/", "http://" + "ab." * 90])
def test_a_host_is_the_one_that_is_asked_in_rules_and_in_counts(urls: list[str | None]) -> None:
    frame = pl.DataFrame({"url": urls}, schema={"url": pl.String})
    hosts = [asked(url) for url in urls]
    assert frame.select(host=DERIVED["url_host"][1])["host"].to_list() == hosts
    assert dict(host_counts(frame["url"]).iter_rows()) == Counter(hosts)
