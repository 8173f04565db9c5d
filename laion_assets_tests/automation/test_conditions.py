"""When things run by themselves, evaluated as the daemon evaluates it."""

import functools

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from laion_assets.automation.conditions import follows_any_dataset
from laion_assets.definitions import defs
from laion_assets_tests.automation.conftest import Toy, key

EVERYTHING = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()
ANALYSIS = {key("dimension_sample"), key("dimension_probes"), key("resolution_statistics")}


class Daemon:
    """Evaluates conditions of the toy, tick by tick: all of them, unless it is told which there are."""

    def __init__(self, toy: Toy, *, there: dg.AssetSelection = EVERYTHING) -> None:
        self._toy = toy
        self.there = there
        self._cursor: AssetDaemonCursor | None = None
        self.when_switched_on = self.tick()

    def tick(self) -> dict[dg.AssetKey | dg.AssetCheckKey, set[str | None]]:
        """What one tick requests: partitions per asset, or None for what has none."""
        instance = self._toy.instance
        with pytest.MonkeyPatch.context() as patch:
            # The daemon reads partitions through a cache; this function would ask the database at every node.
            patch.setattr(instance, "get_dynamic_partitions", functools.cache(instance.get_dynamic_partitions))
            found = dg.evaluate_automation_conditions(
                self._toy.definitions,
                instance=instance,
                asset_selection=self.there,
                cursor=self._cursor,
            )
        self._cursor = found.cursor
        requested: dict[dg.AssetKey | dg.AssetCheckKey, set[str | None]] = {}
        for one in found.results:
            if isinstance(one.key, dg.AssetKey) and found.get_num_requested(one.key):
                requested[one.key] = set(found.get_requested_partitions(one.key))
            elif not isinstance(one.key, dg.AssetKey) and not one.true_subset.is_empty:
                requested[one.key] = {None}
        return requested


@pytest.fixture
def daemon(toy: Toy) -> Daemon:
    return Daemon(toy)


def test_nothing_runs_before_a_part_is_in(daemon: Daemon) -> None:
    assert daemon.tick() == {}


def test_the_analysis_runs_once_when_the_last_of_the_requested_parts_is_in(toy: Toy, daemon: Daemon) -> None:
    queued = {part: toy.request("toy_parts", part) for part in ("p0", "p1", "p2")}
    seen = []
    for part, run_id in queued.items():
        toy.withdraw(run_id)
        assert toy.run("toy_parts", part).success
        seen.append(daemon.tick())
    assert seen[:-1] == [{}, {}]
    assert set(seen[-1]) == {*ANALYSIS, key("small", "plan"), dg.AssetCheckKey(key("metadata_profile"), "part_drift")}
    assert daemon.tick() == {}


def test_what_is_not_made_when_the_sensor_is_switched_on_is_made_then_and_once(toy: Toy) -> None:
    for part in ("p0", "p1"):
        assert toy.run("toy_parts", part).success
    toy.run("toy_raw", "p2")
    daemon = Daemon(toy)
    whole = {*ANALYSIS, key("small", "plan"), dg.AssetCheckKey(key("metadata_profile"), "part_drift")}
    per_part = {key("validated_metadata"), key("metadata_profile"), key("small", "rows")}
    assert set(daemon.when_switched_on) == whole | per_part
    assert {*map(frozenset, (daemon.when_switched_on[one] for one in per_part))} == {frozenset({"p2"})}
    assert daemon.tick() == {}, "whatever becomes of these runs"


def test_switching_the_sensor_on_makes_nothing_that_is_there_already(toy: Toy) -> None:
    toy.run("toy_parts", "p0")
    toy.run("toy_analysis")
    assert Daemon(toy).when_switched_on == {}
    toy.run("toy_small_shards", "p0")
    assert Daemon(toy).when_switched_on == {key("small", "index"): {None}}


def test_a_subset_that_is_new_is_made_of_the_parts_that_are_in_and_once(toy: Toy) -> None:
    subset = dg.AssetSelection.assets(key("small", "rows"), key("small", "plan"), key("small", "index"))
    for part in ("p0", "p1"):
        toy.run("toy_parts", part, but=key("small", "rows"))
    toy.run("toy_analysis", but=key("small", "plan"))
    daemon = Daemon(toy, there=EVERYTHING - subset)
    assert daemon.when_switched_on.keys() <= {dg.AssetCheckKey(key("metadata_profile"), "part_drift")}
    daemon.there = EVERYTHING
    assert daemon.tick() == {key("small", "rows"): {"p0", "p1"}}
    assert daemon.tick() == {}


def test_parts_that_are_on_their_way_when_the_sensor_is_switched_on_are_waited_for(toy: Toy) -> None:
    toy.run("toy_parts", "p0")
    second = toy.request("toy_parts", "p1")
    daemon = Daemon(toy)
    assert daemon.when_switched_on == {}
    toy.withdraw(second)
    assert set(daemon.tick()) >= ANALYSIS
    assert daemon.tick() == {}


def test_parts_nobody_requested_are_not_waited_for(toy: Toy, daemon: Daemon) -> None:
    toy.run("toy_parts", "p0")
    assert set(daemon.tick()) >= ANALYSIS


def test_after_the_analysis_has_run_nothing_is_left_to_do(toy: Toy, daemon: Daemon) -> None:
    toy.run("toy_parts", "p0")
    daemon.tick()
    toy.run("toy_analysis")
    assert daemon.tick() == {}


def test_a_part_that_comes_later_makes_the_analysis_run_again_once(toy: Toy, daemon: Daemon) -> None:
    toy.run("toy_parts", "p0")
    daemon.tick()
    toy.run("toy_analysis")
    daemon.tick()
    toy.run("toy_parts", "p1")
    assert set(daemon.tick()) >= ANALYSIS
    assert daemon.tick() == {}


def test_a_part_that_comes_in_while_the_analysis_runs_makes_it_run_once_more(toy: Toy, daemon: Daemon) -> None:
    toy.run("toy_parts", "p0")
    assert set(daemon.tick()) >= ANALYSIS
    toy.run("toy_parts", "p1")
    toy.run("toy_analysis")
    assert set(daemon.tick()) >= ANALYSIS
    assert daemon.tick() == {}


def test_a_part_that_failed_its_blocking_check_stops_itself_and_no_other(toy: Toy, daemon: Daemon) -> None:
    toy.broken = {"p1"}
    toy.run("toy_parts", "p0")
    toy.run("toy_parts", "p1")
    requested = daemon.tick()
    assert set(requested) >= ANALYSIS
    assert key("small", "rows") not in requested
    toy.run("toy_analysis")
    assert daemon.tick() == {}
    toy.broken = set()
    toy.run("toy_parts", "p1")
    assert set(daemon.tick()) >= ANALYSIS


@pytest.mark.parametrize("ended", ["cancelled", "failed"])
def test_a_part_whose_run_ended_before_its_check_holds_up_no_other(toy: Toy, daemon: Daemon, ended: str) -> None:
    cut_off = toy.request("toy_parts", "p1")
    toy.made(cut_off, key("validated_metadata"), "p1")
    toy.run("toy_parts", "p0")
    assert key("dimension_sample") not in daemon.tick()
    if ended == "cancelled":
        toy.withdraw(cut_off)
    else:
        run = toy.instance.get_run_by_id(cut_off)
        assert run is not None
        toy.instance.report_run_failed(run)
    requested = daemon.tick()
    assert set(requested) >= ANALYSIS
    assert key("small", "rows") not in requested
    toy.run("toy_analysis")
    assert daemon.tick() == {}
    toy.run("toy_parts", "p1")
    assert set(daemon.tick()) >= ANALYSIS


def test_a_part_whose_check_has_not_been_evaluated_is_not_in(toy: Toy, daemon: Daemon) -> None:
    toy.instance.report_runless_asset_event(dg.AssetMaterialization(key("validated_metadata"), partition="p0"))
    requested = daemon.tick()
    assert key("dimension_sample") not in requested
    assert key("small", "rows") not in requested


def test_a_part_whose_run_failed_holds_up_no_other_and_makes_the_plan_again_once_repaired(
    toy: Toy, daemon: Daemon
) -> None:
    toy.raising = {"p1"}
    toy.run("toy_parts", "p0")
    assert not toy.run("toy_parts", "p1").success
    assert key("small", "plan") in daemon.tick()
    toy.run("toy_analysis")
    daemon.tick()
    toy.raising = set()
    toy.run("toy_parts", "p1")
    assert key("small", "plan") in daemon.tick()


def test_what_is_made_per_part_follows_its_part_alone(toy: Toy, daemon: Daemon) -> None:
    for part in ("p1", "p2"):
        toy.run("toy_raw", part)
    requested = daemon.tick()
    assert requested[key("validated_metadata")] == requested[key("metadata_profile")] == {"p1", "p2"}
    assert requested[key("small", "rows")] == {"p1", "p2"}


def test_nothing_is_fetched_or_downloaded_by_itself(toy: Toy, daemon: Daemon) -> None:
    toy.run("toy_parts", "p0")
    toy.run("toy_analysis")
    assert not {key("raw_metadata"), key("small", "shards"), key("link_health")} & set(daemon.tick())


def test_the_index_is_made_anew_when_requested_shards_are_in(toy: Toy, daemon: Daemon) -> None:
    for part in ("p0", "p1"):
        toy.run("toy_parts", part)
    toy.run("toy_analysis")
    daemon.tick()
    second = toy.request("toy_small_shards", "p1")
    toy.run("toy_small_shards", "p0")
    assert key("small", "index") not in daemon.tick()
    toy.withdraw(second)
    toy.run("toy_small_shards", "p1")
    assert key("small", "index") in daemon.tick()
    assert daemon.tick() == {}


def test_the_comparison_follows_one_dataset_and_waits_for_no_other(instance: dg.DagsterInstance) -> None:
    figures = [dg.AssetKey([dataset, "resolution_statistics"]) for dataset in ("one", "other")]
    comparison = dg.AssetSpec("comparison", deps=figures, automation_condition=follows_any_dataset(figures))

    @dg.multi_asset(specs=[comparison])
    def compared() -> None: ...

    both = dg.Definitions([*(dg.AssetSpec(one) for one in figures), compared])
    cursor: AssetDaemonCursor | None = None
    seen = []
    for made in (None, figures[0], None, figures[0], None, figures[1]):
        if made is not None:
            instance.report_runless_asset_event(dg.AssetMaterialization(made))
        tick = dg.evaluate_automation_conditions(both, instance, asset_selection=EVERYTHING, cursor=cursor)
        seen.append(tick.total_requested)
        cursor = tick.cursor
    assert seen == [0, 1, 0, 1, 0, 1]


def test_every_asset_of_the_code_location_has_a_named_condition_or_is_left_to_people() -> None:
    graph = defs().resolve_asset_graph()
    conditions = {
        node.key.path[-1]: node.automation_condition.get_label() if node.automation_condition else None
        for node in graph.asset_nodes
    }
    whole, per_part = "once_requested_parts_are_in", "follows_its_part"
    assert conditions == {
        "raw_metadata": None,
        "validated_metadata": per_part,
        "quarantined_metadata": per_part,
        "metadata_profile": per_part,
        "rows": per_part,
        "duplicate_urls": whole,
        "dimension_sample": whole,
        "dimension_probes": whole,
        "resolution_statistics": whole,
        "plan": whole,
        "shards": None,
        "index": whole,
        "link_health": None,
        "dataset_comparison": "follows_any_dataset",
    }
    drift = graph.get(dg.AssetCheckKey(dg.AssetKey(["laion_hr", "metadata_profile"]), "part_drift"))
    assert drift.automation_condition is not None
    assert drift.automation_condition.get_label() == whole


def test_the_daemon_can_evaluate_every_condition_without_our_code() -> None:
    for node in defs().resolve_asset_graph().asset_nodes:
        assert node.automation_condition is None or node.automation_condition.is_serializable


def test_someone_waits_for_the_statistics_and_for_the_week_s_link_health() -> None:
    fresh = {node.key.path[-1] for node in defs().resolve_asset_graph().asset_nodes if node.freshness_policy}
    assert fresh == {"resolution_statistics", "link_health"}
