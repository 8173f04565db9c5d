"""What a user may configure about how we ask the open web: bounds, politeness, DNS, and the allow list."""

import ipaddress
import re

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from laion_assets import __version__

CONTACT_URL = "https://github.com/laion-assets/laion-assets"
OPT_OUT_WORDS = ("noai", "noimageai", "noindex", "noimageindex", "noml")


class WebSpec(BaseModel):
    """Bounds and manners of the guarded client. The defaults are for the open web."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_networks: tuple[str, ...] = Field(
        default=(),
        description="Networks that may be reached although they are not globally routable, for a sandbox or an "
        "intranet: 127.0.0.0/8. Ports are not restricted there.",
    )
    nameservers: tuple[str, ...] = Field(
        default=(), description="DNS servers as address or address:port; none means those of the system."
    )
    trust_environment_proxies: bool = Field(
        default=False,
        description="Use HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Names are then resolved, and guarded, by the proxy.",
    )
    tls_ca_file: str | None = Field(
        default=None, description="PEM file of certificate authorities to trust instead of the system's."
    )
    user_agent: str = Field(
        default=f"laion-assets/{__version__} (+{CONTACT_URL})",
        description="How we introduce ourselves; name a URL or address where a publisher can complain.",
    )
    robots_agent: str = Field(
        default="laion-assets", description="Our name in robots.txt and in X-Robots-Tag prefixes, without version."
    )

    deadline_s: float = Field(
        default=20.0, gt=0, description="Seconds one URL may keep us busy over all its redirects and retries."
    )
    connect_s: float = Field(
        default=6.0,
        gt=0,
        description="Seconds for TCP and TLS to be set up with one address of a host. "
        "Its look-up and all its addresses together have dns_s and twice this.",
    )
    first_byte_s: float = Field(default=10.0, gt=0, description="Seconds from a sent request to its headers.")
    dns_s: float = Field(default=5.0, gt=0, description="Seconds for one look-up of a name, retries included.")
    max_redirects: int = Field(default=8, ge=0, description="Redirects followed for one URL.")
    max_header_bytes: int = Field(
        default=32_768,
        ge=1_024,
        description="Bytes of one header line, and of all headers of one answer together, 200 lines at most.",
    )

    concurrency: int = Field(default=256, ge=1, description="Requests under way at once, over all hosts.")
    per_host: int = Field(default=4, ge=1, description="Requests under way at once on one host.")
    per_domain: int = Field(
        default=16, ge=1, description="Requests under way at once on all hosts of one registrable domain."
    )
    host_requests_per_s: float | None = Field(
        default=20.0,
        gt=0,
        description="Requests per second to one host, redirects to it and further ranges of a file included; "
        "none means no limit. "
        "Addresses in allow_networks are asked as fast as they answer.",
    )
    domain_requests_per_s: float | None = Field(
        default=60.0, gt=0, description="The same on one registrable domain; none means no limit."
    )
    lookahead: int = Field(
        default=4_096,
        ge=1,
        description="URLs taken from a stream ahead of time, so that a host at its limit does not hold up the others.",
    )
    unread_bytes: int = Field(
        default=134_217_728,
        ge=1,
        description="Bytes of finished bodies in a stream that nobody has picked up, from which no more are asked for.",
    )

    attempts: int = Field(default=3, ge=1, description="Tries per URL for outcomes that asking again can change.")
    backoff_s: float = Field(default=0.5, ge=0, description="Ceiling of the first wait between tries; doubles.")
    max_backoff_s: float = Field(default=8.0, ge=0, description="Ceiling of any wait between tries.")
    max_retry_after_s: float = Field(
        default=30.0, ge=0, description="Longest Retry-After we wait for; a longer one ends the URL as rate_limited."
    )
    breaker_failures: int = Field(
        default=8, ge=1, description="Failures in a row after which a host is left alone for a while."
    )
    breaker_s: float = Field(default=60.0, ge=0, description="Seconds a failing host is left alone.")

    robots_txt: bool = Field(default=False, description="Ask every host for its robots.txt and obey it.")
    opt_out_words: tuple[str, ...] = Field(
        default=OPT_OUT_WORDS, description="Words of X-Robots-Tag that mean: not for this. Empty means none is obeyed."
    )

    @field_validator("allow_networks")
    @classmethod
    def _networks_parse(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        try:
            _ = [ipaddress.ip_network(network) for network in networks]
        except ValueError as error:
            raise ValueError(f"allow_networks: {error}; write a network as 127.0.0.0/8 or fd00::/8.") from None
        return networks

    @field_validator("nameservers")
    @classmethod
    def _nameservers_parse(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            split_nameserver(server)
        return servers

    @field_validator("user_agent", "robots_agent")
    @classmethod
    def _one_printable_line(cls, text: str) -> str:
        if not text.isascii() or not text.isprintable() or not text.strip():
            raise ValueError(f"{text!r} cannot be sent as a header; use one line of printable ASCII.")
        return text

    @field_validator("opt_out_words")
    @classmethod
    def _lower_case(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.strip().lower() for word in words)

    @model_validator(mode="after")
    def _limits_fit_together(self) -> Self:
        if self.per_host > self.per_domain:
            raise ValueError(
                f"per_host is {self.per_host} but per_domain only {self.per_domain}; raise per_domain to match."
            )
        return self


def split_nameserver(server: str) -> tuple[str, int]:
    """Address and port of a name server written as ``9.9.9.9``, ``127.0.0.1:5353`` or ``[2620:fe::fe]:53``.

    Raises:
        ValueError: It is none of these.
    """
    matched = re.fullmatch(r"\[(?P<v6>[^\]]+)\](?::(?P<p6>\d+))?|(?P<v4>[^:]+)(?::(?P<p4>\d+))?", server)
    address, port = (
        (matched["v6"] or matched["v4"], int(matched["p6"] or matched["p4"] or 53)) if matched else (server, 53)
    )
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(
            f"nameservers: {server!r} is no address; write 9.9.9.9, 127.0.0.1:5353 or [2620:fe::fe]:53."
        ) from None
    if not 0 < port < 65_536:
        raise ValueError(f"nameservers: {server!r} has no valid port; write one from 1 to 65535.")
    return address, port
