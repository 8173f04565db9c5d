"""A sick resolver, network or user agent is told apart from link rot, and from each other."""

from collections.abc import Callable

import polars as pl
import pytest

from laion_assets.probes.health import SICKNESSES, diagnose, diagnose_run, host_or_url
from laion_assets.web.outcome import Fault, Outcome

# Outcomes per 1,000 URLs as one LAION shard showed them in 2023 (DESIGN), and the same three years on, at 1 % a month.
LINK_ROT_2023 = {
    "ok": 854, "not_found": 61, "forbidden": 14, "dns_failed": 14, "not_an_image": 8, "tls_failed": 6, "rejected": 3,
    "opted_out": 3, "server_error": 4, "refused": 1, "timed_out": 25, "connection_lost": 5, "resolver_failed": 2,
}  # fmt: skip
LINK_ROT_2026 = {
    "ok": 600, "not_found": 200, "forbidden": 40, "dns_failed": 70, "not_an_image": 30, "tls_failed": 15,
    "rejected": 5, "opted_out": 5, "server_error": 10, "refused": 5, "timed_out": 15, "connection_lost": 3,
    "resolver_failed": 2,
}  # fmt: skip


def round_of(outcomes: dict[str, int], *, hosts: int = 1000, scale: int = 4) -> pl.DataFrame:
    """Probes with these outcomes, spread over unrelated hosts."""
    words = [word for word, count in outcomes.items() for _ in range(count * scale)]
    return pl.DataFrame(
        {"url": [f"http://host-{i * 7919 % hosts}.example/{i}.jpg" for i in range(len(words))], "outcome": words}
    ).sample(fraction=1, shuffle=True, seed=1)


def struck(outcome: str, share: float) -> Callable[[], pl.DataFrame]:
    """Link rot, on top of which a share of all hosts only ends one way."""

    def make() -> pl.DataFrame:
        probes = round_of(LINK_ROT_2023)
        number = pl.col("url").str.extract(r"host-(\d+)").cast(pl.Int32)
        return probes.with_columns(
            outcome=pl.when(number < share * 1000).then(pl.lit(outcome)).otherwise(pl.col("outcome"))
        )

    return make


@pytest.mark.parametrize("rot", [LINK_ROT_2023, LINK_ROT_2026])
@pytest.mark.parametrize("hosts", [20, 1000, 100_000])
def test_link_rot_is_not_a_sickness(rot: dict[str, int], hosts: int) -> None:
    health = diagnose(round_of(rot, hosts=hosts))
    assert health.is_healthy
    assert str(health).endswith("ended as link rot explains: resolver, network and user agent worked.")


@pytest.mark.parametrize(
    ("name", "outcome", "share", "word", "step"),
    [
        ("resolver", "resolver_failed", 0.15, "our DNS resolver failed or timed out", "nameservers"),
        ("lying resolver", "dns_failed", 0.6, "our DNS resolver says", "another resolver"),
        ("no route", "network_unreachable", 0.2, "no route", "network and firewall"),
        ("dead network", "timed_out", 0.6, "timed out, broke or were refused", "open-file limit"),
        ("dead network", "connection_lost", 0.6, "timed out, broke or were refused", "lower concurrency"),
        ("no trust", "tls_failed", 0.5, "trustworthy TLS", "tls_ca_file"),
        ("blocked user agent", "forbidden", 0.5, "refuse us", "user_agent"),
        ("blocked user agent", "rate_limited", 0.5, "slow down", "lower the rates"),
        ("stand-in answers", "not_an_image", 0.7, "no image", "captive portal"),
        ("our own fault", "failed_here", 0.05, "our own program failed", "report"),
    ],
)
def test_each_sickness_is_called_by_its_name_with_the_next_step(
    name: str, outcome: str, share: float, word: str, step: str
) -> None:
    health = diagnose(struck(outcome, share)())
    assert [diagnosis.sickness.name for diagnosis in health.sick][:1] == [name]
    assert word in str(health)
    assert step in str(health)
    assert outcome in {doubtful.value for doubtful in health.doubtful_outcomes}
    only = {diagnosis.sickness.name for diagnosis in health.sick} - {name}
    assert only <= {"dead network"}


def test_one_large_shop_that_refuses_us_is_not_a_blocked_user_agent() -> None:
    probes = round_of(LINK_ROT_2023)
    shop = pl.DataFrame(
        {"url": [f"https://cdn.shop.example/{i}.jpg" for i in range(4000)], "outcome": ["forbidden"] * 4000}
    )
    assert diagnose(pl.concat([probes, shop])).is_healthy


def test_a_dead_network_is_seen_with_few_probes_too() -> None:
    assert not diagnose(round_of({"timed_out": 12}, hosts=12, scale=1)).is_healthy
    assert not diagnose(round_of({"resolver_failed": 3}, hosts=3, scale=1)).is_healthy
    assert diagnose(round_of({"timed_out": 1, "ok": 3}, hosts=4, scale=1)).is_healthy


def test_what_was_not_asked_any_more_does_not_hide_what_the_host_was_suspended_for() -> None:
    words = ["timed_out"] * 12 + ["host_suspended"] * 88
    probes = pl.DataFrame(
        {
            "url": [f"http://host-{host}.example/{n}.jpg" for host in range(10) for n in range(100)],
            "outcome": words * 10,
        }
    )
    health = diagnose(probes)
    assert [(found.sickness.name, found.hosts, found.out_of) for found in health.sick] == [("dead network", 10, 10)]
    assert (health.probes, health.hosts) == (1000, 10)
    # Nor is it to be believed by the next run that they are not worth asking.
    assert Outcome.HOST_SUSPENDED in health.doubtful_outcomes


def test_hosts_that_were_only_left_alone_say_nothing() -> None:
    probes = round_of({"host_suspended": 20, "ok": 5}, hosts=25, scale=1)
    health = diagnose(probes)
    assert health.is_healthy
    assert {diagnosis.out_of for diagnosis in health.diagnoses} == {5}
    assert health.doubtful_outcomes == frozenset()


def of_hosts(*hosts: dict[str, int]) -> pl.DataFrame:
    """Probes of a few hosts, each with these outcomes."""
    rows = [
        (f"http://host-{number}.example/{word}-{n}.jpg", word)
        for number, outcomes in enumerate(hosts)
        for word, count in outcomes.items()
        for n in range(count)
    ]
    return pl.DataFrame(rows, schema=["url", "outcome"], orient="row")


@pytest.mark.parametrize("outcome", ["forbidden", "not_an_image", "dns_failed", "timed_out", "tls_failed"])
def test_few_hosts_that_give_images_are_not_sick(outcome: str) -> None:
    # S3 answers 403 for a key that is not there.
    half = {outcome: 60, "ok": 40}
    for hosts in range(1, 5):
        assert diagnose(of_hosts(*[half] * hosts)).is_healthy
    assert diagnose(of_hosts({outcome: 99, "ok": 1})).is_healthy
    assert not diagnose(of_hosts(*[half] * 5)).is_healthy


@pytest.mark.parametrize("outcome", ["forbidden", "rate_limited", "tls_failed"])
def test_a_single_host_that_gives_nothing_is_sick(outcome: str) -> None:
    assert not diagnose(of_hosts({outcome: 100})).is_healthy
    assert not diagnose(of_hosts({outcome: 90, "not_found": 10})).is_healthy


@pytest.mark.parametrize("outcome", ["resolver_failed", "network_unreachable", "failed_here"])
def test_what_only_we_can_have_done_is_sick_though_a_host_gave_images(outcome: str) -> None:
    health = diagnose(of_hosts({outcome: 60, "ok": 40}))
    assert outcome in {doubtful.value for doubtful in health.doubtful_outcomes}


def asked_now(dead: int, fine: int) -> pl.DataFrame:
    words = ["timed_out"] * dead + ["ok"] * fine
    urls = [f"http://new-{number}.example/a.jpg" for number in range(len(words))]
    return pl.DataFrame({"url": urls, "outcome": words})


def test_what_is_asked_now_does_not_drown_among_what_was_kept() -> None:
    kept, now = round_of(LINK_ROT_2023), asked_now(60, 40)
    assert diagnose(pl.concat([kept, now])).is_healthy
    health, doubtful = diagnose_run(pl.concat([kept, now]), afresh=now["url"])
    assert [(found.sickness.name, found.hosts, found.out_of) for found in health.sick] == [("dead network", 60, 100)]
    # The sound ones too: the others alone would be judged by those that are dead indeed.
    assert sorted(doubtful) == sorted(now["url"])


@pytest.mark.parametrize("now", [asked_now(29, 0), asked_now(10, 90)])
def test_few_hosts_or_sound_ones_asked_now_leave_the_judgement_to_the_whole(now: pl.DataFrame) -> None:
    probes = pl.concat([round_of(LINK_ROT_2023), now])
    health, doubtful = diagnose_run(probes, afresh=now["url"])
    assert (health.is_healthy, health.probes, doubtful.len()) == (True, probes.height, 0)


def test_a_whole_that_is_sick_is_what_is_told() -> None:
    probes, now = round_of({"timed_out": 6, "ok": 4}, hosts=1000, scale=100), asked_now(60, 40)
    health, doubtful = diagnose_run(pl.concat([probes, now]), afresh=now["url"])
    assert health.probes == 1100
    assert doubtful.len() == 660


def test_nothing_probed_is_not_sick() -> None:
    empty = pl.DataFrame(schema={"url": pl.String(), "outcome": pl.String()})
    assert diagnose(empty).is_healthy
    assert str(diagnose(empty)) == "Nothing was probed."
    invalid = pl.DataFrame({"url": ["ftp://a"], "outcome": ["invalid_url"]})
    assert diagnose(invalid).is_healthy


def test_every_outcome_that_is_our_fault_makes_some_sickness() -> None:
    covered = {outcome for sickness in SICKNESSES for outcome in sickness.outcomes}
    assert {outcome for outcome in Outcome if outcome.fault is Fault.US} <= covered


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.ORG/a.jpg", "example.org"),
        ("https://user:secret@example.org:8443/a@b.jpg", "example.org"),
        ("http://[2001:DB8::1]:80/a", "2001:db8::1"),
        ("http://example.org?x=1", "example.org"),
        ("http:///a.jpg", "a.jpg"),
        ("UNLIKELY", "UNLIKELY"),
    ],
)
def test_the_host_of_a_url_is_the_one_that_is_asked(url: str, host: str) -> None:
    assert pl.DataFrame({"url": [url]}).select(host_or_url(pl.col("url"))).item() == host
