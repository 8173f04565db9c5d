"""An interrupt that falls where Python ignores exceptions is sent again instead of being lost.

Python runs the handler of a signal between any two steps of the main thread, also inside callbacks of weak
references and in finalizers, and an exception raised there is reported and forgotten. SQLAlchemy has many: of 40
Ctrl-C while a run wrote its events to SQLite, 3 were lost, and the run went on to its end.
"""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from dagster import DagsterExecutionInterruptedError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Enough to be out of the callback; a person notices no difference.
_AGAIN_AFTER_S = 0.05


def keep_interrupts() -> None:
    """In this process, send SIGINT again when what its handler raised was ignored."""
    if sys.unraisablehook is not _look:
        global _report  # noqa: PLW0603 (whom the process told before)
        _report = sys.unraisablehook
        sys.unraisablehook = _look


def _look(unraisable: "UnraisableHookArgs") -> None:
    if issubclass(unraisable.exc_type, (KeyboardInterrupt, DagsterExecutionInterruptedError)):
        again = threading.Timer(_AGAIN_AFTER_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        _report(unraisable)


_report = sys.__unraisablehook__
