"""Pacers wait for the intended moments, and call at each of them.

A thread keeps the time (it sleeps, then spins for the last stretch), because a timer of the event loop is late by the
loop's own work and by epoll's rounding up to whole milliseconds: `tests/benchmarks/test_driver.py` compares the two.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.clock import Clock
from harness.priority import prefer_this_thread

Moments = NDArray[np.int64]

# Sleeping ends late by the timer slack and a wake-up (50 to 100 us here), so the last stretch is spun instead; but of
# the time between two moments at most this share, so that at thousands a second the core has time for the work.
SPIN_NS = 150_000
SPIN_SHARE = 0.1


class Pacer(Protocol):
    """How the driver waits. `cpu_s` is the CPU time that waiting has taken so far."""

    cpu_s: float

    async def pace(self, moments_ns: Moments, call: Callable[[int, int], None]) -> None:
        """At each moment (UTC ns, ascending) `call(first, last)` in the event loop; return when all were called.

        Moments that are equal come in one call, as the half-open range of their indices. A moment that is past is
        called at once, and none is left out. Cancelling it stops the calls.
        """
        ...


class ThreadPacer:
    """Paces by a thread of its own; `cpu_s` is the CPU time of all its threads that have ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.cpu_s = 0.0

    async def pace(self, moments_ns: Moments, call: Callable[[int, int], None]) -> None:
        """See `Pacer`."""
        loop = asyncio.get_running_loop()
        # Named, so that it outlives the loop over it: freeing many would make the last call late.
        spans = groups(moments_ns)
        finished = loop.create_future()
        cancelled = threading.Event()

        def finish() -> None:
            if not finished.done():
                finished.set_result(None)

        def keep_time() -> None:
            prefer_this_thread()
            previous_ns = self._clock.now_ns()
            for first, last in spans:
                moment_ns = int(moments_ns[first])
                spin_ns = min(SPIN_NS, round((moment_ns - previous_ns) * SPIN_SHARE))
                self._sleep_until(moment_ns, spin_ns)
                if cancelled.is_set():
                    return
                loop.call_soon_threadsafe(call, first, last)
                previous_ns = moment_ns
            self.cpu_s += time.thread_time()
            loop.call_soon_threadsafe(finish)

        threading.Thread(target=keep_time, name="driver", daemon=True).start()
        try:
            await finished
        finally:
            cancelled.set()

    def _sleep_until(self, at_ns: int, spin_ns: int) -> None:
        """Sleep, then spin for the last `spin_ns`, yielding the interpreter lock at each turn."""
        while (left_ns := at_ns - self._clock.now_ns()) > 0:
            time.sleep((left_ns - spin_ns) / 1e9 if left_ns > spin_ns else 0)


class LoopPacer:
    """Paces by the event loop's own timers: exact on a loop with virtual time, late on a real one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.cpu_s = 0.0

    async def pace(self, moments_ns: Moments, call: Callable[[int, int], None]) -> None:
        """See `Pacer`."""
        for first, last in groups(moments_ns):
            await asyncio.sleep(max(0.0, (int(moments_ns[first]) - self._clock.now_ns()) / 1e9))
            call(first, last)


def groups(moments_ns: Moments) -> list[tuple[int, int]]:
    """Half-open index ranges of equal moments, in order."""
    if not len(moments_ns):
        return []
    bounds = [0, *(np.flatnonzero(np.diff(moments_ns)) + 1).tolist(), len(moments_ns)]
    return list(itertools.pairwise(bounds))
