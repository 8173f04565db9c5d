"""Pages of the lake in a browser: what is served, to whom, and what never is."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import pytest

from laion_assets.lake.lake import Lake
from laion_assets.lake.pages import serve_pages
from laion_assets.lake.resource import LakeResource

_PAGE = "laion_hr/metadata_profile/contract/part-00000.html"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with two pages and a table."""
    lake = Lake(str(tmp_path / "lake"))
    lake.write_bytes(lake.uri(["laion_hr", "metadata_profile"], "contract/part-00000.html"), b"<h1>met</h1>")
    lake.write_bytes(lake.uri(["laion_hr", "resolution_statistics"], "laion_hr_analysis.png"), b"\x89PNG")
    lake.write_bytes(lake.uri(["laion_hr", "metadata_profile"], "part-00000.parquet"), b"PAR1")
    (tmp_path / "secret.html").write_text("not of the lake")
    (tmp_path / "lake" / ".hidden.html").write_text("not published")
    return lake


@pytest.fixture
def pages(lake: Lake) -> Iterator[str]:
    """The address of its pages."""
    with serve_pages(lake) as address:
        yield address


def _ask(address: str, path: str, *, method: str = "GET", host: str | None = None) -> tuple[int, bytes, dict[str, str]]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    connection.request(method, path, headers={"Host": host or parts.netloc})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, {name.lower(): value for name, value in answer.getheaders()}


def test_the_link_of_a_page_leads_to_it(lake: Lake, pages: str) -> None:
    resource = LakeResource(base_uri=lake.base_uri, pages_url=pages + "/")
    link = resource.link(lake.uri(["laion_hr", "metadata_profile"], "contract/part-00000.html"))
    assert isinstance(link, dg.UrlMetadataValue)
    assert link.value == f"{pages}/{_PAGE}"
    status, body, headers = _ask(pages, urlsplit(str(link.value)).path)
    assert (status, body, headers["content-type"]) == (200, b"<h1>met</h1>", "text/html; charset=utf-8")


def test_where_no_pages_are_served_the_path_is_shown(lake: Lake) -> None:
    uri = lake.uri(["laion_hr", "metadata_profile"], "contract/part-00000.html")
    shown = LakeResource(base_uri=lake.base_uri).link(uri)
    assert isinstance(shown, dg.PathMetadataValue)
    assert shown.value == uri


def test_a_picture_is_a_picture_and_a_head_is_a_head(pages: str) -> None:
    status, body, headers = _ask(pages, "/laion_hr/resolution_statistics/laion_hr_analysis.png", method="HEAD")
    assert (status, body, headers["content-type"], headers["content-length"]) == (200, b"", "image/png", "4")


@pytest.mark.parametrize(
    "path",
    [
        "/laion_hr/metadata_profile/part-00000.parquet",
        "/laion_hr/metadata_profile/contract/part-00001.html",
        "/laion_hr/metadata_profile/",
        "/",
        "/page.html",
        "/../secret.html",
        "/laion_hr/..%2f..%2fsecret.html",
        "/laion_hr/%2e%2e/%2e%2e/secret.html",
        "/.hidden.html",
        "/laion_hr//etc/passwd.html",
        "/laion_hr/a%00.html",
    ],
)
def test_rows_and_what_is_not_in_the_lake_are_not_served(pages: str, path: str) -> None:
    status, body, _ = _ask(pages, path)
    assert status == 404
    assert b"secret" not in body
    assert b"not of the lake" not in body
    assert b"PAR1" not in body


def test_nothing_can_be_written(pages: str, lake: Lake) -> None:
    assert _ask(pages, f"/{_PAGE}", method="PUT")[0] == 501
    assert _ask(pages, f"/{_PAGE}", method="DELETE")[0] == 501
    assert lake.exists(f"{lake.base_uri}/{_PAGE}")


def test_a_page_runs_no_script_and_asks_nobody(pages: str) -> None:
    _, _, headers = _ask(pages, f"/{_PAGE}")
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src ")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("127.0.0.1", 200), ("[::1]", 200), ("evil.example", 421), ("", 421)]
)
def test_a_stranger_s_name_for_this_machine_is_not_answered(pages: str, host: str, status: int) -> None:
    with_port = f"{host}:{urlsplit(pages).port}" if host else ":"
    assert _ask(pages, f"/{_PAGE}", host=with_port)[0] == status


def test_the_port_is_free_again_afterwards(lake: Lake) -> None:
    with serve_pages(lake) as address:
        port = int(urlsplit(address).port or 0)
        with pytest.raises(OSError, match="in use"), serve_pages(lake, port=port):
            pass
    with serve_pages(lake, port=port) as again:
        assert again == address
