"""What looks at the tasks of a service every so often: auto scaling, and the credits of bursting instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict

from harness.engines.base import EngineError
from harness.measure.usage import Usage
from harness.placements.base import Bench
from harness.placements.service.burst import BurstCredits
from harness.placements.service.containers import TaskContainer
from harness.placements.service.control import Service
from harness.placements.service.scaling import TargetTracking
from harness.scenario import ServiceSettings
from harness.scenario.service import LIGHTSAIL, ScalingSettings

BURST_PERIOD_S = 0.2
MB = 1024 * 1024
S_PER_MINUTE = 60.0


class Governor:
    """Of one service: what its settings ask to be watched."""

    def __init__(
        self,
        bench: Bench,
        settings: ServiceSettings,
        service: Service,
        containers: Mapping[str, TaskContainer],
    ) -> None:
        self._bench = bench
        self._settings = settings
        self._service = service
        self._containers = containers

    def start(self, given: Callable[[], int]) -> list[asyncio.Task[None]]:
        """Begin; `given` says how many requests there were so far."""
        started = []
        if self._settings.scaling is not None:
            started.append(asyncio.create_task(self._scale(self._settings.scaling, given)))
        if self._settings.bundle is not None:
            bundle = LIGHTSAIL[self._settings.compute][self._settings.bundle]
            if bundle.baseline < 1:
                started.append(asyncio.create_task(self._burst(bundle.size.vcpu * bundle.baseline)))
        return started

    async def _scale(self, scaling: ScalingSettings, given: Callable[[], int]) -> None:
        """Read the metric once a period, and do what target tracking decides."""
        tracking = TargetTracking(scaling, self._settings.time_scale)
        loop = asyncio.get_running_loop()
        read_s, readings, requests = loop.time(), self._readings(), given()
        while True:
            await asyncio.sleep(scaling.period_s * self._settings.time_scale)
            now_s, now, asked = loop.time(), self._readings(), given()
            value = self._metric(scaling, readings, now, now_s - read_s, asked - requests)
            read_s, readings, requests = now_s, now, asked
            # As on AWS: nothing is taken away while a deployment is in progress.
            decision = tracking.observe(
                now_s, value, self._service.desired, may_go_in=not self._service.in_progress
            )
            if decision is not None:
                self._bench.event("scaled", running=len(self._service.running), **asdict(decision))
                self._service.scale(decision.after)

    def _metric(
        self,
        scaling: ScalingSettings,
        before: Mapping[str, Usage],
        after: Mapping[str, Usage],
        seconds: float,
        requests: int,
    ) -> float | None:
        """The mean over the tasks that ran all the period, as shares of a task's size; None where there was none."""
        size = self._settings.task_size
        both = [(before[name], after[name]) for name in after if name in before]
        if not both:
            return None
        if scaling.metric == "requests":
            return requests / seconds * S_PER_MINUTE / len(both)
        if scaling.metric == "memory":
            limit_bytes = size.memory_mb * MB
            return sum((late.memory_bytes or 0) / limit_bytes for _, late in both) / len(both)
        used_s = sum((late.cpu_s or 0.0) - (early.cpu_s or 0.0) for early, late in both)
        return used_s / seconds / size.vcpu / len(both)

    def _readings(self) -> dict[str, Usage]:
        running = {task.name for task in self._service.running}
        found = {name: each.full_usage() for name, each in self._containers.items() if name in running}
        return {name: usage for name, usage in found.items() if usage is not None}

    async def _burst(self, baseline_vcpu: float) -> None:
        """Give each task its whole vCPUs, or its baseline, as its credits allow."""
        settings = self._settings.burst
        credits: dict[str, BurstCredits] = {}
        allowed: dict[str, float] = {}
        used: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        read_s = loop.time()
        while True:
            await asyncio.sleep(BURST_PERIOD_S)
            now_s = loop.time()
            for name in [task.name for task in self._service.running]:
                container = self._containers[name]
                usage = container.usage()
                if usage is None or usage.cpu_s is None:
                    continue
                own = credits.setdefault(
                    name,
                    BurstCredits(
                        self._settings.vcpu, baseline_vcpu, settings.start_vcpu_s, settings.most_vcpu_s
                    ),
                )
                vcpu = own.spend(usage.cpu_s - used.get(name, 0.0), now_s - read_s)
                used[name] = usage.cpu_s
                if vcpu != allowed.get(name, self._settings.vcpu):
                    allowed[name] = vcpu
                    await self._limit(container, vcpu, own)
            read_s = now_s

    async def _limit(self, container: TaskContainer, vcpu: float, credits: BurstCredits) -> None:
        """Have the kernel hold it to so many vCPUs; where nothing does, that is what is recorded."""
        try:
            done = await container.launched.container.limit_cpu(vcpu)
        except EngineError:  # it has ended meanwhile
            return
        kind = "burst_restored" if credits.bursting else "burst_limited"
        self._bench.event(
            kind if done else "burst_not_enforced",
            container.name,
            vcpu=vcpu,
            assumed_credits_vcpu_s=max(0.0, credits.balance_vcpu_s),
        )
