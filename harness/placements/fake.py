"""A placement with a known service law: the oracle for driver, analysis and statistics.

`servers` work through one queue, first come, first served; an item takes what `law` draws. With the clock of a loop
that has virtual time, hours of a queue are gone through in a second, and what comes out must be what queueing theory
says (`tests/placements/test_fake.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.placements.attempts import attempt
from harness.placements.base import Bench, Work
from harness.rows import Outcome

KIND = "fake"


@dataclass(frozen=True, slots=True)
class Stall:
    """A stretch in which nothing is begun: from `from_s` after the placement was opened, for `for_s`."""

    from_s: float
    for_s: float


@dataclass(slots=True)
class FakePlacement:
    """`servers` that take `law()` seconds an item; at most `places` items wait or are worked on, if it is given."""

    bench: Bench
    law: Callable[[], float]
    servers: int = 1
    places: int | None = None
    stall: Stall | None = None
    _inside: int = 0
    _opened_ns: int = 0
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.servers)

    async def open(self) -> None:
        """Note the time: a stall counts from here."""
        self._opened_ns = self.bench.clock.now_ns()

    async def run(self, work: Work) -> None:
        """Wait for a server, be served, and be recorded; throttled when every place is taken."""
        if self.places is not None and self._inside >= self.places:
            self._record(work, outcome=Outcome.THROTTLED, error="every place is taken")
            return
        self._inside += 1
        async with self._free:
            await self._sit_out_stall()
            began_ns = self.bench.clock.now_ns()
            await asyncio.sleep(self.law())
        self._inside -= 1
        took_s = (self.bench.clock.now_ns() - began_ns) / 1e9
        self._record(work, outcome=Outcome.OK, queue_s=(began_ns - work.sent_ns) / 1e9, work_s=took_s)

    async def close(self) -> None:
        """Nothing stands by."""

    async def _sit_out_stall(self) -> None:
        if self.stall is not None:
            since_s = (self.bench.clock.now_ns() - self._opened_ns) / 1e9 - self.stall.from_s
            if 0 <= since_s < self.stall.for_s:
                await asyncio.sleep(self.stall.for_s - since_s)

    def _record(self, work: Work, *, outcome: Outcome, work_s: float = 0.0, **known: Any) -> None:
        done_ns = self.bench.clock.now_ns()
        # The account of a workload, in the clock domain of a container: `from_monotonic` shifts by a constant.
        shift_ns = self.bench.clock.from_monotonic(0)
        ended_ns = done_ns - shift_ns
        result = {"started_ns": ended_ns - round(work_s * 1e9), "done_ns": ended_ns, "work_s": work_s}
        row = attempt(
            self.bench,
            work,
            KIND,
            outcome=outcome,
            done_ns=done_ns,
            result=result if outcome is Outcome.OK else None,
            container="fake",
            **known,
        )
        self.bench.recorder.attempt(row)
