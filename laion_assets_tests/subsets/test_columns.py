"""Derived columns: the host a condition sees is the host that is asked."""

import polars as pl
import pytest

from laion_assets.subsets.columns import DERIVED_COLUMNS
from laion_assets.subsets.selection import select
from laion_assets.subsets.spec import SubsetSpec
from laion_assets.web.failure import Failure
from laion_assets.web.url import parse_url
from laion_assets_tests.subsets.conftest import valid_rows

SHOP = [
    "https://shop.example/a.jpg",
    "https://shop.example",
    "HTTP://SHOP.Example:8080?a",
    "https://shop.example./a.jpg",
    "https://shop.example.:443/a.jpg",
    "https:\\\\shop.example\\a.jpg",
    "https:/\\shop.example/a.jpg",
    "https:shop.example/a.jpg",
    "https:////shop.example/a.jpg",
    "https://shop.example\\@other.example/a.jpg",
    "https://a@b@shop.example/",
    "https://user:pass@shop.example:8443/a.jpg",
    "https://other.example@shop.example/a.jpg",
    " https://shop.example/a.jpg",
    "\t\n\x00\x1fhttps://shop.example/a.jpg ",
    "ht\ntps://sh\top.exam\rple/a.jpg",
    "https://sh%6Fp.example/a.jpg",
    "https://shop%2Eexample/a.jpg",
    "https://\uff53\uff48\uff4f\uff50.example/a.jpg",
    "https://shop\u3002example/a.jpg",
    "https://shop.example#@other.example/",
    "https://shop.example?@other.example/",
    "https://shop.example:/a.jpg",
]
OTHERS = [
    "https://other.example/https://shop.example/",
    "https://other.example\\shop.example/",
    "https://shop.example@other.example/",
    "https://other.example/?@shop.example",
    "https://müller.example/a.jpg",
    "http://127.0.0.1/a.jpg",
    "http://0x7f.1/a.jpg",
    "http://017700000001/a.jpg",
    "http://[::1]:8080/a.jpg",
    "http://[0:0:0:0:0:0:0:1]/a.jpg",
    "http://a_b.example/a.jpg",
]
NOWHERE = ["https://", "shop.example/a.jpg", "ftp://shop.example/a.jpg", "https://sh op.example/", "", "https://[::1/"]


def hosts_of(urls: list[str | None]) -> list[str | None]:
    dtype, recipe = DERIVED_COLUMNS["url_host"]
    found = pl.DataFrame({"url": urls}, schema={"url": pl.String}).lazy().select(recipe.alias("host")).collect()["host"]
    assert found.dtype == dtype
    return found.to_list()


def asked_host(url: str) -> str | None:
    try:
        return parse_url(url).host
    except Failure:
        return None


@pytest.mark.parametrize("url", [*SHOP, *OTHERS, *NOWHERE])
def test_the_host_of_a_url_is_the_host_that_is_asked(url: str) -> None:
    assert hosts_of([url]) == [asked_host(url)]


def test_hosts_stay_with_their_rows() -> None:
    urls: list[str | None] = [None, SHOP[0], SHOP[3], None, OTHERS[0], NOWHERE[0], SHOP[5]]
    assert hosts_of(urls) == [None, "shop.example", "shop.example", None, "other.example", None, "shop.example"]
    assert hosts_of([]) == []


@pytest.mark.parametrize("spelled", ["Müller.example", "xn--mller-kva.example.", ".m\u00fcller\u3002example"])
def test_a_host_may_be_excluded_as_people_write_it(spelled: str) -> None:
    urls = ["https://a.müller.example/a.jpg", "https://xn--mller-kva.example/b.jpg", "https://muller.example/c.jpg"]
    rows = select(valid_rows(3, url=urls).lazy(), SubsetSpec(name="x", exclude_hosts=[spelled]), part="part-00000").rows
    assert rows["url"].to_list() == urls[2:]


def test_no_spelling_of_an_excluded_host_gets_past() -> None:
    urls = [*SHOP, *OTHERS]
    subset = SubsetSpec(name="x", exclude_hosts=["shop.example"], duplicates="keep")
    rows = select(valid_rows(len(urls), url=urls).lazy(), subset, part="part-00000").rows
    assert rows["url"].to_list() == OTHERS
