from dataclasses import replace

import pytest

from laion_assets.automation.discovery import AT_MOST_AT_ONCE, Cursor, Discovery, compare
from laion_assets.sources.published import Listing, PublishedPart


def part(key: str, sha256: str | None = "a" * 64, *, etag: str | None = None, size_bytes: int = 1) -> PublishedPart:
    return PublishedPart(
        key=key, uri=f"s://{key}", path=key, size_bytes=size_bytes, sha256=sha256, etag=etag, revision="r1"
    )


def listing(*parts: PublishedPart) -> Listing:
    return Listing(source_uri="s://", revision="r1", parts=parts)


def requested(found: Discovery) -> Cursor:
    """The cursor once runs were requested for all that is to be requested, and Dagster made them."""
    cursor = found.cursor_after({one.key: f"run of {one.key}" for one in found.to_request})
    return Cursor.from_json(cursor.to_json()).confirmed(set(cursor.unconfirmed.values()))


def test_everything_is_new_to_an_empty_cursor() -> None:
    found = compare(listing(part("p0"), part("p1")), Cursor())
    assert [one.key for one in found.new] == ["p0", "p1"]
    assert found.changed == ()


def test_a_part_once_requested_is_not_requested_again() -> None:
    first = compare(listing(part("p0")), Cursor())
    assert compare(listing(part("p0")), requested(first)).to_request == ()


def test_a_part_with_other_bytes_is_requested_again() -> None:
    first = compare(listing(part("p0"), part("p1")), Cursor())
    second = compare(listing(part("p0", "b" * 64), part("p1")), requested(first))
    assert [one.key for one in second.changed] == ["p0"]
    assert second.new == ()
    assert compare(listing(part("p0", "b" * 64), part("p1")), requested(second)).to_request == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (part("p0", None, etag="one"), part("p0", None, etag="two")),
        (part("p0", None, size_bytes=1), part("p0", None, size_bytes=2)),
    ],
)
def test_without_a_checksum_the_etag_or_the_size_tells_a_change(before: PublishedPart, after: PublishedPart) -> None:
    first = compare(listing(before), Cursor())
    assert [one.key for one in compare(listing(after), requested(first)).changed] == ["p0"]


def test_a_withdrawn_part_is_named_and_stays_in_the_cursor() -> None:
    first = compare(listing(part("p0"), part("p1")), Cursor())
    second = compare(listing(part("p1")), requested(first))
    assert second.withdrawn == ("p0",)
    assert second.to_request == ()
    assert "p0" in second.cursor.fingerprints


@pytest.mark.parametrize(
    "text", [None, "", "not json", "[]", '{"parts": 3}', "null", '{"parts": {}, "unconfirmed": 1}']
)
def test_a_cursor_that_cannot_be_read_is_an_empty_one(text: str | None) -> None:
    assert Cursor.from_json(text) == Cursor()


def test_a_cursor_of_an_earlier_release_is_read() -> None:
    assert Cursor.from_json('{"parts":{"p0":"aaaa"}}').fingerprints == {"p0": "aaaa"}


def test_a_part_whose_run_never_came_to_be_is_new_again() -> None:
    first = compare(listing(part("p0"), part("p1")), Cursor())
    cursor = first.cursor_after({"p0": "run of p0", "p1": "run of p1"})
    again = compare(listing(part("p0"), part("p1")), cursor.confirmed({"run of p0"}))
    assert [one.key for one in again.to_request] == ["p1"]


def test_the_cursor_holds_no_part_that_was_not_requested() -> None:
    many = listing(*(part(f"p{number:04}") for number in range(AT_MOST_AT_ONCE + 5)))
    first = compare(many, Cursor())
    assert len(first.to_request) == AT_MOST_AT_ONCE
    assert len(requested(first).fingerprints) == AT_MOST_AT_ONCE
    second = compare(many, requested(first))
    assert [one.key for one in second.to_request] == [one.key for one in many.parts[-5:]]
    assert compare(many, requested(second)).to_request == ()


def test_no_part_is_taken_for_requested_because_it_was_listed() -> None:
    found = compare(listing(part("p0"), part("p1")), Cursor())
    assert found.cursor_after({"p1": "run of p1"}).fingerprints == {"p1": "a" * 24}
    assert found.cursor_after({}) == replace(found.cursor)
