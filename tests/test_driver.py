"""The open-loop driver: on a loop with virtual time where time matters, on a real one where threads do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.clock import LoopClock, RunClock
from harness.driver import Driver
from harness.pacer import LoopPacer, ThreadPacer, groups
from harness.placements.base import Bench, Placement, Work
from harness.placements.fake import FakePlacement, Stall
from tests import virtual
from tests.fakes import NO_LIMIT, a_phase, in_virtual_time


@dataclass
class Listener:
    """A placement that notes what it is given, and takes `service_s` for each item."""

    service_s: float = 0.0
    got: list[Work] = field(default_factory=list)
    done: int = 0
    dropped: list[int] = field(default_factory=list)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, work: Work) -> None:
        self.got.append(work)
        await asyncio.sleep(self.service_s)
        self.done += 1

    def drop(self, work: Work) -> None:
        self.dropped.append(work.sequence)


async def drive(offsets_s: list[float], placement: Listener, max_in_flight: int = NO_LIMIT) -> int:
    """By a thread, in real time."""
    clock = RunClock()
    driver = Driver(clock, ThreadPacer(clock), max_in_flight)
    return await driver.drive(a_phase(offsets_s), placement, placement.drop)


def test_every_item_is_handed_over_once_in_order_and_never_early() -> None:
    placement = Listener()
    start_ns = asyncio.run(drive([0.0, 0.01, 0.01, 0.05], placement))
    assert [work.sequence for work in placement.got] == [0, 1, 2, 3]
    assert [work.item for work in placement.got] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [round((work.due_ns - start_ns) / 1e9, 6) for work in placement.got] == [0.0, 0.01, 0.01, 0.05]
    assert all(work.sent_ns >= work.due_ns for work in placement.got)


def test_the_pacing_thread_tells_its_own_cpu_time() -> None:
    clock = RunClock()
    pacer = ThreadPacer(clock)
    placement = Listener()
    asyncio.run(Driver(clock, pacer, NO_LIMIT).drive(a_phase([0.0, 0.02]), placement, placement.drop))
    assert 0 < pacer.cpu_s < 0.1


def test_a_slow_placement_does_not_delay_the_next_item() -> None:
    placement = Listener(service_s=0.5)
    asyncio.run(drive([n * 0.01 for n in range(20)], placement))
    sent_s = [work.sent_ns / 1e9 for work in placement.got]
    assert sent_s[-1] - sent_s[0] < 0.4, "the last item went out before the first answer came"
    assert placement.done == 20


def test_a_phase_without_items_ends_at_once() -> None:
    assert asyncio.run(drive([], Listener())) > 0


def test_what_a_placement_raises_ends_the_phase_at_once_and_cancels_the_rest() -> None:
    class Broken(Listener):
        async def run(self, work: Work) -> None:
            await super().run(work)
            if work.sequence == 1:
                raise RuntimeError("broken")

    placement = Broken(service_s=0.01)
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(asyncio.wait_for(drive([0.0, 0.0, 0.0, 20.0], placement), 10))
    assert len(placement.got) == 3


def test_cancelling_stops_handing_over() -> None:
    placement = Listener()

    async def cancelled() -> None:
        task = asyncio.create_task(drive([0.0, 0.3, 0.3], placement))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.4)

    asyncio.run(cancelled())
    assert len(placement.got) == 1


def stalled(bench: Bench) -> Placement:
    return FakePlacement(bench, law=lambda: 0.0, servers=NO_LIMIT, stall=Stall(3.0, 1.0))


def test_a_stall_shows_in_full_as_latency() -> None:
    """100 a second for 10 s, one second of it stalled: true p95 500 ms and p99 900 ms (hey says 3.8 ms)."""
    rows = in_virtual_time(stalled, np.arange(1000) / 100)
    assert len(rows) == 1000
    assert rows["latency_s"].quantile(0.95) == pytest.approx(0.5, abs=0.025)
    assert rows["latency_s"].quantile(0.99) == pytest.approx(0.9, abs=0.025)
    assert rows["latency_s"].max() == pytest.approx(1.0, abs=0.025)
    assert ((rows["sent_ns"] - rows["due_ns"]) <= 1000).all(), "the driver kept sending"


def test_a_closed_loop_would_have_hidden_that_stall() -> None:
    """One item out at a time and latency from the send, as closed-loop tools do: the trap in figures."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        took_s = []
        while loop.time() - begun_s < 10:
            sent_s = loop.time()
            since_s = sent_s - begun_s - 3.0
            await asyncio.sleep(1.0 - since_s if 0 <= since_s < 1.0 else 0.0)
            took_s.append(loop.time() - sent_s)
            await asyncio.sleep(0.01)
        return took_s

    assert pd.Series(virtual.run(main())).quantile(0.99) < 0.01


@given(
    st.lists(st.floats(0, 2), min_size=1, max_size=60),
    st.integers(1, 8),
    st.integers(1, 4),
    st.floats(0, 0.5),
)
@settings(max_examples=60, deadline=None)
def test_planned_is_ok_and_failed_and_dropped_exactly(
    offsets_s: list[float], max_in_flight: int, servers: int, service_s: float
) -> None:
    def make(bench: Bench) -> Placement:
        return FakePlacement(bench, law=lambda: service_s, servers=servers, places=servers + 1)

    rows = in_virtual_time(make, np.sort(offsets_s), max_in_flight)
    assert sorted(rows["sequence"]) == list(range(len(offsets_s)))
    assert set(rows["outcome"]) <= {"ok", "throttled", "dropped"}
    started = rows[rows["outcome"] != "dropped"]
    for moment_ns in started["sent_ns"]:
        out = ((started["sent_ns"] <= moment_ns) & (moment_ns < started["done_ns"])).sum()
        assert out <= max_in_flight


def test_past_the_limit_in_flight_items_are_dropped_and_said_to_be() -> None:
    placement = Listener(service_s=0.2)
    asyncio.run(drive([0.0] * 5 + [0.4], placement, max_in_flight=3))
    assert placement.dropped == [3, 4]
    assert [work.sequence for work in placement.got] == [0, 1, 2, 5]


@pytest.mark.parametrize("pacer", [ThreadPacer, LoopPacer])
def test_moments_that_are_past_are_called_at_once_and_none_is_left_out(
    pacer: type[ThreadPacer] | type[LoopPacer],
) -> None:
    called: list[tuple[int, int]] = []

    async def main() -> None:
        clock = RunClock()
        now_ns = clock.now_ns()
        moments_ns = np.array(
            [now_ns - 2_000_000, now_ns - 1_000_000, now_ns - 1_000_000, now_ns + 1_000_000]
        )
        await pacer(clock).pace(moments_ns, lambda first, last: called.append((first, last)))

    asyncio.run(main())
    assert called == [(0, 1), (1, 3), (3, 4)]


@given(st.lists(st.integers(0, 20), max_size=50).map(sorted))
def test_groups_are_the_runs_of_equal_moments(moments: list[int]) -> None:
    found = groups(np.array(moments, dtype=np.int64))
    assert [index for first, last in found for index in range(first, last)] == list(range(len(moments)))
    assert [moments[first] for first, _ in found] == sorted(set(moments))


def test_the_loop_clock_is_the_loops_time() -> None:
    async def main() -> int:
        clock = LoopClock()
        before_ns = clock.now_ns()
        await asyncio.sleep(3600)
        return clock.now_ns() - before_ns

    assert virtual.run(main()) == 3600 * 10**9
