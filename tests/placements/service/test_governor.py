"""What looks at tasks every so often: its readings, its decisions, and what it tells of limits that do not hold."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.clock import LoopClock
from harness.engines.base import EngineError
from harness.measure.usage import Usage
from harness.placements.service import governor
from harness.placements.service.governor import Governor, metric
from harness.sizes import Size
from tests import virtual
from tests.fakes import Ledger, a_bench
from tests.placements.service.lab import settings

SIZE = Size(0.5, 1024)
GB = 2**30


def of(**readings: Usage | None) -> dict[str, Usage | None]:
    return readings


def used(cpu_s: float | None = None, anonymous: int | None = None, memory: int | None = None) -> Usage:
    return Usage(cpu_s=cpu_s, memory_anonymous_bytes=anonymous, memory_bytes=memory)


def test_cpu_is_the_mean_share_of_the_tasks_that_ran_all_the_period() -> None:
    before, after = of(a=used(1.0), b=used(5.0)), of(a=used(3.0), b=used(6.0), new=used(9.0))
    assert metric("cpu", SIZE, before, after, 10.0, 0) == pytest.approx((0.4 + 0.2) / 2)


@pytest.mark.parametrize("unknown", [None, used(None)])
def test_a_task_that_cannot_be_read_is_left_out(unknown: Usage | None) -> None:
    before, after = of(a=used(1.0), b=used(5.0)), of(a=used(3.0), b=unknown)
    assert metric("cpu", SIZE, before, after, 10.0, 0) == pytest.approx(0.4)
    assert metric("cpu", SIZE, of(b=used(1.0)), of(b=unknown), 10.0, 0) is None
    assert metric("memory", SIZE, before, of(a=used(anonymous=GB // 2), b=unknown), 10.0, 0) == 0.5


def test_memory_is_without_the_page_cache_where_that_is_known() -> None:
    before = of(a=used(), b=used())
    after = of(a=used(anonymous=GB // 4, memory=GB), b=used(memory=GB // 2))
    assert metric("memory", SIZE, before, after, 10.0, 0) == pytest.approx((0.25 + 0.5) / 2)


def test_requests_are_a_minute_and_a_task_whether_or_not_tasks_can_be_read() -> None:
    assert metric("requests", SIZE, of(a=None, b=used()), of(a=None, b=used()), 30.0, 50) == 50.0
    assert metric("requests", SIZE, {}, of(new=used()), 30.0, 50) is None


@dataclass
class FakeTask:
    """A task and its container in one, which uses `vcpu` whatever it may, and whose limit is set as `limit` says."""

    name: str = "task0"
    readable: bool = True
    vcpu: float = 2.0
    limit: Callable[[], bool] = lambda: True
    limits: list[float] = field(default_factory=list)
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def launched(self) -> FakeTask:
        return self

    container = launched

    def usage(self) -> Usage | None:
        return Usage(cpu_s=self.vcpu * asyncio.get_running_loop().time()) if self.readable else None

    def full_usage(self) -> Usage | None:
        return self.usage()

    async def limit_cpu(self, vcpu: float) -> bool:
        done = self.limit()
        self.limits.append(vcpu)
        return done


@dataclass
class FakeService:
    running: list[FakeTask]
    desired: int = 4
    in_progress: bool = False
    scaled: list[tuple[float, int]] = field(default_factory=list)

    def scale(self, desired: int) -> None:
        self.desired = desired
        self.scaled.append((asyncio.get_running_loop().time(), desired))


def govern(
    body: Callable[[FakeService], Coroutine[Any, Any, None]],
    run: Callable[[Coroutine[Any, Any, None]], None] = virtual.run,
    **changes: Any,
) -> Ledger:
    """What a governor of one task recorded while `body` was carried out."""
    ledger = Ledger()

    async def main() -> None:
        task = FakeTask()
        service = FakeService([task])
        own = Governor(a_bench(ledger, LoopClock()), settings(**changes), service, {task.name: task})  # type: ignore[arg-type,dict-item]
        started = own.start(lambda: 0)
        await body(service)
        for each in started:
            each.cancel()
        gone = await asyncio.gather(*started, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in gone), gone

    run(main())
    return ledger


def test_nothing_is_taken_away_while_a_deployment_is_in_progress() -> None:
    async def body(service: FakeService) -> None:
        service.in_progress = True
        await asyncio.sleep(20.5 * 60)
        assert service.scaled == []
        service.in_progress = False
        await asyncio.sleep(60)
        assert service.scaled == [(21 * 60.0, 1)]

    scaling = {"metric": "requests", "target": 100, "max_tasks": 4}
    govern(body, tasks=4, scaling=scaling)


LIGHTSAIL: dict[str, Any] = {
    "tasks": 1, "compute": "LIGHTSAIL_INSTANCES", "bundle": "nano", "memory_mb": 400, "vcpu": 2,
    "burst": {"start_vcpu_s": 1.8},
}  # fmt: skip


def reasons(ledger: Ledger) -> list[str]:
    return [json.loads(event.detail)["reason"] for event in ledger.kinds("burst_not_enforced")]


def test_a_limit_that_is_refused_is_tried_again_and_told_of_once() -> None:
    tries = itertools.count()

    def refused_at_first() -> bool:
        if next(tries) < 5:
            raise EngineError("the daemon is busy")
        return True

    async def body(service: FakeService) -> None:
        service.running[0].limit = refused_at_first
        await asyncio.sleep(5)
        assert service.running[0].limits == [0.1]

    ledger = govern(body, **LIGHTSAIL)
    assert reasons(ledger) == ["the daemon is busy"]
    (limited,) = ledger.kinds("burst_limited")
    assert json.loads(limited.detail)["vcpu"] == pytest.approx(0.1)


def test_where_nothing_limits_the_cpu_that_is_told_of_once() -> None:
    async def body(service: FakeService) -> None:
        service.running[0].limit = lambda: False
        await asyncio.sleep(5)

    assert reasons(govern(body, **LIGHTSAIL)) == ["nothing here limits a container's CPU"]


def test_what_cannot_be_read_is_told_of_once_for_it_is_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governor, "BURST_PERIOD_S", 0.01)  # threads and virtual time do not mix

    async def body(service: FakeService) -> None:
        service.running[0].readable = False
        await asyncio.sleep(0.3)
        assert service.running[0].limits == []

    assert reasons(govern(body, asyncio.run, **LIGHTSAIL)) == ["what it uses cannot be read here"]


def test_what_is_read_in_full_alone_is_limited_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governor, "BURST_PERIOD_S", 0.01)

    async def body(service: FakeService) -> None:
        (task,) = service.running
        task.readable = False
        task.full_usage = lambda: Usage(cpu_s=5.0)  # type: ignore[method-assign]
        await asyncio.sleep(0.3)
        assert task.limits == [0.1]

    assert len(govern(body, asyncio.run, **LIGHTSAIL).kinds("burst_limited")) == 1


def test_a_task_that_has_ended_is_not_told_of() -> None:
    async def body(service: FakeService) -> None:
        (task,) = service.running
        task.readable = True

        def gone() -> bool:
            task.ended.set_result(None)
            raise EngineError("no such container")

        task.limit = gone
        await asyncio.sleep(1.0)
        service.running.clear()

    ledger = govern(body, **LIGHTSAIL)
    assert ledger.kinds("burst_not_enforced") == ledger.kinds("burst_limited") == []
