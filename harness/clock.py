"""The run's one clock: monotonic time, tied once to wall time.

Containers on the same host share CLOCK_MONOTONIC with the harness, so `from_monotonic` places their time stamps on
the run's time line without any offset.
"""

from __future__ import annotations

import time
from typing import Protocol

# Sleeping ends late by the timer slack and a wake-up (50 to 100 us here), so the last stretch is spun instead.
SPIN_NS = 150_000


class Clock(Protocol):
    """What the driver needs of time; a fake one runs a test of minutes in milliseconds."""

    def now_ns(self) -> int:
        """UTC nanoseconds, never running backwards."""
        ...

    def sleep_until(self, at_ns: int) -> None:
        """Block the calling thread until `at_ns`; return at once if it is past."""
        ...


class RunClock:
    """CLOCK_MONOTONIC, shifted to UTC by an offset that is read once."""

    def __init__(self) -> None:
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        self.offset_ns = wall - (before + after) // 2

    def now_ns(self) -> int:
        """UTC nanoseconds now."""
        return time.monotonic_ns() + self.offset_ns

    def from_monotonic(self, monotonic_ns: int) -> int:
        """UTC nanoseconds for a `time.monotonic_ns()` read anywhere on this host."""
        return monotonic_ns + self.offset_ns

    def sleep_until(self, at_ns: int) -> None:
        """Sleep, then spin for the last 150 us, yielding the interpreter lock at each turn."""
        while (left_ns := at_ns - self.now_ns()) > 0:
            time.sleep((left_ns - SPIN_NS) / 1e9 if left_ns > SPIN_NS else 0)
