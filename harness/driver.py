"""The open-loop driver: hands over each item at its intended time, whatever the placement does.

A thread of its own keeps the time (it sleeps, then spins for the last stretch), because a timer of the event loop is
late by the loop's own work. Handing over is one call into the loop, and never waits for an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import threading

from harness.clock import Clock
from harness.placements.base import Placement, Work
from harness.plan import PlannedPhase
from harness.priority import prefer_this_thread

# Between setting up a phase and its first item, so that the first is no later than the others.
LEAD_NS = 20_000_000


async def drive(phase: PlannedPhase, placement: Placement, clock: Clock) -> int:
    """Hand over every item of the phase, and return when all are done: the phase's start, in UTC ns.

    Items due at the same instant are handed over together, in order. Raises what a placement raises: an item's
    failure is none of it, since that is a row.
    """
    loop = asyncio.get_running_loop()
    start_ns = clock.now_ns() + LEAD_NS
    due_ns = [start_ns + round(offset_s * 1e9) for offset_s in phase.offsets_s]
    running: list[asyncio.Task[None]] = []
    all_sent = loop.create_future()
    cancelled = threading.Event()

    def hand_over(indices: list[int]) -> None:
        for index in indices:
            work = Work(
                item=phase.items[index],
                sequence=index,
                phase=phase.name,
                due_ns=due_ns[index],
                sent_ns=clock.now_ns(),
            )
            running.append(loop.create_task(placement.run(work)))

    def finish() -> None:
        if not all_sent.done():
            all_sent.set_result(None)

    def keep_time() -> None:
        prefer_this_thread()
        for moment_ns, indices in itertools.groupby(range(len(due_ns)), key=due_ns.__getitem__):
            clock.sleep_until(moment_ns)
            if cancelled.is_set():
                return
            loop.call_soon_threadsafe(hand_over, list(indices))
        loop.call_soon_threadsafe(finish)

    threading.Thread(target=keep_time, name="driver", daemon=True).start()
    try:
        await all_sent
        await asyncio.gather(*running)
    except BaseException:
        cancelled.set()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
    return start_ns
