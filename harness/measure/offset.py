"""How far a container's clock is off ours, bounded by cause and effect.

A container that shares CLOCK_MONOTONIC with the harness is off by nothing, and then no exchange can show otherwise:
work begins after it was sent, and ends before its end is known. Where engine and harness have different kernels the
same two inequalities bound the offset from both sides, the tighter the quicker the exchanges. After Cristian,
Probabilistic Clock Synchronization (Distributed Computing 3, 1989), over many exchanges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Bounds of container time less ours, in nanoseconds, from so many exchanges."""

    low_ns: int
    high_ns: int
    exchanges: int

    @property
    def consistent(self) -> bool:
        """Whether one constant offset explains every exchange; if not, the clocks drift or jump."""
        return self.low_ns <= self.high_ns

    @property
    def shared(self) -> bool:
        """Whether one clock explains every exchange."""
        return self.low_ns <= 0 <= self.high_ns

    @property
    def value_ns(self) -> int:
        """The middle of the bounds."""
        return (self.low_ns + self.high_ns) // 2

    @property
    def error_ns(self) -> int:
        """Largest error that `value_ns` can have."""
        return abs(self.high_ns - self.low_ns) // 2


def bound(
    sent_ns: ArrayLike, started_ns: ArrayLike, ended_ns: ArrayLike, received_ns: ArrayLike
) -> ClockOffset | None:
    """Bounds from exchanges; `sent` and `received` by our clock, `started` and `ended` by the container's.

    All 1-D and equally long, in nanoseconds. None without an exchange.
    """
    sent, started, ended, received = (
        np.asarray(times, dtype=np.int64) for times in (sent_ns, started_ns, ended_ns, received_ns)
    )
    if not sent.size:
        return None
    return ClockOffset(int((ended - received).max()), int((started - sent).min()), int(sent.size))
