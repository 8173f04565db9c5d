"""An interrupt is acted upon wherever it falls."""

import subprocess
import sys

import pytest

LOST = """
import signal, sys, time, weakref
from laion_assets.interrupts import keep_interrupts
{install}

class Thing: ...

thing = Thing()
watched = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
try:
    del thing  # the handler runs in the callback, and what it raises there is ignored
    time.sleep(3)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("install", "code"), [("keep_interrupts()", 130), ("", 0)], ids=["kept", "without it"])
def test_an_interrupt_that_falls_into_a_callback_is_not_lost(install: str, code: int) -> None:
    ran = subprocess.run([sys.executable, "-c", LOST.format(install=install)], capture_output=True, check=False)
    assert ran.returncode == code, ran.stderr


def test_what_else_is_ignored_is_reported_as_before() -> None:
    code = (
        "import weakref; from laion_assets.interrupts import keep_interrupts; keep_interrupts(); keep_interrupts()\n"
        "class Thing: ...\nthing = Thing(); watched = weakref.ref(thing, lambda _: 1 / 0); del thing"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ZeroDivisionError" in ran.stderr
