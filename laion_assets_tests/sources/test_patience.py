"""How long we keep asking."""

import time
from email.utils import formatdate

import pytest

from laion_assets.sources.patience import Patience, asked_pause_s
from laion_assets.sources.published import SourceError


def test_pauses_double_up_to_a_bound_and_are_spread() -> None:
    patience = Patience(first_pause_s=1.0, longest_pause_s=8.0)
    for failures, limit_s in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (50, 8.0)):
        pauses = [patience.own_pause_s(failures) for _ in range(500)]
        assert limit_s / 2 <= min(pauses) < limit_s * 0.55
        assert limit_s * 0.95 < max(pauses) <= limit_s


def test_it_insists_until_it_works() -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        if len(asked) < 3:
            raise SourceError("busy", retryable=True)
        return "here"

    assert Patience(first_pause_s=0.001).insist(ask) == "here"


@pytest.mark.parametrize(("retryable", "attempts"), [(True, 3), (False, 1)])
def test_it_gives_up_in_the_end_and_at_once_where_there_is_no_point(*, retryable: bool, attempts: int) -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise SourceError("no", retryable=retryable)

    with pytest.raises(SourceError, match="no"):
        Patience(attempts=3, first_pause_s=0.001).insist(ask)
    assert len(asked) == attempts


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"RateLimit": '"api";r=12;t=55'}, None),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_pause_s(headers) == seconds


def test_a_date_is_counted_from_now() -> None:
    found = asked_pause_s({"Retry-After": formatdate(time.time() + 100, usegmt=True)})
    assert found is not None
    assert 95 < found <= 101
