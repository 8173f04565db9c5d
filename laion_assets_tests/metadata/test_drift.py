"""Parts that are random shuffles pass however many there are; a damaged one is named, and only that one."""

import math

import numpy as np
import polars as pl
import pytest

from laion_assets.metadata.chance import below_chance, binomial_tail, chi_square_log_tail, homogeneity, shares_differ
from laion_assets.metadata.drift import compare_parts
from laion_assets.metadata.profile import OTHERS, PROFILE_SCHEMA

_LANGUAGES = {"en": 0.6, "nolang": 0.1, "de": 0.2, "fr": 0.0999, "xx": 0.0001}


def _profiles(
    parts: int, *, rows: int = 20_000, seed: int = 0, other: dict[int, dict[str, float]] | None = None
) -> pl.DataFrame:
    """Profiles of parts drawn from one population; ``other`` gives some parts another one."""
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.normal(7.3, 0.3, 400)).astype(int)
    records = []
    for part in range(parts):
        shares = (other or {}).get(part, _LANGUAGES)
        languages = rng.multinomial(rows, list(shares.values()))
        side_counts = np.unique(rng.choice(sides, rows), return_counts=True)
        flagged = int(rng.binomial(rows, 0.01))
        records.append(
            {
                "part": f"part-{part:05d}",
                "rows_in": rows,
                "language_counts": [
                    {"name": name, "count": int(count)} for name, count in zip(shares, languages, strict=True) if count
                ],
                "short_side_counts": [
                    {"value": int(value), "count": int(count)} for value, count in zip(*side_counts, strict=True)
                ],
                "rule_counts": [
                    {"rule": "below_minimum", "count": flagged},
                    {"rule": "repeated_url", "count": 7 * part},
                ],
            }
        )
    empty = [name for name in PROFILE_SCHEMA if name not in records[0]]
    frame = pl.DataFrame(records, schema={name: PROFILE_SCHEMA[name] for name in records[0]})
    return frame.with_columns(pl.lit([] if isinstance(PROFILE_SCHEMA[name], pl.List) else None, PROFILE_SCHEMA[name]).alias(name) for name in empty)  # fmt: skip # noqa: E501


def test_a_hundred_and_twenty_eight_shuffles_of_one_dataset_look_alike() -> None:
    report = compare_parts(_profiles(128))
    assert report.drifting == ()
    assert report.tests == 128 * 3, "languages, short sides and one rule; repeats are no property of one row"
    # The smallest of 384 uniform probabilities is below 1/384 more often than not, and no cause for alarm.
    assert 1e-6 < report.smallest_probability < 0.05


def test_the_level_is_the_chance_of_a_false_alarm() -> None:
    alarms = sum(bool(compare_parts(_profiles(6, rows=3000, seed=seed), level=0.2).drifting) for seed in range(100))
    # Holm keeps it at most 0.2: 20 of 100, with a spread of 4. Far fewer would mean a test that never speaks.
    assert 4 <= alarms <= 32


def test_a_part_with_other_languages_is_named_and_no_other() -> None:
    other = {17: {**_LANGUAGES, "en": 0.57, "de": 0.23}}
    report = compare_parts(_profiles(32, other=other))
    assert [one.part for one in report.drifting] == ["part-00017"]
    found = report.drifting[0]
    assert found.figure == "language"
    assert found.probability < 1e-9
    assert found.distance == pytest.approx(0.03, abs=0.01)


def test_one_ruined_part_among_three_does_not_drag_the_good_ones_along() -> None:
    report = compare_parts(_profiles(4, other={2: {"en": 0.0, "nolang": 1.0, "de": 0.0, "fr": 0.0, "xx": 0.0}}))
    assert [one.part for one in report.drifting] == ["part-00002"]


def test_several_damaged_parts_are_all_named() -> None:
    other = {3: {**_LANGUAGES, "en": 0.5, "de": 0.3}, 9: {**_LANGUAGES, "en": 0.5, "fr": 0.1999}}
    assert sorted(one.part for one in compare_parts(_profiles(20, other=other)).drifting) == [
        "part-00003",
        "part-00009",
    ]


@pytest.mark.parametrize("parts", [0, 1])
def test_there_is_nothing_to_compare_one_part_with(parts: int) -> None:
    report = compare_parts(_profiles(1).head(parts))
    assert (report.parts, report.drifting) == (parts, ())


_HOSTS = {f"h{rank:04d}.example": 1 / (rank + 3) for rank in range(2000)}


def _host_profiles(parts: int, *, seed: int = 0, other: dict[int, dict[str, float]] | None = None) -> pl.DataFrame:
    """Profiles that name their 200 most frequent hosts of two thousand, and count the rest together."""
    rng = np.random.default_rng(seed)
    counts = []
    for part in range(parts):
        weights = np.array(list((other or {}).get(part, _HOSTS).values()))
        drawn = zip((other or {}).get(part, _HOSTS), rng.multinomial(20_000, weights / weights.sum()), strict=True)
        ordered = sorted(((name, int(count)) for name, count in drawn), key=lambda one: -one[1])
        named = [*ordered[:200], (OTHERS, sum(count for _, count in ordered[200:]))]
        counts.append([{"name": name, "count": count} for name, count in named])
    return _profiles(parts).with_columns(pl.Series("host_counts", counts, dtype=PROFILE_SCHEMA["host_counts"]))


def test_a_host_that_only_some_parts_name_is_no_drift() -> None:
    for seed in range(5):
        report = compare_parts(_host_profiles(8, seed=seed))
        assert report.drifting == ()
        assert report.smallest_probability > 1e-5


def test_a_part_with_more_of_one_host_or_with_nothing_but_strangers_is_named() -> None:
    hosts = list(_HOSTS)
    more = {**_HOSTS, hosts[20]: 2.5 * _HOSTS[hosts[20]]}
    strangers = {f"x{rank:04d}.example": 1.0 for rank in range(400)}
    report = compare_parts(_host_profiles(8, other={2: more, 5: strangers}))
    assert [(one.part, one.figure) for one in report.drifting] == [("part-00005", "host"), ("part-00002", "host")]


def test_the_chi_square_tail_is_the_one_of_the_tables() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 7, 10, 99, 100, 9000):
        for statistic in (0.01, 0.5, 1.0, 3.84, 10.0, 50.0, 120.0, 800.0, 9200.0, 20_000.0):
            expected = stats.chi2.sf(statistic, freedom)
            found = math.exp(chi_square_log_tail(statistic, freedom))
            assert found == pytest.approx(expected, rel=1e-8, abs=1e-170)
            if expected > 0:
                logarithm = stats.chi2.logsf(statistic, freedom)
                assert chi_square_log_tail(statistic, freedom) == pytest.approx(logarithm, rel=1e-5, abs=1e-8)
    assert chi_square_log_tail(20_000.0, 2) == -10_000.0, "where the probability itself underflows"
    assert chi_square_log_tail(-1, 5) == chi_square_log_tail(5, 0) == 0.0


def test_homogeneity_is_pearsons_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    one, rest = np.array([50, 30, 20]), np.array([400, 380, 220])
    expected = stats.chi2_contingency([one, rest], correction=False).pvalue
    assert math.exp(homogeneity(one, rest)) == pytest.approx(expected)
    assert homogeneity(one, np.zeros(3, dtype=np.int64)) == 0.0
    assert homogeneity(np.array([10]), np.array([99])) == 0.0


def test_rare_classes_are_counted_as_one() -> None:
    """A word that occurs once in all parts must be in one of them; that is no drift."""
    one, rest = np.array([1000, 1000, *[1] * 3, *[0] * 300]), np.array([100_000, 100_000, *[0] * 3, *[1] * 300])
    assert homogeneity(one, rest) > math.log(0.001)


def test_many_looks_ask_for_a_smaller_probability() -> None:
    assert below_chance(math.log(0.04), level=0.05, looks=1)
    assert not below_chance(math.log(0.04), level=0.05, looks=2)
    assert below_chance(math.log(0.0003), level=0.05, looks=128)
    assert not below_chance(0.0, level=0.05, looks=0)


def test_shares_are_compared_in_standard_deviations() -> None:
    assert shares_differ((30, 100), (20, 100)) == pytest.approx(1.6329932)
    assert shares_differ((0, 100), (0, 100)) == shares_differ((0, 0), (1, 2)) == 0.0


def test_the_binomial_tail_is_exact() -> None:
    assert binomial_tail(1, 1, 0.05) == pytest.approx(0.05)
    assert binomial_tail(3, 3, 0.05) == pytest.approx(0.05**3)
    assert binomial_tail(2, 3, 0.5) == pytest.approx(0.5)
    assert binomial_tail(0, 0, 0.5) == 1.0
    assert binomial_tail(10_000, 10_000, 0.05) == 0.0


def test_parts_of_which_no_majority_is_alike_are_named_up_to_half() -> None:
    other = {n: {"en": n / 10, "de": 1 - n / 10} for n in range(1, 10)}
    report = compare_parts(_profiles(10, other=other))
    assert 4 <= len(report.drifting) <= 5
