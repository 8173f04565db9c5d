"""One probing process: ``python -m laion_assets.probes.worker``, started by ``workers``.

Its standard input brings one line of JSON with the work and then stays open: when it ends, the parent has, and so does
this process, after keeping what it learned. Its standard output tells the number of answers per outcome.
"""

import _thread
import json
import os
import sys
import threading
import time
from collections import Counter

from laion_assets.lake.lake import Lake
from laion_assets.probes.asking import ask
from laion_assets.probes.spec import ProbeSpec
from laion_assets.probes.store import ProbeStore
from laion_assets.web.spec import WebSpec

_TELL_INTERVAL_S = 0.5
_FAREWELL_S = 5.0


def main() -> None:
    """Read the work, do it, tell how far it is."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    told = 0.0

    def tell(outcomes: Counter[str]) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_INTERVAL_S:
            told = time.monotonic()
            print(json.dumps(outcomes), flush=True)

    tell(Counter())
    final: Counter[str] = Counter()

    def tick(outcomes: Counter[str]) -> None:
        nonlocal final
        final = outcomes
        tell(outcomes)

    try:
        ask(
            job["urls"],
            web=WebSpec.model_validate(job["web"]),
            spec=ProbeSpec.model_validate(job["spec"]),
            store=ProbeStore(Lake(job["lake"]), job["asset"]),
            on_tick=tick,
        )
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(final), flush=True)
    # All is kept and said. Python would take itself apart for 0.4 s, as long as 2,000 probes take.
    os._exit(0)


def _leave_with_the_parent() -> None:
    sys.stdin.read()
    # Ends the event loop as Ctrl-C does, so that what was learned is kept.
    _thread.interrupt_main()
    time.sleep(_FAREWELL_S)
    os._exit(1)


if __name__ == "__main__":
    main()
