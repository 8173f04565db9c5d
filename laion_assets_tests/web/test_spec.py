"""Settings are refused where they cannot work."""

import pytest
from pydantic import ValidationError

from laion_assets.web.spec import WebSpec, split_nameserver


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"allow_networks": ["127.0.0.1/8"]}, "write a network as 127.0.0.0/8"),
        ({"allow_networks": ["intranet"]}, "allow_networks"),
        ({"nameservers": ["dns.example"]}, "is no address"),
        ({"nameservers": ["127.0.0.1:0"]}, "no valid port"),
        ({"nameservers": ["127.0.0.1:99999"]}, "no valid port"),
        ({"user_agent": "a\r\nCookie: x"}, "cannot be sent as a header"),
        ({"user_agent": " "}, "cannot be sent as a header"),
        ({"per_host": 20, "per_domain": 10}, "raise per_domain"),
        ({"deadline_s": 0}, "greater than 0"),
        ({"concurency": 5}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_is_refused_with_a_hint(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        WebSpec.model_validate(settings)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("9.9.9.9", ("9.9.9.9", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("[2620:fe::fe]", ("2620:fe::fe", 53)),
        ("[2620:fe::fe]:5353", ("2620:fe::fe", 5353)),
    ],
)
def test_name_servers_are_written_with_or_without_a_port(text: str, server: tuple[str, int]) -> None:
    assert split_nameserver(text) == server
