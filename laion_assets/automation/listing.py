"""Listing a source from a sensor: soon or not at all.

A sensor's tick has a minute before the daemon gives it up as failed, and while it waits no other tick of the sensor
comes. What a fetch may do for minutes, ask again and again, a tick must not. Knows nothing of Dagster.
"""

from laion_assets.automation.deadline import DeadlineError, before_deadline
from laion_assets.sources.fetching import open_source
from laion_assets.sources.patience import Patience
from laion_assets.sources.published import Listing, SourceError
from laion_assets.sources.spec import SourceSpec

# The next tick asks again anyway.
TICK_PATIENCE = Patience(
    attempts=2, first_pause_s=0.5, longest_pause_s=1.0, longest_asked_pause_s=2.0, silence_s=10.0, slow_for_s=10.0
)
DEADLINE_S = 30.0


def list_soon(source: SourceSpec, *, deadline_s: float = DEADLINE_S, patience: Patience = TICK_PATIENCE) -> Listing:
    """The parts of a source, if it says so before the deadline.

    Args:
        source: where the parts are published.
        deadline_s: for everything together, whatever the server does to draw it out.
        patience: how a failed request is repeated.

    Raises:
        SourceError: The source cannot be listed, or not in time.
    """
    try:
        return before_deadline(open_source(source, patience=patience).list_parts, deadline_s=deadline_s)
    except DeadlineError:
        raise SourceError(
            f"{source.uri.partition('?')[0]}: no listing within {deadline_s:g} s. The source is slow or away; it is "
            "asked again at the next tick.",
            retryable=True,
        ) from None
