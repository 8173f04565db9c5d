"""A part arrives whole, as it was published, or not at all, whatever the server does."""

import hashlib
import json
import random
import ssl
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme

from laion_assets.sources.http import Secrets, origin_of
from laion_assets.sources.http_origin import HttpOrigin
from laion_assets.sources.patience import Patience
from laion_assets.sources.published import ChecksumError, Fetched, PublishedPart, SourceError
from laion_assets.sources.transfer import download
from laion_assets_tests.sources.conftest import ONCE, QUICK
from laion_assets_tests.sources.publisher import Fault, Publisher, serve

PATH = "/part-00000.parquet"
CONTENT = random.Random(0).randbytes(3_000_000)  # noqa: S311
OTHER = random.Random(1).randbytes(3_000_000)  # noqa: S311


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def part_of(publisher: Publisher, *, checksum: bool = True, size: bool = True) -> PublishedPart:
    content = publisher.files[PATH]
    return PublishedPart(
        key="part-00000",
        uri=publisher.url + PATH,
        path=PATH.lstrip("/"),
        size_bytes=len(content) if size else None,
        sha256=sha256(content) if checksum else None,
    )


def fetch(
    publisher: Publisher, destination: Path, part: PublishedPart | None = None, patience: Patience = QUICK
) -> Fetched:
    part = part or part_of(publisher)
    origin = HttpOrigin(locate=lambda: publisher.url + PATH, shown=part.uri, silence_s=patience.silence_s)
    return download(origin, part, destination, patience=patience)


def half_fetched(publisher: Publisher, destination: Path, part: PublishedPart, size_bytes: int = 1_000_000) -> None:
    """Leave what a run leaves that ended after so many bytes."""
    publisher.faults = [Fault(drop_after=size_bytes)]
    with pytest.raises(SourceError, match="the connection"):
        fetch(publisher, destination, part, ONCE)
    assert publisher.faults == []
    assert destination.with_name(destination.name + ".partial").stat().st_size == size_bytes
    publisher.seen.clear()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "part-00000.parquet"


@pytest.fixture(autouse=True)
def content(publisher: Publisher) -> None:
    publisher.files[PATH] = CONTENT


def test_a_part_arrives_byte_for_byte_and_leaves_nothing_else(publisher: Publisher, destination: Path) -> None:
    fetched = fetch(publisher, destination)
    assert destination.read_bytes() == CONTENT
    assert fetched == Fetched(len(CONTENT), sha256(CONTENT), resumed_from_bytes=0)
    assert files_in(destination.parent) == [destination.name]


def test_an_empty_file_is_a_file(publisher: Publisher, destination: Path) -> None:
    publisher.files[PATH] = b""
    assert fetch(publisher, destination).size_bytes == 0
    assert destination.read_bytes() == b""


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("lengths", ["content-length", "chunked"])
def test_a_connection_dropped_again_and_again_costs_no_byte_twice(
    publisher: Publisher, destination: Path, lengths: str, *, reset: bool
) -> None:
    publisher.lengths = lengths
    publisher.faults = [Fault(drop_after=900_000, reset=reset) for _ in range(3)]
    fetch(publisher, destination)
    assert destination.read_bytes() == CONTENT
    assert [seen.status for seen in publisher.gets()] == [200, 206, 206, 206]
    if not reset:  # RST throws away what was on its way
        assert publisher.body_bytes() == len(CONTENT)
    assert all(seen.headers["if-range"] == publisher.etag(PATH) for seen in publisher.gets()[1:])


def test_a_later_run_goes_on_where_an_earlier_one_stopped(publisher: Publisher, destination: Path) -> None:
    half_fetched(publisher, destination, part_of(publisher))
    fetched = fetch(publisher, destination)
    assert fetched.resumed_from_bytes == 1_000_000
    assert destination.read_bytes() == CONTENT
    assert publisher.body_bytes() == 2_000_000
    assert files_in(destination.parent) == [destination.name]


def test_a_part_that_was_whole_but_not_handed_over_is_not_fetched_again(
    publisher: Publisher, destination: Path
) -> None:
    destination.write_bytes(CONTENT)
    assert fetch(publisher, destination).resumed_from_bytes == len(CONTENT)
    assert publisher.seen == []


def test_something_else_at_the_destination_is_replaced(publisher: Publisher, destination: Path) -> None:
    destination.write_bytes(b"something else")
    fetch(publisher, destination)
    assert destination.read_bytes() == CONTENT


def test_progress_is_told_and_never_goes_back(publisher: Publisher, destination: Path) -> None:
    told: list[tuple[int, int | None]] = []
    publisher.faults = [Fault(drop_after=500_000)]
    origin = HttpOrigin(locate=lambda: publisher.url + PATH, shown="it")
    download(
        origin,
        part_of(publisher),
        destination,
        patience=QUICK,
        on_progress=lambda held, total: told.append((held, total)),
    )
    assert [held for held, _ in told] == sorted(held for held, _ in told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


class TestTwoVersions:
    """Bytes of two versions never meet in one file."""

    def test_a_file_that_changed_between_runs_is_fetched_anew(self, publisher: Publisher, destination: Path) -> None:
        half_fetched(publisher, destination, part_of(publisher, checksum=False))
        publisher.files[PATH] = OTHER
        fetched = fetch(publisher, destination, part_of(publisher, checksum=False))
        assert destination.read_bytes() == OTHER
        assert fetched.resumed_from_bytes == 0
        assert fetched.sha256 == sha256(OTHER)

    def test_a_new_checksum_throws_the_old_half_away(self, publisher: Publisher, destination: Path) -> None:
        half_fetched(publisher, destination, part_of(publisher))
        publisher.files[PATH] = OTHER
        fetched = fetch(publisher, destination)
        assert destination.read_bytes() == OTHER
        assert fetched.resumed_from_bytes == 0
        assert [seen.headers.get("range") for seen in publisher.gets()] == [None]

    def test_a_server_that_ignores_if_range_cannot_make_us_glue(self, publisher: Publisher, destination: Path) -> None:
        publisher.ranges = "ignores if-range"
        half_fetched(publisher, destination, part_of(publisher, checksum=False))
        publisher.files[PATH] = OTHER
        fetched = fetch(publisher, destination, part_of(publisher, checksum=False))
        assert destination.read_bytes() == OTHER
        assert fetched.resumed_from_bytes == 0
        assert [seen.status for seen in publisher.gets()] == [206, 200]

    def test_a_change_in_the_middle_of_a_run_starts_over(self, publisher: Publisher, destination: Path) -> None:
        part = part_of(publisher, checksum=False)
        publisher.faults = [Fault(drop_after=1_000_000)]

        def swap() -> str:
            if publisher.seen:
                publisher.files[PATH] = OTHER
            return publisher.url + PATH

        download(HttpOrigin(locate=swap, shown="it"), part, destination, patience=QUICK)
        assert destination.read_bytes() == OTHER

    @pytest.mark.parametrize("etags", ["none", "weak"])
    def test_without_a_strong_mark_and_a_checksum_nothing_is_resumed(
        self, publisher: Publisher, destination: Path, etags: str
    ) -> None:
        publisher.etags = etags
        part = part_of(publisher, checksum=False)
        half_fetched(publisher, destination, part)
        publisher.files[PATH] = OTHER
        assert fetch(publisher, destination, part).resumed_from_bytes == 0
        assert destination.read_bytes() == OTHER
        publisher.faults = [Fault(drop_after=1_000_000)]
        destination.unlink()
        fetch(publisher, destination, part)
        assert destination.read_bytes() == OTHER
        assert all("range" not in seen.headers for seen in publisher.gets())

    @pytest.mark.parametrize("listed", [False, True])
    def test_all_bytes_of_an_older_version_are_not_the_file(
        self, publisher: Publisher, destination: Path, *, listed: bool
    ) -> None:
        part = part_of(publisher, checksum=False)
        half_fetched(publisher, destination, part)
        destination.with_name(destination.name + ".partial").write_bytes(CONTENT)
        publisher.files[PATH] = OTHER
        fetched = fetch(publisher, destination, replace(part, etag=publisher.etag(PATH) if listed else None))
        assert destination.read_bytes() == OTHER
        assert fetched.resumed_from_bytes == 0

    def test_with_a_checksum_a_mark_is_not_needed(self, publisher: Publisher, destination: Path) -> None:
        publisher.etags = "none"
        half_fetched(publisher, destination, part_of(publisher))
        assert fetch(publisher, destination).resumed_from_bytes == 1_000_000
        assert destination.read_bytes() == CONTENT

    def test_a_damaged_half_is_found_out_and_fetched_anew(self, publisher: Publisher, destination: Path) -> None:
        half_fetched(publisher, destination, part_of(publisher))
        destination.with_name(destination.name + ".partial").write_bytes(OTHER[:1_000_000])
        fetched = fetch(publisher, destination)
        assert destination.read_bytes() == CONTENT
        assert fetched.resumed_from_bytes == 0

    @pytest.mark.parametrize(("checksum", "resumed_from"), [(True, 1_000_000), (False, 0)])
    def test_a_half_from_before_a_power_cut_needs_a_checksum(
        self, publisher: Publisher, destination: Path, resumed_from: int, *, checksum: bool
    ) -> None:
        half_fetched(publisher, destination, part_of(publisher, checksum=checksum))
        mark = destination.with_name(destination.name + ".partial.json")
        mark.write_text(json.dumps({**json.loads(mark.read_text()), "boot": "another"}))
        assert fetch(publisher, destination, part_of(publisher, checksum=checksum)).resumed_from_bytes == resumed_from
        assert destination.read_bytes() == CONTENT

    def test_the_same_checksum_under_another_revision_is_resumed(self, publisher: Publisher, destination: Path) -> None:
        half_fetched(publisher, destination, replace(part_of(publisher), uri="hf://x@commit1/y"))
        assert fetch(publisher, destination, replace(part_of(publisher), uri="hf://x@commit2/y")).resumed_from_bytes

    def test_a_half_longer_than_the_file_is_thrown_away(self, publisher: Publisher, destination: Path) -> None:
        half_fetched(publisher, destination, part_of(publisher))
        destination.with_name(destination.name + ".partial").write_bytes(CONTENT + b"more")
        fetch(publisher, destination)
        assert destination.read_bytes() == CONTENT

    @pytest.mark.parametrize("mark", [b"", b"{", b"[]", b'{"uri": 1}', b"\xff"])
    def test_a_half_whose_mark_is_unreadable_is_thrown_away(
        self, publisher: Publisher, destination: Path, mark: bytes
    ) -> None:
        half_fetched(publisher, destination, part_of(publisher, checksum=False))
        destination.with_name(destination.name + ".partial.json").write_bytes(mark)
        assert fetch(publisher, destination, part_of(publisher, checksum=False)).resumed_from_bytes == 0
        assert destination.read_bytes() == CONTENT
        assert files_in(destination.parent) == [destination.name]

    def test_a_server_without_ranges_is_read_from_the_start(self, publisher: Publisher, destination: Path) -> None:
        publisher.ranges = "no"
        half_fetched(publisher, destination, part_of(publisher))
        assert fetch(publisher, destination).resumed_from_bytes == 0
        assert destination.read_bytes() == CONTENT

    def test_a_file_that_changed_since_it_was_listed_is_not_taken(
        self, publisher: Publisher, destination: Path
    ) -> None:
        part = part_of(publisher, checksum=False)
        publisher.files[PATH] = OTHER + b"more"
        with pytest.raises(
            SourceError, match=r"listed with 3,000,000 bytes, served with 3,000,004: it changed"
        ) as caught:
            fetch(publisher, destination, part)
        assert caught.value.retryable
        assert files_in(destination.parent) == []


class TestPublishersBytes:
    """What differs from the publisher's checksum is never kept."""

    def test_other_bytes_are_refused_after_a_second_look(self, publisher: Publisher, destination: Path) -> None:
        part = part_of(publisher)
        publisher.files[PATH] = OTHER
        with pytest.raises(ChecksumError) as caught:
            fetch(publisher, destination, part)
        assert str(caught.value) == (
            f"{part.uri}: sha256 {sha256(OTHER)} arrived where the publisher gives {sha256(CONTENT)}, and fetching it "
            "again changed nothing. Nothing was kept; report it to the publisher."
        )
        assert not caught.value.retryable
        assert len(publisher.gets()) == 2
        assert files_in(destination.parent) == []

    def test_a_bit_that_flips_once_on_the_way_heals(self, publisher: Publisher, destination: Path) -> None:
        publisher.faults = [Fault(flip_bit=True)]
        fetch(publisher, destination)
        assert destination.read_bytes() == CONTENT
        assert len(publisher.gets()) == 2

    @pytest.mark.parametrize("checksum", [False, True])
    def test_a_web_page_instead_of_the_file_is_named(
        self, publisher: Publisher, destination: Path, *, checksum: bool
    ) -> None:
        part = part_of(publisher, checksum=checksum, size=False)
        publisher.files[PATH] = b"\n <!DOCTYPE html><html><title>Sign in</title></html>"
        with pytest.raises(SourceError, match=r"a web page came instead of the file\. Open the address in a browser"):
            fetch(publisher, destination, part)
        publisher.content_type = "text/html; charset=utf-8"
        with pytest.raises(SourceError, match=r"the server sent a web page \(Content-Type text/html\)"):
            fetch(publisher, destination, part)
        assert files_in(destination.parent) == []

    def test_a_git_lfs_pointer_is_named(self, publisher: Publisher, destination: Path) -> None:
        publisher.files[PATH] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
        with pytest.raises(SourceError, match="a Git LFS pointer is there instead of the file"):
            fetch(publisher, destination, part_of(publisher, checksum=False))
        assert files_in(destination.parent) == []

    def test_a_file_of_unknown_length_is_refused(self, publisher: Publisher, destination: Path) -> None:
        publisher.lengths = "none"
        with pytest.raises(SourceError, match="does not say how long the file is"):
            fetch(publisher, destination)

    def test_a_server_that_insists_on_an_encoding_is_refused(self, publisher: Publisher, destination: Path) -> None:
        publisher.content_encoding = "gzip"
        with pytest.raises(SourceError, match="insists on sending it gzip-encoded"):
            fetch(publisher, destination)
        assert publisher.gets()[0].headers["accept-encoding"] == "identity"


class TestPatience:
    """Failures of the moment are waited out; others are not."""

    def test_we_stay_away_for_as_long_as_we_are_asked_to(self, publisher: Publisher, destination: Path) -> None:
        publisher.faults = [Fault(status=429, headers={"Retry-After": "1"})]
        began = time.monotonic()
        fetch(publisher, destination)
        assert time.monotonic() - began >= 1.0
        assert destination.read_bytes() == CONTENT

    def test_a_date_is_understood_too(self, publisher: Publisher, destination: Path) -> None:
        until = int(time.time()) + 2
        publisher.faults = [Fault(status=503, headers={"Retry-After": formatdate(until, usegmt=True)})]
        fetch(publisher, destination)
        assert time.time() >= until

    def test_who_asks_for_an_hour_is_left_alone_and_named(self, publisher: Publisher, destination: Path) -> None:
        publisher.faults = [Fault(status=429, headers={"Retry-After": "3600"})]
        with pytest.raises(SourceError, match=r"\(HTTP 429\) and asks for a pause of 3600 s") as caught:
            fetch(publisher, destination)
        assert (caught.value.retryable, caught.value.retry_after_s) == (True, 3600.0)
        assert len(publisher.gets()) == 1

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_a_server_that_is_busy_is_asked_again(self, publisher: Publisher, destination: Path, status: int) -> None:
        publisher.faults = [Fault(status=status)] * 3
        fetch(publisher, destination)
        assert destination.read_bytes() == CONTENT

    def test_a_server_that_stays_busy_is_given_up_with_what_arrived_kept(
        self, publisher: Publisher, destination: Path
    ) -> None:
        half_fetched(publisher, destination, part_of(publisher))
        publisher.faults = [Fault(status=503)] * 99
        with pytest.raises(SourceError, match=r"busy or broken for the moment \(HTTP 503\)") as caught:
            fetch(publisher, destination)
        assert caught.value.retryable
        assert len(publisher.gets()) == 4
        assert "part-00000.parquet.partial" in files_in(destination.parent)

    @pytest.mark.parametrize(
        ("status", "words"),
        [(401, "refuses to give it"), (403, "refuses to give it"), (404, "no such file"), (410, "no such file")],
    )
    def test_a_no_is_taken_for_a_no(self, publisher: Publisher, destination: Path, status: int, words: str) -> None:
        publisher.faults = [Fault(status=status)] * 9
        with pytest.raises(SourceError, match=words) as caught:
            fetch(publisher, destination)
        assert not caught.value.retryable
        assert len(publisher.gets()) == 1

    def test_silence_counts_as_a_failure_and_the_rest_is_fetched(self, publisher: Publisher, destination: Path) -> None:
        publisher.faults = [Fault(drop_after=1_000_000, silent=True)]
        fetch(publisher, destination)
        assert destination.read_bytes() == CONTENT
        assert publisher.body_bytes() == len(CONTENT)

    def test_a_server_that_drips_is_left(self, publisher: Publisher, destination: Path) -> None:
        publisher.bytes_per_s = 200_000.0
        patience = Patience(attempts=1, slow_for_s=0.3, slowest_bytes_per_s=1e6)
        with pytest.raises(SourceError, match=r"bytes in 0 s\. Run again later; what arrived is kept"):
            fetch(publisher, destination, patience=patience)

    def test_a_server_that_never_gets_further_is_given_up(self, publisher: Publisher, destination: Path) -> None:
        publisher.ranges = "no"
        publisher.faults = [Fault(drop_after=2_500_000)] * 99
        with pytest.raises(SourceError, match="the connection ended after 2,500,000 of 3,000,000 bytes"):
            fetch(publisher, destination)
        assert len(publisher.gets()) <= 6

    def test_progress_forgives_earlier_failures(self, publisher: Publisher, destination: Path) -> None:
        publisher.files[PATH] = CONTENT * 4
        publisher.faults = [Fault(drop_after=1_200_000) for _ in range(9)]
        fetch(publisher, destination)
        assert destination.read_bytes() == CONTENT * 4

    def test_nobody_at_home_is_said_plainly(self, publisher: Publisher, destination: Path) -> None:
        part = part_of(publisher)
        for url, words in (
            ("http://127.0.0.1:9/x", "nothing answers at the host"),
            ("http://host.invalid/x", "the host name cannot be resolved"),
        ):
            with pytest.raises(SourceError, match=words) as caught:
                download(HttpOrigin(locate=lambda url=url: url, shown="it"), part, destination, patience=QUICK)  # type: ignore[misc]
            assert caught.value.retryable


class TestSecrets:
    """A token goes to one origin, and to nobody else."""

    def test_a_redirect_to_another_host_goes_without_the_token(self, publisher: Publisher, destination: Path) -> None:
        with serve(Publisher()) as hub:
            hub.faults = [
                Fault(status=302, headers={"Location": "/moved"}),
                Fault(status=307, headers={"Location": publisher.url + PATH}),
            ]
            secrets = Secrets(origin_of(hub.url), {"Authorization": "Bearer hf_secret"})
            origin = HttpOrigin(locate=lambda: hub.url + "/resolve", shown="it", secrets=secrets)
            download(origin, part_of(publisher), destination, patience=QUICK)
            assert [seen.headers.get("authorization") for seen in hub.gets()] == ["Bearer hf_secret"] * 2
        assert destination.read_bytes() == CONTENT
        assert [seen.headers.get("authorization") for seen in publisher.gets()] == [None]
        assert "hf_secret" not in repr(origin)

    def test_a_certificate_nobody_vouches_for_is_refused_for_good(
        self, destination: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        authority = trustme.CA()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        with serve(Publisher(files={PATH: CONTENT}), tls=tls) as secure:
            with pytest.raises(SourceError, match=r"certificate is not to be trusted \(.*SSL_CERT_FILE") as caught:
                fetch(secure, destination)
            assert not caught.value.retryable
            assert secure.seen == []
            authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
            secure.faults = [Fault(drop_after=1_000_000)]
            fetch(secure, destination)
            assert destination.read_bytes() == CONTENT
            destination.unlink()
            secure.faults = [Fault(status=302, headers={"Location": "http://127.0.0.1:9/x"})]
            with pytest.raises(SourceError, match="redirected from https to http, which is not safe"):
                fetch(secure, destination)

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)"])
    def test_a_redirect_out_of_http_is_not_followed(
        self, publisher: Publisher, destination: Path, location: str
    ) -> None:
        publisher.faults = [Fault(status=302, headers={"Location": location})]
        with pytest.raises(SourceError, match="not safe to follow"):
            fetch(publisher, destination)

    def test_redirects_in_a_circle_end(self, publisher: Publisher, destination: Path) -> None:
        publisher.faults = [Fault(status=302, headers={"Location": PATH}) for _ in range(99)]
        with pytest.raises(SourceError, match="over 10 redirects"):
            fetch(publisher, destination)
        assert len(publisher.gets()) == 10

    def test_an_address_with_line_breaks_is_not_asked_for(self, publisher: Publisher, destination: Path) -> None:
        origin = HttpOrigin(locate=lambda: publisher.url + "/x\r\nX-Evil: 1", shown="it")
        with pytest.raises(SourceError, match="not a URL"):
            download(origin, part_of(publisher), destination, patience=QUICK)
        assert publisher.seen == []


def test_a_disk_without_room_for_the_rest_is_told_before_it_is_filled(publisher: Publisher, destination: Path) -> None:
    part = PublishedPart(key="x", uri="it", path="x", size_bytes=1 << 60)
    publisher.faults = [Fault(status=200, headers={"Content-Length": str(1 << 60)})]
    with pytest.raises(OSError, match=f"No space left on device for {1 << 60:,} more bytes"):
        fetch(publisher, destination, part)
