"""Parts at plain web addresses."""

import hashlib
from pathlib import Path

import pytest

from laion_assets.sources.fetching import open_source
from laion_assets.sources.published import ChecksumError, Listing, PublishedPart, Source, SourceError
from laion_assets.sources.spec import SourceSpec
from laion_assets_tests.sources.conftest import QUICK
from laion_assets_tests.sources.publisher import Fault, Publisher

NUMBERS = range(8, 12)


def name(number: int) -> str:
    return f"part-{number:05d}.parquet"


@pytest.fixture(autouse=True)
def files(publisher: Publisher) -> None:
    for number in NUMBERS:
        publisher.files[f"/data/{name(number)}"] = bytes([number]) * (1000 + number)


def source(publisher: Publisher, path: str = "/data/part-{00008..00011}.parquet", query: str = "") -> Source:
    return open_source(SourceSpec(uri=publisher.url + path + query), patience=QUICK)


def listing(publisher: Publisher) -> Listing:
    return source(publisher).list_parts()


def test_a_list_with_braces_is_looked_up_one_by_one(publisher: Publisher) -> None:
    found = listing(publisher)
    assert [(part.key, part.size_bytes) for part in found.parts] == [(f"part-{n:05d}", 1000 + n) for n in NUMBERS]
    assert [part.etag for part in found.parts] == [publisher.etag(f"/data/{name(n)}") for n in NUMBERS]
    assert {part.sha256 for part in found.parts} == {None}
    assert found.revision is None
    assert found.parts[0].uri == f"{publisher.url}/data/part-00008.parquet"
    assert found.parts[0].path == "data/part-00008.parquet"


def test_without_braces_it_is_one_part_named_after_its_file(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/cc12m.tsv"] = b"http://a\tb\n"
    opened = source(publisher, "/cc12m.tsv")
    (part,) = opened.list_parts().parts
    assert (part.key, part.file_name) == ("cc12m", "cc12m.tsv")
    opened.fetch(part, tmp_path / part.file_name)
    assert (tmp_path / "cc12m.tsv").read_bytes() == b"http://a\tb\n"


def test_a_server_that_knows_no_head_is_asked_for_one_byte(publisher: Publisher) -> None:
    publisher.knows_head = False
    assert [part.size_bytes for part in listing(publisher).parts] == [1000 + n for n in NUMBERS]
    publisher.ranges = "no"
    assert [part.size_bytes for part in listing(publisher).parts] == [1000 + n for n in NUMBERS]


@pytest.mark.parametrize("style", ["{digest}  {name}", "{digest} *{name}", "SHA256 ({name}) = {digest}"])
def test_a_list_of_checksums_beside_the_files_is_used(publisher: Publisher, tmp_path: Path, style: str) -> None:
    digests = {n: hashlib.sha256(publisher.files[f"/data/{name(n)}"]).hexdigest() for n in NUMBERS}
    lines = [style.format(digest=digest.upper(), name=name(number)) for number, digest in digests.items()]
    publisher.files["/data/SHA256SUMS"] = "\n".join(["# made by hand", *lines]).encode()
    found = listing(publisher)
    assert [part.sha256 for part in found.parts] == list(digests.values())
    source(publisher).fetch(found.parts[0], tmp_path / "x")
    publisher.files[f"/data/{name(9)}"] = b"\0" * 1009
    with pytest.raises(ChecksumError, match=f"sha256 .* arrived where the publisher gives {digests[9]}"):
        source(publisher).fetch(found.parts[1], tmp_path / "y")


def test_a_checksum_beside_each_file_is_used(publisher: Publisher) -> None:
    for number in NUMBERS:
        content = publisher.files[f"/data/{name(number)}"]
        publisher.files[f"/data/{name(number)}.sha256"] = hashlib.sha256(content).hexdigest().encode() + b"\n"
    assert [part.sha256 for part in listing(publisher).parts] == [
        hashlib.sha256(publisher.files[f"/data/{name(n)}"]).hexdigest() for n in NUMBERS
    ]


def test_a_web_page_is_no_list_of_checksums(publisher: Publisher) -> None:
    publisher.files["/data/SHA256SUMS"] = b"<html>" + b"0" * 64 + b"</html>"
    assert {part.sha256 for part in listing(publisher).parts} == {None}


def test_a_list_of_checksums_is_read_to_its_end_or_not_at_all(publisher: Publisher) -> None:
    digests = {n: hashlib.sha256(publisher.files[f"/data/{name(n)}"]).hexdigest() for n in NUMBERS}
    many = [f"{'0' * 64}  other-{number:05d}.parquet" for number in range(12_000)]
    lines = [*many, *(f"{digest}  {name(number)}" for number, digest in digests.items())]
    publisher.files["/data/SHA256SUMS"] = "\n".join(lines).encode()
    publisher.faults = [Fault(drop_after=500_000)]
    assert [part.sha256 for part in listing(publisher).parts] == list(digests.values())
    publisher.faults = [Fault(drop_after=500_000)] * 99
    with pytest.raises(SourceError, match="SHA256SUMS: the connection broke"):
        listing(publisher)


def test_a_busy_server_does_not_pass_for_one_without_checksums(publisher: Publisher) -> None:
    content = publisher.files[f"/data/{name(8)}"]
    publisher.files["/data/SHA256SUMS"] = f"{hashlib.sha256(content).hexdigest()}  {name(8)}\n".encode()
    publisher.faults = [Fault(status=503), Fault(status=429)]
    assert listing(publisher).parts[0].sha256 == hashlib.sha256(content).hexdigest()
    publisher.faults = [Fault(status=503)] * 99
    with pytest.raises(SourceError, match="SHA256SUMS: the server is busy or broken"):
        listing(publisher)


def test_for_one_part_the_others_are_not_asked_for(publisher: Publisher) -> None:
    del publisher.files[f"/data/{name(11)}"]
    part = source(publisher).find_part("part-00009")
    assert (part.size_bytes, part.etag) == (1009, publisher.etag(f"/data/{name(9)}"))
    assert {seen.path for seen in publisher.seen} == {
        *(f"/data/{name(9)}{suffix}" for suffix in ("", ".sha256")),
        "/data/SHA256SUMS",
    }
    with pytest.raises(SourceError, match="no part 'part-00099' among the 4 published now"):
        source(publisher).find_part("part-00099")


def test_a_missing_file_is_named(publisher: Publisher) -> None:
    with pytest.raises(SourceError, match=r"part-00012\.parquet: there is no such file \(HTTP 404\)\. Check") as caught:
        source(publisher, "/data/part-{00008..00012}.parquet").list_parts()
    assert not caught.value.retryable


def test_a_page_for_people_is_no_part(publisher: Publisher) -> None:
    publisher.content_type = "text/html"
    with pytest.raises(SourceError, match=r"sent a web page \(Content-Type text/html\) instead of the file"):
        listing(publisher)


def test_a_star_is_no_list(publisher: Publisher) -> None:
    with pytest.raises(SourceError, match=r"a web server cannot be searched with \* .* as \{00000\.\.00127\}"):
        source(publisher, "/data/*.parquet").list_parts()


def test_two_files_with_the_same_key_are_refused(publisher: Publisher) -> None:
    publisher.files[f"/other/{name(8)}"] = b"x"
    with pytest.raises(SourceError, match="would both be part 'part-00008'"):
        source(publisher, "/{data,other}/part-00008.parquet").list_parts()


def test_a_key_in_the_query_is_sent_and_never_shown(publisher: Publisher, tmp_path: Path) -> None:
    opened = source(publisher, query="?key=secret&{a,b}")
    found = opened.list_parts()
    opened.fetch(found.parts[0], tmp_path / "x")
    assert {seen.path.partition("?")[2] for seen in publisher.seen} == {"key=secret&%7Ba,b%7D"}
    publisher.faults = [Fault(status=403)]
    with pytest.raises(SourceError) as caught:
        opened.fetch(found.parts[1], tmp_path / "y")
    assert "secret" not in f"{found} {caught.value}"


def test_an_address_with_spaces_and_accents_is_asked_for_properly(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/a%20b/%C3%A9t%C3%A9.csv"] = b"x,y\n"
    opened = source(publisher, "/a b/été.csv")
    (part,) = opened.list_parts().parts
    assert (part.key, part.path) == ("t", "a b/été.csv")
    assert opened.fetch(part, tmp_path / "x").size_bytes == 4


def test_nobody_at_home_is_said_plainly() -> None:
    opened = open_source(SourceSpec(uri="http://127.0.0.1:9/x.parquet"), patience=QUICK)
    with pytest.raises(SourceError, match="nothing answers at the host") as caught:
        opened.list_parts()
    assert caught.value.retryable


def test_a_part_remembered_from_an_earlier_listing_can_be_fetched(publisher: Publisher, tmp_path: Path) -> None:
    part = PublishedPart(key="part-00008", uri=f"{publisher.url}/data/{name(8)}", path=f"data/{name(8)}")
    assert source(publisher).fetch(part, tmp_path / "x").size_bytes == 1008
