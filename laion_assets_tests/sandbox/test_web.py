"""Every fault of the table, as a raw client sees it on the wire."""

import gzip
import re
import socket
import urllib.parse
import zlib
from pathlib import Path

import polars as pl
import pytest

from laion_assets.sandbox import RunningSandbox
from laion_assets.sandbox.faults import FAULTS
from laion_assets.sandbox.hosts import make_hosts
from laion_assets_tests.sandbox.raw_client import RawAnswer, ask

JPEG = b"\xff\xd8\xff"


def rows_of(truth: pl.DataFrame, fault: str) -> list[dict[str, object]]:
    usable = truth.filter((pl.col("fault") == fault) & pl.col("row_defect").is_null())
    rows = usable.unique("page", maintain_order=True).to_dicts()
    assert rows, f"no page with fault {fault}"
    return rows


def url_of(truth: pl.DataFrame, fault: str) -> str:
    return str(rows_of(truth, fault)[0]["url"])


def address_of(url: str) -> str:
    """Where a named host lives; the address itself for the others."""
    name = urllib.parse.urlsplit(url).hostname or ""
    by_name = {host.name: host.address for host in make_hosts(400, named_share=0.1) if host.name}
    return by_name.get(name, name)


def get(url: str, *headers: str, patience_s: float = 1.0, keep_alive: bool = False) -> RawAnswer:
    return ask(url, *headers, address=address_of(url), patience_s=patience_s, keep_alive=keep_alive)


def first_4_kib(url: str) -> RawAnswer:
    return get(url, "Range: bytes=0-4095")


def test_a_good_page_answers_ranges_and_the_whole(truth: pl.DataFrame) -> None:
    for row in rows_of(truth, "none")[:40]:
        url, size = str(row["url"]), int(str(row["file_bytes"]))
        part, whole = first_4_kib(url), get(url)
        assert (part.status, whole.status) == (206, 200)
        assert part.header("Content-Range") == f"bytes 0-{min(4095, size - 1)}/{size}"
        assert len(whole.body) == size == int(whole.header("Content-Length"))
        assert whole.body.startswith(part.body)
        assert whole.header("Content-Type") == f"image/{row['format']}"


def test_a_connection_is_kept_and_serves_many_requests(truth: pl.DataFrame) -> None:
    rows = [row for row in rows_of(truth, "none") if str(row["url"]).startswith("http://127.20.0.1:")][:20]
    parts = [urllib.parse.urlsplit(str(row["url"])) for row in rows]
    with socket.create_connection((parts[0].hostname or "", parts[0].port or 0)) as stream:
        stream.settimeout(2)
        # All at once, as a pipelining client would: answers come in order.
        asked = [f"HEAD {each.path}?{each.query} HTTP/1.1\r\nHost: x\r\n\r\n" for each in parts]
        stream.sendall("".join(asked).encode())
        received = b""
        while received.count(b"\r\n\r\n") < len(parts):
            received += stream.recv(1 << 16)
    sizes = [int(size) for size in re.findall(rb"Content-Length: (\d+)", received)]
    assert sizes == [row["file_bytes"] for row in rows]


def test_what_is_no_http_request_is_refused_and_the_server_lives(sandbox: RunningSandbox, truth: pl.DataFrame) -> None:
    for nonsense in (
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"A" * 70_000,
    ):
        with socket.create_connection(("127.20.0.1", sandbox.web_port)) as stream:
            stream.settimeout(2)
            stream.sendall(nonsense)
            assert stream.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
    assert get(url_of(truth, "none")).status == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("not_found", 404),
        ("gone", 410),
        ("forbidden", 403),
        ("unauthorized", 401),
        ("legal_reasons", 451),
        ("bad_request", 400),
        ("method_refused", 405),
        ("unavailable", 503),
        ("internal_error", 500),
        ("bad_gateway", 502),
        ("rate_limited", 429),
    ],
)
def test_a_refusal_has_its_status_and_a_page(truth: pl.DataFrame, fault: str, status: int) -> None:
    for _ in range(2):
        answer = first_4_kib(url_of(truth, fault))
        assert answer.status == status
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert len(answer.body) == int(answer.header("Content-Length"))
    if fault == "rate_limited":
        assert answer.header("Retry-After") == "1"


def test_dead_hosts_are_dead(truth: pl.DataFrame) -> None:
    assert urllib.parse.urlsplit(url_of(truth, "dns_nxdomain")).hostname.endswith(".invalid")  # type: ignore[union-attr]
    assert ".servfail.test" in url_of(truth, "dns_servfail")
    assert ".silent.test" in url_of(truth, "dns_silent")
    assert ".intranet.test" in url_of(truth, "private_name")
    assert re.match(r"http://(10\.0\.0\.1|169\.254\.169\.254)/", url_of(truth, "private_address"))
    with pytest.raises(ConnectionRefusedError):
        ask(url_of(truth, "refused"))


def test_tls_on_a_plain_port_fails(truth: pl.DataFrame, sandbox: RunningSandbox) -> None:
    url = urllib.parse.urlsplit(url_of(truth, "tls_on_plain_port"))
    assert (url.scheme, url.port) == ("https", sandbox.web_port)
    import ssl

    context = ssl.create_default_context()
    with socket.create_connection((url.hostname or "", url.port or 0)) as stream, pytest.raises(ssl.SSLError):
        context.wrap_socket(stream, server_hostname=url.hostname)


def test_connections_are_reset_or_closed_or_speak_another_language(truth: pl.DataFrame) -> None:
    reset = get(url_of(truth, "reset"))
    assert (reset.ended, reset.head) == ("reset", "")
    closed = get(url_of(truth, "closed"))
    assert (closed.ended, closed.head) == ("closed", "")
    assert not get(url_of(truth, "garbage")).head.startswith("HTTP")


def test_some_answers_never_end(truth: pl.DataFrame) -> None:
    headers = get(url_of(truth, "endless_headers"))
    assert headers.ended == "enough"
    assert "\r\n\r\n" not in headers.head
    garbage = get(url_of(truth, "endless_garbage"))
    assert (garbage.status, garbage.ended, garbage.headers("Content-Length")) == (200, "enough", [])
    image = get(url_of(truth, "endless_body"))
    assert (image.status, image.ended) == (200, "enough")
    assert image.body.startswith(JPEG)


def test_some_answers_hardly_begin(truth: pl.DataFrame) -> None:
    silent = get(url_of(truth, "silent"), patience_s=0.4)
    assert (silent.ended, silent.head) == ("silent", "")
    drip = get(url_of(truth, "drip"), patience_s=0.4)
    assert (drip.ended, drip.status) == ("silent", 200)
    assert len(drip.body) <= 1
    header = get(url_of(truth, "drip_headers"), patience_s=0.4)
    assert header.head == "H"
    slow = get(url_of(truth, "slow_first_byte"), patience_s=4)
    assert slow.status == 200
    assert slow.first_byte_s >= 1.4


def test_some_answers_are_no_images(truth: pl.DataFrame) -> None:
    for row in rows_of(truth, "html_page")[:3]:
        answer = first_4_kib(str(row["url"]))
        assert (answer.status, answer.header("Content-Type")) == (200, "text/html; charset=utf-8")
    disguised = first_4_kib(url_of(truth, "html_as_jpeg"))
    assert disguised.header("Content-Type") == "image/jpeg"
    assert b"<script>" in disguised.body
    vector = first_4_kib(url_of(truth, "svg_script"))
    assert vector.header("Content-Type") == "image/svg+xml"
    assert b"<script>" in vector.body
    empty = get(url_of(truth, "empty_body"))
    assert (empty.status, empty.header("Content-Length"), empty.body) == (200, "0", b"")


@pytest.mark.parametrize(
    ("fault", "tags"),
    [
        ("noai", ["noai"]),
        ("noimageai", ["max-image-preview:large, noai, noimageai"]),
        ("noindex", ["nofollow,NoIndex , noarchive"]),
        ("noimageindex", ["nofollow", "noimageindex"]),
        ("noml", ["noml"]),
        ("other_bots_noai", ["otherbot: noai, noimageai"]),
    ],
)
def test_publishers_opt_out_in_their_headers(truth: pl.DataFrame, fault: str, tags: list[str]) -> None:
    answer = first_4_kib(url_of(truth, fault))
    assert answer.status == 206
    assert answer.headers("X-Robots-Tag") == tags


def test_redirects_lead_to_the_image_on_another_host(truth: pl.DataFrame) -> None:
    statuses = set()
    for fault, most in (("redirected", 1), ("redirected_twice", 2)):
        for row in rows_of(truth, fault)[:12]:
            url = str(row["url"])
            answer = first_4_kib(url)
            hops = 0
            while answer.status != 206:
                statuses.add(answer.status)
                hops += 1
                url = urllib.parse.urljoin(url, answer.header("Location"))
                answer = first_4_kib(url)
            assert hops == most
            assert urllib.parse.urlsplit(url).hostname != urllib.parse.urlsplit(str(row["url"])).hostname
            assert answer.header("Content-Range").endswith(f"/{row['file_bytes']}")
    assert statuses == {301, 302, 307, 308}


def test_other_redirects_lead_nowhere_good(truth: pl.DataFrame, sandbox: RunningSandbox) -> None:
    def target(fault: str) -> str:
        url = url_of(truth, fault)
        return urllib.parse.urljoin(url, get(url).header("Location"))

    assert get(target("redirect_to_missing")).status == 404
    shop = get(target("redirect_to_html"))
    assert (shop.status, shop.header("Content-Type")) == (200, "text/html; charset=utf-8")
    assert target("redirect_to_file") == "file:///etc/passwd"
    private = {get(str(row["url"])).header("Location") for row in rows_of(truth, "redirect_to_private")}
    assert private <= {
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        f"http://[::1]:{sandbox.web_port}/",
    }
    url = target("redirect_loop")
    visited = []
    for _ in range(6):
        visited.append(url)
        url = urllib.parse.urljoin(url, get(url).header("Location"))
    assert len(set(visited)) == 2


@pytest.mark.parametrize(("fault", "ended"), [("cut_connection", "closed"), ("reset_mid_body", "reset")])
def test_a_body_can_break_off_behind_a_good_beginning(truth: pl.DataFrame, fault: str, ended: str) -> None:
    row = rows_of(truth, fault)[0]
    url, size = str(row["url"]), int(str(row["file_bytes"]))
    assert len(first_4_kib(url).body) == 4096
    whole = get(url, keep_alive=True)
    assert int(whole.header("Content-Length")) == size
    assert whole.ended == ended
    assert len(whole.body) <= int(size * 0.6)
    if ended == "closed":
        assert len(whole.body) == int(size * 0.6)


def test_content_length_can_lie(truth: pl.DataFrame) -> None:
    long = get(url_of(truth, "announced_too_long"), keep_alive=True)
    assert long.ended == "closed"
    assert int(long.header("Content-Length")) == len(long.body) + 10_000
    assert long.body.endswith(b"\xff\xd9")
    short = get(url_of(truth, "announced_too_short"))
    assert int(short.header("Content-Length")) == len(short.body)
    assert short.body.startswith(JPEG)
    assert not short.body.endswith(b"\xff\xd9")


def test_bodies_come_in_every_framing(truth: pl.DataFrame) -> None:
    def row(fault: str) -> tuple[str, int]:
        found = rows_of(truth, fault)[0]
        return str(found["url"]), int(str(found["file_bytes"]))

    url, size = row("no_ranges")
    plain = first_4_kib(url)
    assert (plain.status, len(plain.body), plain.headers("Accept-Ranges")) == (200, size, [])
    url, size = row("chunked")
    chunked = first_4_kib(url)
    assert (chunked.header("Transfer-Encoding"), chunked.headers("Content-Length")) == ("chunked", [])
    body, rest = b"", chunked.body
    while rest:
        length, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(length, 16)], rest[int(length, 16) + 2 :]
    assert len(body) == size
    url, size = row("until_close")
    until_close = get(url, keep_alive=True)
    assert (until_close.ended, until_close.headers("Content-Length"), len(until_close.body)) == ("closed", [], size)
    url, size = row("gzip_unasked")
    packed = get(url, "Accept-Encoding: identity")
    assert packed.header("Content-Encoding") == "gzip"
    assert len(gzip.decompress(packed.body)) == size


def test_a_gzip_bomb_is_an_image_followed_by_a_gigabyte(truth: pl.DataFrame) -> None:
    answer = get(url_of(truth, "gzip_bomb"))
    assert len(answer.body) < 2_000_000
    unpacker = zlib.decompressobj(31)
    assert unpacker.decompress(answer.body, 3) == JPEG
    grown = 0
    while unpacker.unconsumed_tail and grown < 100_000_000:
        grown += len(unpacker.decompress(unpacker.unconsumed_tail, 1 << 24))
    assert grown >= 100_000_000


@pytest.mark.parametrize(("fault", "status"), [("rate_limited_once", 429), ("unavailable_once", 503)])
def test_asking_again_helps_where_it_should(truth: pl.DataFrame, fault: str, status: int) -> None:
    url = str(rows_of(truth, fault)[-1]["url"])
    assert [first_4_kib(url).status for _ in range(3)] == [status, 206, 206]


def test_content_types_can_be_wrong(truth: pl.DataFrame) -> None:
    types = {get(str(row["url"])).header("Content-Type") for row in rows_of(truth, "wrong_content_type")}
    assert types == {"text/html; charset=utf-8", "application/octet-stream", "text/plain", "image/jpg"}


@pytest.mark.parametrize(
    "fault",
    [
        "placeholder",
        "thumbnail",
        "scaled_below",
        "scaled_down",
        "replaced",
        "swapped",
        "truncated_file",
        "broken_content",
        "pixel_bomb",
    ],
)
def test_images_that_are_not_as_declared_answer_like_any_other(truth: pl.DataFrame, fault: str) -> None:
    row = rows_of(truth, fault)[0]
    answer = first_4_kib(str(row["url"]))
    assert answer.status == 206
    assert answer.header("Content-Range").endswith(f"/{row['file_bytes']}")
    declared = (row["declared_width"], row["declared_height"])
    true = (row["true_width"], row["true_height"])
    assert (true == declared) == (fault in ("truncated_file", "broken_content"))


def test_no_fault_of_the_table_was_left_out() -> None:
    tested = Path(__file__).read_text()
    assert [fault.name for fault in FAULTS if f'"{fault.name}"' not in tested] == []
