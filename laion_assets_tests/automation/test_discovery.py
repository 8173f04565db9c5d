import pytest

from laion_assets.automation.discovery import Cursor, compare
from laion_assets.sources.published import Listing, PublishedPart


def part(key: str, sha256: str | None = "a" * 64, *, etag: str | None = None, size_bytes: int = 1) -> PublishedPart:
    return PublishedPart(
        key=key, uri=f"s://{key}", path=key, size_bytes=size_bytes, sha256=sha256, etag=etag, revision="r1"
    )


def listing(*parts: PublishedPart) -> Listing:
    return Listing(source_uri="s://", revision="r1", parts=parts)


def test_everything_is_new_to_an_empty_cursor() -> None:
    found = compare(listing(part("p0"), part("p1")), Cursor())
    assert [one.key for one in found.new] == ["p0", "p1"]
    assert found.changed == ()


def test_a_part_once_requested_is_not_requested_again() -> None:
    first = compare(listing(part("p0")), Cursor())
    again = compare(listing(part("p0")), Cursor.from_json(first.cursor.to_json()))
    assert again.to_request == ()


def test_a_part_with_other_bytes_is_requested_again() -> None:
    first = compare(listing(part("p0"), part("p1")), Cursor())
    second = compare(listing(part("p0", "b" * 64), part("p1")), first.cursor)
    assert [one.key for one in second.changed] == ["p0"]
    assert second.new == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (part("p0", None, etag="one"), part("p0", None, etag="two")),
        (part("p0", None, size_bytes=1), part("p0", None, size_bytes=2)),
    ],
)
def test_without_a_checksum_the_etag_or_the_size_tells_a_change(before: PublishedPart, after: PublishedPart) -> None:
    first = compare(listing(before), Cursor())
    assert [one.key for one in compare(listing(after), first.cursor).changed] == ["p0"]


def test_a_withdrawn_part_is_named_and_stays_in_the_cursor() -> None:
    first = compare(listing(part("p0"), part("p1")), Cursor())
    second = compare(listing(part("p1")), first.cursor)
    assert second.withdrawn == ("p0",)
    assert second.to_request == ()
    assert "p0" in second.cursor.fingerprints


@pytest.mark.parametrize("text", [None, "", "not json", "[]", '{"parts": 3}', "null"])
def test_a_cursor_that_cannot_be_read_is_an_empty_one(text: str | None) -> None:
    assert Cursor.from_json(text) == Cursor()
