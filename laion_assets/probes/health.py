"""Whether a round of probes says something about the links, or about our own resolver, network or manners.

A drowned resolver, a dead network and a blocked user agent look like link rot in a table of outcomes. What tells them
apart is that they strike unrelated hosts alike, so each is judged by the share of *hosts* it befalls, against what link
rot was measured to do. Pure: a frame of probes in, findings out.
"""

from dataclasses import dataclass

import polars as pl

from laion_assets.metadata.hosts import host_of
from laion_assets.probes.share import Share, share
from laion_assets.web.outcome import Fault, Outcome


@dataclass(frozen=True)
class Sickness:
    """A way in which probing itself can fail."""

    name: str
    outcomes: frozenset[Outcome]
    """What it makes of a link. A host is struck when at least half of what it was asked for ends so."""
    limit: float
    """Largest share of hosts that link rot explains."""
    finding: str
    next_step: str
    only_answering: bool = False
    """Judge only hosts that answered over HTTP at all."""

    @property
    def is_surely_ours(self) -> bool:
        """Whether no host can make its outcomes, whatever it does."""
        return all(outcome.fault is Fault.US for outcome in self.outcomes)


# The limits stand well above what LAION-400M showed in 2023 (per URL: DNS 1.4 %, 403 1.4 %, TLS 0.55 %, refused 0.1 %,
# HTML and other undecodable 0.83 %, time-outs about 3 %), since links die at about 1 % a month.
SICKNESSES: tuple[Sickness, ...] = (
    Sickness(
        "resolver",
        frozenset({Outcome.RESOLVER_FAILED}),
        0.05,
        "our DNS resolver failed or timed out for the names of {hosts} hosts",
        'Point the web resource at a resolver that bears the load (nameservers: ["9.9.9.9"] or a local cache such as '
        "unbound), or lower concurrency, and materialise again.",
    ),
    Sickness(
        "lying resolver",
        frozenset({Outcome.DNS_FAILED}),
        0.4,
        "our DNS resolver says that {hosts} hosts do not exist, far more than ever die",
        'Check with another resolver (nameservers: ["9.9.9.9"]) whether these names really are gone, and materialise '
        "again.",
    ),
    Sickness(
        "no route",
        frozenset({Outcome.NETWORK_UNREACHABLE}),
        0.05,
        "our machine had no route to {hosts} hosts",
        "Check this machine's network and firewall (curl -I https://example.org), and materialise again.",
    ),
    Sickness(
        "dead network",
        frozenset({Outcome.TIMED_OUT, Outcome.CONNECTION_LOST, Outcome.REFUSED, Outcome.NETWORK_UNREACHABLE}),
        0.3,
        "connections to {hosts} unrelated hosts timed out, broke or were refused",
        "Check this machine's network, firewall and open-file limit, or lower concurrency, and materialise again.",
    ),
    Sickness(
        "no trust",
        frozenset({Outcome.TLS_FAILED}),
        0.2,
        "no trustworthy TLS connection could be made to {hosts} hosts",
        "A proxy may read the traffic, the clock may be wrong, or the system's certificates may be missing: check "
        "with curl -v https://example.org, set tls_ca_file if needed, and materialise again.",
    ),
    Sickness(
        "blocked user agent",
        frozenset({Outcome.FORBIDDEN, Outcome.RATE_LIMITED}),
        0.2,
        "{hosts} of the hosts that answer refuse us (401, 402, 403, 451) or ask us to slow down (429)",
        "Our user agent or address is being blocked: lower the rates, name a contact in user_agent, or use another "
        "address, and materialise again.",
        only_answering=True,
    ),
    Sickness(
        "stand-in answers",
        frozenset({Outcome.NOT_AN_IMAGE}),
        0.4,
        "{hosts} of the hosts that answer send something that is no image",
        "A captive portal or a proxy may be answering in place of the web: look at the errors of these rows, and "
        "materialise again from an open network.",
        only_answering=True,
    ),
    Sickness(
        "our own fault",
        frozenset({Outcome.FAILED_HERE}),
        0.01,
        "our own program failed on images of {hosts} hosts",
        "Look at the errors of these rows and report them.",
    ),
)

_ANSWERED = frozenset(
    outcome
    for outcome in Outcome
    if outcome.fault is not Fault.US
    and outcome
    not in {
        Outcome.DNS_FAILED,
        Outcome.REFUSED,
        Outcome.TLS_FAILED,
        Outcome.INVALID_URL,
        Outcome.CONNECTION_LOST,
        Outcome.TIMED_OUT,
        Outcome.HOST_SUSPENDED,
        Outcome.BLOCKED_ADDRESS,
    }
)
_NEVER_ASKED = frozenset({Outcome.INVALID_URL, Outcome.BLOCKED_ADDRESS})
# Of so few hosts a share says little: the interval of 1 of 1 begins at 21 %, above what link rot explains of most.
FEW_HOSTS = 5
# One shop that refuses us and has several hosts must not stand for all that is asked in a run.
HOSTS_WORTH_A_JUDGEMENT = 30


@dataclass(frozen=True)
class Diagnosis:
    """One sickness found, or not."""

    sickness: Sickness
    hosts: int
    """Hosts struck."""
    out_of: int
    """Hosts judged."""
    share: Share
    """Of hosts struck, with its 95 % interval."""

    @property
    def is_sick(self) -> bool:
        """Whether even the low end of the interval is more than link rot explains."""
        return self.share.low > self.sickness.limit

    @property
    def finding(self) -> str:
        """What was found, in a few words."""
        return self.sickness.finding.format(hosts=f"{self.hosts:,} of {self.out_of:,}")

    def __str__(self) -> str:
        return (
            f"{self.finding} ({self.share.estimate:.1%}; link rot explains up to {self.sickness.limit:.0%}). "
            f"{self.sickness.next_step}"
        )


@dataclass(frozen=True)
class Health:
    """Whether the outcomes of a round can be believed to be about the links."""

    probes: int
    hosts: int
    diagnoses: tuple[Diagnosis, ...]

    @property
    def sick(self) -> tuple[Diagnosis, ...]:
        """What was found, gravest first."""
        found = [diagnosis for diagnosis in self.diagnoses if diagnosis.is_sick]
        return tuple(sorted(found, key=lambda diagnosis: -diagnosis.share.estimate))

    @property
    def is_healthy(self) -> bool:
        """Nothing was found."""
        return not self.sick

    @property
    def doubtful_outcomes(self) -> frozenset[Outcome]:
        """Outcomes of this round that may be our doing, and should not be kept; nor what was then not even asked."""
        if not self.sick:
            return frozenset()
        return frozenset({Outcome.HOST_SUSPENDED}).union(*(diagnosis.sickness.outcomes for diagnosis in self.sick))

    def doubtful_urls(self, probes: pl.DataFrame) -> pl.Series:
        """URLs whose outcome may be our doing: it must not be believed by the next run."""
        words = _words(self.doubtful_outcomes)
        return probes.filter(pl.col("outcome").is_in(words)).get_column("url")

    def __str__(self) -> str:
        if self.sick:
            return "Probing was not healthy: " + " Also, ".join(str(diagnosis) for diagnosis in self.sick)
        if not self.probes:
            return "Nothing was probed."
        return (
            f"{self.probes:,} probes of {self.hosts:,} hosts ended as link rot explains: "
            "resolver, network and user agent worked."
        )


def diagnose(probes: pl.DataFrame) -> Health:
    """Judge a round of probes.

    Args:
        probes: Has ``url`` and ``outcome``.
    """
    judged = probes.select("url", "outcome").unique("url").filter(~pl.col("outcome").is_in(_words(_NEVER_ASKED)))
    judged = judged.with_columns(host=host_or_url(pl.col("url")))
    # A host is suspended for what its first probes ended with: only they say what is wrong with it.
    asked = judged.filter(pl.col("outcome") != Outcome.HOST_SUSPENDED.value)
    hosts = asked.group_by("host").agg(
        answered=pl.col("outcome").is_in(_words(_ANSWERED)).any(),
        gave=(pl.col("outcome") == Outcome.OK.value).any(),
        **{sickness.name: pl.col("outcome").is_in(_words(sickness.outcomes)).mean() >= 0.5 for sickness in SICKNESSES},
    )
    diagnoses = []
    for sickness in SICKNESSES:
        told = hosts.filter("answered") if sickness.only_answering else hosts
        struck = told[sickness.name]
        if told.height < FEW_HOSTS and not sickness.is_surely_ours:
            # A store that says 403 for a missing file refuses half of what it is asked for, but it does not refuse us.
            struck &= ~told["gave"]
        count = int(struck.sum())
        diagnoses.append(Diagnosis(sickness, count, told.height, share(count, told.height)))
    return Health(judged.height, judged["host"].n_unique(), tuple(diagnoses))


def diagnose_run(probes: pl.DataFrame, *, afresh: pl.Series) -> tuple[Health, pl.Series]:
    """Judge all that a run has to say, and for itself what it asked.

    What ails probing strikes only what is asked now, and would drown among thousands of results that were kept.

    Args:
        probes: Has ``url`` and ``outcome``.
        afresh: The URLs that were asked, without those asked again because they failed: most of these fail again, for
            reasons of their own.

    Returns:
        The health of the whole or, if that is sound, of what was asked; and the URLs whose outcome must not be believed
        by the next run. Of what was asked these are all, so that the next run is judged by as many.
    """
    whole = diagnose(probes)
    if whole.is_healthy:
        asked = probes.filter(pl.col("url").is_in(afresh.implode()))
        health = diagnose(asked)
        if health.hosts >= HOSTS_WORTH_A_JUDGEMENT and not health.is_healthy:
            return health, asked.get_column("url")
    return whole, whole.doubtful_urls(probes)


def host_or_url(url: pl.Expr) -> pl.Expr:
    """The host of a URL; the whole URL where it leads nowhere."""
    return pl.coalesce(host_of(url), url)


def _words(outcomes: frozenset[Outcome]) -> list[str]:
    return sorted(outcome.value for outcome in outcomes)
