"""When assets downstream of the parts run by themselves.

Every condition has a name that the UI shows beside its verdict, tick by tick. Nothing runs by itself before the sensor
of its dataset is switched on. What could have been made by then and was not, is made then, once; the same goes for an
asset that is new in the code. Fetching is what the discovery sensor requests, and downloads are never automatic.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.declarative_automation.automation_condition import BuiltinAutomationCondition

Condition = dg.AutomationCondition[Any]
# What `&` and `since` give: one that can be named.
_Built = BuiltinAutomationCondition[Any]

NOT_RUNNING = (~Condition.in_progress()).with_label("not_running_already")
# A check that has not been evaluated yet has not passed either.
_UNCHECKED = (
    ~Condition.missing()
    & ~Condition.will_be_requested()
    & ~Condition.all_checks_match(Condition.check_passed(), blocking_only=True)
)
# A check whose run was cancelled or broke down says nothing any more: nobody else waits for it.
_AWAITED = (Condition.missing() | Condition.in_progress()) & ~Condition.check_passed() & ~Condition.check_failed()
_UNJUDGED = (
    ~Condition.missing() & ~Condition.will_be_requested() & Condition.any_checks_match(_AWAITED, blocking_only=True)
)


def once_requested_parts_are_in(parts: Sequence[dg.AssetKey] = (), *, parts_alone: bool = False) -> Condition:
    """For what is made from many parts at once: runs when the last requested part is in, not once per part.

    A part is requested by a run or a backfill, and it is in when that has ended and its blocking checks have been
    evaluated. Parts that nobody requested are not waited for, and a part that failed, or whose run ended before it was
    checked, holds nobody else up: it is left out, and once repaired it makes the whole run again. So does a part that
    comes in while the whole is being made.

    Args:
        parts: the upstream assets that are made per part: some of their partitions may be missing.
        parts_alone: nothing else upstream makes it run, such as a new plan where no shard was downloaded.
    """
    if not parts:
        return _once_upstream_is_in("once_requested_parts_are_in", started_by=_after(Condition.any_deps_updated()))
    selected = dg.AssetSelection.assets(*parts)
    # `since_last_handled` would forget a part that comes in between a request and the end of its run. Single conditions
    # on both sides of `since` keep their times, and the later of the two wins.
    part_is_in: _Built = (
        Condition.any_deps_match(Condition.newly_updated()).allow(selected).since(Condition.newly_requested())
    )
    started_by = part_is_in if parts_alone else part_is_in | _after(Condition.any_deps_updated().ignore(selected))
    return _once_upstream_is_in("once_requested_parts_are_in", started_by=started_by, some_may_be_missing=parts)


def follows_its_part() -> Condition:
    """For what is made per part: runs when what it is made from was made anew, for that part alone."""
    return _once_upstream_is_in("follows_its_part", started_by=_after(Condition.any_deps_updated()))


def joins_its_asset() -> Condition:
    """For a check in a step of its own: evaluated in the run that makes its asset.

    Without it the daemon requests only the checks that are made in the asset's own step.
    """
    return Condition.any_deps_match(Condition.will_be_requested()).with_label("joins_its_asset")


def follows_any_dataset(datasets: Sequence[dg.AssetKey]) -> Condition:
    """For the comparison: runs when one dataset has new figures, whether or not the others have any.

    Args:
        datasets: the upstream assets, one per dataset.
    """
    return _once_upstream_is_in(
        "follows_any_dataset",
        started_by=_after(Condition.any_deps_updated()),
        some_may_be_missing=datasets,
    )


def _after(updated: Any) -> _Built:  # noqa: ANN401 (the type of conditions on upstream assets is not public)
    """Something upstream was made since, or is about to be: then both are made in one run."""
    built: _Built = updated.since_last_handled() | Condition.any_deps_match(Condition.will_be_requested())
    return built


def _once_upstream_is_in(
    name: str, *, started_by: _Built, some_may_be_missing: Sequence[dg.AssetKey] = ()
) -> Condition:
    missing = Condition.any_deps_missing()
    something_is_in: Any = ~missing
    unchecked = Condition.any_deps_match(_UNCHECKED)
    all_checked: _Built
    if some_may_be_missing:
        some = dg.AssetSelection.assets(*some_may_be_missing)
        missing = missing.ignore(some)
        something_is_in = ~missing & Condition.any_deps_match(~Condition.missing()).allow(some)
        unjudged = Condition.any_deps_match(_UNJUDGED).allow(some)
        all_checked = ~unchecked.ignore(some) & ~unjudged
    else:
        all_checked = ~unchecked
    # Looked at in the first tick alone: an asset whose run fails later is missing too, and is left to people.
    left_to_make: _Built = (Condition.initial_evaluation() & Condition.missing() & something_is_in).since(
        Condition.newly_requested() | Condition.newly_updated()
    )
    whole: _Built = (
        (started_by.with_label("something_new_upstream") | left_to_make.with_label("not_made_when_switched_on"))
        & (~missing).with_label("nothing_upstream_missing")
        & (~Condition.any_deps_in_progress()).with_label("nothing_upstream_on_its_way")
        & all_checked.with_label("blocking_checks_upstream_evaluated")
        & NOT_RUNNING
    )
    return whole.with_label(name)
