"""Lets the threads that keep the time run before others that want a core.

On two cores the driver otherwise waits for a time slice of a busy container, 2 to 4 ms on current kernels, and is late
by as much. Source: sched(7), "Real-time policies"; it takes root or CAP_SYS_NICE, and Linux.
"""

from __future__ import annotations

import os


def prefer_this_thread() -> bool:
    """Put the calling thread before all ordinary ones; False where that is not allowed or not possible.

    Threads and processes that it starts are ordinary again, so that nothing measured gains from it.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except (OSError, AttributeError):
        return False
    return True


def make_this_thread_ordinary() -> None:
    """Undo `prefer_this_thread`."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
