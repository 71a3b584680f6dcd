"""The open-loop driver: hands over each item at its intended time, whatever the placement does.

It never waits for an answer before it sends the next item. What it cannot send, because `max_in_flight` items are out
already, it records as dropped: planned = ok + failed + dropped, exactly, and its memory is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.clock import Clock
from harness.pacer import Pacer
from harness.placements.base import Placement, Work
from harness.plan import PlannedPhase

# Between setting up a phase and its first item, so that the first is no later than the others.
LEAD_NS = 20_000_000


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives phases by one clock and one pacer, with at most `max_in_flight` items out at a time, one after another."""

    clock: Clock
    pacer: Pacer
    max_in_flight: int
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False, compare=False)

    def in_flight(self) -> int:
        """How many items are out now; from any thread."""
        return len(self._running)

    async def drive(self, phase: PlannedPhase, placement: Placement, drop: Callable[[Work], None]) -> int:
        """Hand over every item of the phase, and return when all are done: the phase's start, in UTC ns.

        Items due at the same instant are handed over together, in order; `drop` is called with each that found
        `max_in_flight` others out. Raises what a placement raises: an item's failure is none of it, for that is a row.
        """
        loop = asyncio.get_running_loop()
        start_ns = self.clock.now_ns() + LEAD_NS
        due_ns = start_ns + np.rint(phase.offsets_s * 1e9).astype(np.int64)
        running = self._running
        broken: asyncio.Future[None] = loop.create_future()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None and not broken.done():
                broken.set_exception(error)

        def hand_over(first: int, last: int) -> None:
            for index in range(first, last):
                work = Work(
                    item=phase.items[index],
                    sequence=index,
                    phase=phase.name,
                    due_ns=int(due_ns[index]),
                    sent_ns=self.clock.now_ns(),
                )
                if len(running) >= self.max_in_flight:
                    drop(work)
                    continue
                task = loop.create_task(placement.run(work))
                running.add(task)
                task.add_done_callback(ended)

        pacing = asyncio.ensure_future(self.pacer.pace(due_ns, hand_over))
        try:
            await _first_of(pacing, broken)
            while running:
                await _first_of(asyncio.ensure_future(asyncio.wait(set(running))), broken)
        finally:
            pacing.cancel()
            left = list(running)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            broken.cancel()
        return start_ns


async def _first_of(work: asyncio.Future[Any], broken: asyncio.Future[None]) -> None:
    """Wait for `work`, but no longer than until something broke; raises what did."""
    try:
        await asyncio.wait({work, broken}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            await broken
        await work
    finally:
        work.cancel()
