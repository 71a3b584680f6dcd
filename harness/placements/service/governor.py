"""What looks at the tasks of a service every so often: auto scaling, and the credits of bursting instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.engines.base import EngineError
from harness.measure.usage import Usage
from harness.placements.attempts import cpu_between
from harness.placements.base import Bench
from harness.placements.service.burst import BurstCredits
from harness.placements.service.containers import MB, TaskContainer
from harness.placements.service.control import Service
from harness.placements.service.scaling import TargetTracking
from harness.scenario import ServiceSettings
from harness.scenario.service import LIGHTSAIL, ScalingSettings
from harness.sizes import Size

BURST_PERIOD_S = 0.2
S_PER_MINUTE = 60.0

# What each task has used so far; None where nobody can tell.
Readings = Mapping[str, Usage | None]


@dataclass(slots=True)
class _Instance:
    """One that bursts: what it has saved, how many vCPUs it may use, and what it has used so far."""

    credits: BurstCredits
    allowed_vcpu: float
    used_s: float = 0.0
    has_been_read: bool = False
    # That nothing holds it to its limit, or did so the last time.
    told: bool = False


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
            value = metric(
                scaling.metric, self._settings.task_size, readings, now, now_s - read_s, asked - requests
            )
            read_s, readings, requests = now_s, now, asked
            # As on AWS: nothing is taken away while a deployment is in progress.
            decision = tracking.observe(
                now_s, value, self._service.desired, may_go_in=not self._service.in_progress
            )
            if decision is not None:
                self._bench.event("scaled", running=len(self._service.running), **asdict(decision))
                self._service.scale(decision.after)

    def _readings(self) -> Readings:
        running = {task.name for task in self._service.running}
        return {name: each.full_usage() for name, each in self._containers.items() if name in running}

    async def _burst(self, baseline_vcpu: float) -> None:
        """Give each task its whole vCPUs, or its baseline, as its credits allow."""
        vcpu, settings = self._settings.vcpu, self._settings.burst
        instances: dict[str, _Instance] = {}
        loop = asyncio.get_running_loop()
        read_s = loop.time()
        while True:
            await asyncio.sleep(BURST_PERIOD_S)
            now_s = loop.time()
            for name in [task.name for task in self._service.running]:
                if name not in instances:
                    saved = BurstCredits(vcpu, baseline_vcpu, settings.start_vcpu_s, settings.most_vcpu_s)
                    instances[name] = _Instance(saved, vcpu)
                await self._account(self._containers[name], instances[name], now_s - read_s)
            read_s = now_s

    async def _account(self, container: TaskContainer, own: _Instance, seconds: float) -> None:
        """Charge what it has used meanwhile, and hold it to what it may use from now on."""
        usage = container.usage() or await asyncio.to_thread(container.full_usage)
        if usage is None or usage.cpu_s is None:
            if not own.has_been_read:  # one that was read before has ended
                self._tell_free(container, own, reason="what it uses cannot be read here")
            return
        own.has_been_read = True
        vcpu = own.credits.spend(usage.cpu_s - own.used_s, seconds)
        own.used_s = usage.cpu_s
        if vcpu != own.allowed_vcpu and await self._limit(container, own, vcpu):
            own.allowed_vcpu = vcpu

    async def _limit(self, container: TaskContainer, own: _Instance, vcpu: float) -> bool:
        """Have the kernel hold it to so many vCPUs; False where that is to be tried again."""
        try:
            held = await container.launched.container.limit_cpu(vcpu)
        except EngineError as error:
            if not container.ended.done():
                self._tell_free(container, own, vcpu=vcpu, reason=str(error))
            return False
        if held:
            own.told = False
            saved_vcpu_s = max(0.0, own.credits.balance_vcpu_s)
            kind = "burst_restored" if own.credits.bursting else "burst_limited"
            self._bench.event(kind, container.name, vcpu=vcpu, assumed_credits_vcpu_s=saved_vcpu_s)
        else:
            self._tell_free(container, own, vcpu=vcpu, reason="nothing here limits a container's CPU")
        return True

    def _tell_free(self, container: TaskContainer, own: _Instance, **detail: Any) -> None:
        """Nothing holds it to its limit: what is recorded once, and not each time that it is tried."""
        if not own.told:
            own.told = True
            self._bench.event("burst_not_enforced", container.name, **detail)


def metric(
    name: Literal["cpu", "memory", "requests"],
    size: Size,
    before: Readings,
    after: Readings,
    seconds: float,
    requests: int,
) -> float | None:
    """The mean over the tasks that ran all the period, as shares of a task's size; None where it cannot be told.

    Memory is without the page cache, as ECS's agent reports it; where that is not known apart it is all of it.
    """
    both = [(before[task], after[task]) for task in after if task in before]
    if name == "requests":
        return requests / seconds * S_PER_MINUTE / len(both) if both else None
    if name == "memory":
        used = [_memory_bytes(late) for _, late in both]
        whole = float(size.memory_mb * MB)
    else:
        used = [cpu_between(early, late) for early, late in both]
        whole = size.vcpu * seconds
    known = [each for each in used if each is not None]
    return sum(known) / whole / len(known) if known else None


def _memory_bytes(usage: Usage | None) -> float | None:
    if usage is None or usage.memory_anonymous_bytes is None:
        return usage.memory_bytes if usage else None
    return usage.memory_anonymous_bytes
