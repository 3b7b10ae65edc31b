"""How long threads that wait for each other spin before they sleep.

OpenMP's spin for some milliseconds. On cores of their own that is the fastest way to wait; where another program wants the core
of one of them, the other burns its share of time in waiting, and a run takes many times as long: on two cores that two programs
kept busy, the demonstration was half done after 150 seconds; it took 110 where threads sleep soon, which makes a training step
on a quiet machine a sixth slower.
"""

from __future__ import annotations

import os
import sys

SPIN, BRIEFLY = "GOMP_SPINCOUNT", "2000"
"""The variable that GNU's OpenMP reads when it is loaded, and a count of about a tenth of a millisecond."""

_LOOK = 0.1  # seconds
_BUSY = 50.0  # per cent of one core


def spin_briefly_beside_others() -> None:
    """Let threads sleep soon where other programs keep at least half a core busy; what the user has set stands.

    In vain once torch is loaded, so nothing is looked at then. To be called where this process does nothing else meanwhile.
    """
    if SPIN in os.environ or "torch" in sys.modules:
        return
    import psutil

    if psutil.cpu_percent(_LOOK) * (os.cpu_count() or 1) >= _BUSY:
        os.environ[SPIN] = BRIEFLY
