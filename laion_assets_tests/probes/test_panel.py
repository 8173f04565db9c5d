import polars as pl
import pytest

from laion_assets.probes.panel import PanelWeek, has_collapsed, judge_week, read_week
from laion_assets.probes.share import share


def week(*, ok: int, dead: int, ours: int = 0) -> PanelWeek:
    outcomes = ["ok"] * ok + ["not_found"] * dead + ["resolver_failed"] * ours
    return read_week(pl.DataFrame({"outcome": outcomes}), week="2026-01-05")


def test_rows_our_own_network_could_not_ask_say_nothing_about_links() -> None:
    found = week(ok=80, dead=20, ours=50)
    assert (found.asked, found.not_asked) == (100, 50)
    assert found.alive == share(80, 100)


def test_links_dying_at_the_usual_rate_are_no_collapse() -> None:
    assert not has_collapsed(week(ok=852, dead=148), week(ok=855, dead=145), collapse=0.05)


def test_a_tenth_of_the_links_gone_in_a_week_is_a_collapse() -> None:
    assert has_collapsed(week(ok=750, dead=250), week(ok=850, dead=150), collapse=0.05)


@pytest.mark.parametrize(("ok", "dead"), [(8, 2), (7, 3)])
def test_what_chance_explains_is_no_collapse(ok: int, dead: int) -> None:
    assert not has_collapsed(week(ok=ok, dead=dead), week(ok=9, dead=1), collapse=0.05)


def test_the_first_week_has_nothing_to_collapse_from() -> None:
    assert not has_collapsed(week(ok=1, dead=9), None, collapse=0.05)


def test_a_week_is_held_against_the_one_it_names() -> None:
    found = judge_week(week(ok=750, dead=250), week(ok=850, dead=150), collapse=0.05)
    assert not found.passed
    assert found.sentence.startswith("75.00% (")
    assert found.sentence.endswith("in the week of 2026-01-05")
    assert judge_week(week(ok=849, dead=151), week(ok=850, dead=150), collapse=0.05).passed


def test_a_week_in_which_nothing_could_be_asked_does_not_pass() -> None:
    for before in (None, week(ok=9, dead=1)):
        found = judge_week(week(ok=0, dead=0, ours=7), before, collapse=0.05)
        assert not found.passed
        assert "none of the panel's 7 links could be asked" in found.sentence
        assert "nan" not in found.sentence
