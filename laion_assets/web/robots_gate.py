"""Who may be asked as far as robots.txt goes: fetched once per origin, kept for a day, obeyed.

What a robots.txt means is ``robots``' business; when and how one is asked for, the client's.
"""

from collections import OrderedDict
from collections.abc import Callable

from laion_assets.web.failure import Failure
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.robots import RobotsRules, read_robots
from laion_assets.web.url import Target

ORIGINS_KEPT = 16_384
TTL_S = 86_400.0
FAILURE_TTL_S = 60.0

HeardRobots = Callable[[Answer], None]
"""Called with the answer to a request for a robots.txt."""
AskForRobots = Callable[[str, HeardRobots], None]
"""Called with the URL of a robots.txt; calls back once, with the answer."""

_NONE_THERE = frozenset((Outcome.NOT_FOUND, Outcome.FORBIDDEN, Outcome.REJECTED, Outcome.REDIRECT_LOOP))


class RobotsGate:
    """Rules by origin."""

    def __init__(self, agent: str, ask: AskForRobots) -> None:
        self._agent = agent
        self._ask = ask
        self._known: OrderedDict[str, _Rules] = OrderedDict()

    def allows(self, target: Target, now: float, when_known: Callable[[], None]) -> bool:
        """Whether a target may be asked now. If its rules are not known yet, ``when_known`` is called once they are.

        Raises:
            Failure: The rules say no, or could not be had.
        """
        origin = target.origin
        known = self._known.get(origin)
        if known is None or known.until < now:
            known = self._known[origin] = _Rules(now + TTL_S)
            if len(self._known) > ORIGINS_KEPT:
                self._known.popitem(last=False)
            self._fetch(target, known, now)
        if known.rules is not None:
            if not known.rules.allows(target.path):
                raise Failure(Outcome.OPTED_OUT, "robots.txt says no")
            return True
        if known.failure is not None:
            raise known.failure
        known.waiting.append(when_known)
        return False

    def _fetch(self, target: Target, known: "_Rules", now: float) -> None:
        def heard(answer: Answer) -> None:
            if answer.outcome is Outcome.OK:
                known.rules = read_robots(answer.body, agent=self._agent)
            elif answer.outcome in _NONE_THERE:
                # RFC 9309, 2.3.1.3: none there, none to obey.
                known.rules = RobotsRules()
            else:
                # RFC 9309, 2.3.1.4: cannot be reached, so everything counts as disallowed for now.
                known.until = now + FAILURE_TTL_S
                known.failure = Failure(answer.outcome, f"robots.txt: {answer.error}")
            waiting, known.waiting = known.waiting, []
            for call in waiting:
                call()

        self._ask(f"{target.origin}/robots.txt", heard)


class _Rules:
    """What is known of one origin's robots.txt, and who waits to know."""

    __slots__ = ("failure", "rules", "until", "waiting")

    def __init__(self, until: float) -> None:
        self.until = until
        self.rules: RobotsRules | None = None
        self.failure: Failure | None = None
        self.waiting: list[Callable[[], None]] = []
