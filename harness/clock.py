"""The run's one clock: monotonic time, tied once to wall time.

Containers on the same host share CLOCK_MONOTONIC with the harness, so `from_monotonic` places their time stamps on
the run's time line without any offset. Where they do not (their engine runs in a virtual machine), `remote_offset_ns`
is what was estimated of it (`measure/offset.py`).
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as a run sees it; another one runs a test of minutes in milliseconds."""

    def now_ns(self) -> int:
        """UTC nanoseconds, never running backwards."""
        ...

    def from_monotonic(self, monotonic_ns: int) -> int:
        """UTC nanoseconds for a monotonic time stamp that a container has read."""
        ...


class RunClock:
    """CLOCK_MONOTONIC, shifted to UTC by an offset that is read once."""

    def __init__(self) -> None:
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        self.offset_ns = wall - (before + after) // 2
        self.remote_offset_ns = 0

    def now_ns(self) -> int:
        """UTC nanoseconds now."""
        return time.monotonic_ns() + self.offset_ns

    def from_monotonic(self, monotonic_ns: int) -> int:
        """UTC nanoseconds for a `time.monotonic_ns()` read in a container."""
        return monotonic_ns - self.remote_offset_ns + self.offset_ns


class LoopClock:
    """The time of the running event loop, which may be a virtual one; its origin is `EPOCH_NS`."""

    EPOCH_NS = 1_700_000_000_000_000_000

    def now_ns(self) -> int:
        """UTC nanoseconds now."""
        return self.from_monotonic(round(asyncio.get_running_loop().time() * 1e9))

    def from_monotonic(self, monotonic_ns: int) -> int:
        """UTC nanoseconds for a reading of the loop's time, in nanoseconds."""
        return monotonic_ns + self.EPOCH_NS
