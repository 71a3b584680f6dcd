from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from harness.clock import RunClock
from harness.driver import drive
from harness.placements.base import Work
from harness.plan import PlannedPhase


@dataclass
class Listener:
    """A placement that notes what it is given, and takes `service_s` for each item."""

    service_s: float = 0.0
    got: list[Work] = field(default_factory=list)
    done: int = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, work: Work) -> None:
        self.got.append(work)
        await asyncio.sleep(self.service_s)
        self.done += 1


def phase(offsets_s: list[float]) -> PlannedPhase:
    return PlannedPhase("steady", tuple(f"{n}.jpg" for n in range(len(offsets_s))), np.array(offsets_s))


def test_every_item_is_handed_over_once_in_order_and_never_early() -> None:
    placement = Listener()
    start_ns = asyncio.run(drive(phase([0.0, 0.01, 0.01, 0.05]), placement, RunClock()))
    assert [work.sequence for work in placement.got] == [0, 1, 2, 3]
    assert [work.item for work in placement.got] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [round((work.due_ns - start_ns) / 1e9, 6) for work in placement.got] == [0.0, 0.01, 0.01, 0.05]
    assert all(work.sent_ns >= work.due_ns for work in placement.got)


def test_a_stalled_placement_does_not_delay_the_next_item() -> None:
    placement = Listener(service_s=0.5)
    asyncio.run(drive(phase([n * 0.01 for n in range(20)]), placement, RunClock()))
    sent_s = [work.sent_ns / 1e9 for work in placement.got]
    assert sent_s[-1] - sent_s[0] < 0.4, "the last item went out before the first answer came"
    assert placement.done == 20


def test_a_phase_without_items_ends_at_once() -> None:
    assert asyncio.run(drive(phase([]), Listener(), RunClock())) > 0


def test_what_a_placement_raises_ends_the_phase_and_cancels_the_rest() -> None:
    class Broken(Listener):
        async def run(self, work: Work) -> None:
            await super().run(work)
            if work.sequence == 1:
                raise RuntimeError("broken")

    placement = Broken(service_s=0.01)
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(drive(phase([0.0, 0.0, 0.0, 0.2]), placement, RunClock()))
    assert len(placement.got) <= 4


def test_cancelling_stops_handing_over() -> None:
    placement = Listener()

    async def cancelled() -> None:
        task = asyncio.create_task(drive(phase([0.0, 0.3, 0.3]), placement, RunClock()))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.4)

    asyncio.run(cancelled())
    assert len(placement.got) == 1
