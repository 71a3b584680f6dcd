"""A control plane on virtual time, with jobs that end by script in place of containers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from harness.clock import LoopClock
from harness.engines.base import EngineError, Exit
from harness.placements.batch.control import Batch
from harness.placements.batch.definition import JobDefinition, parse
from harness.placements.batch.jobs import AnyJob, Job, Submission
from harness.placements.batch.states import State
from harness.placements.capacity import (
    ComputeEnvironment,
    EnvironmentSettings,
    Instance,
    InstanceType,
)
from tests import virtual

KILLED, TERMINATED = 137, 143


@dataclass
class Script:
    """What each attempt at a job does: how long it takes, and its exit code; the last counts for all later ones."""

    took_s: float = 1.0
    codes: tuple[int, ...] = (0,)
    heeds_sigterm: bool = True
    cannot_start: bool = False


class FakeRunning:
    def __init__(self, script: Script, code: int, number: int) -> None:
        self.container = f"container-{number}"
        self._ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._script = script
        self._timer = asyncio.get_running_loop().call_later(script.took_s, self._end, code)
        self.stops: list[float] = []

    async def wait(self) -> Exit:
        return await self._ended

    async def stop(self, grace_s: float) -> None:
        self.stops.append(grace_s)
        if self._script.heeds_sigterm and grace_s > 0:
            self._end(TERMINATED)
        else:
            await asyncio.sleep(grace_s)
            self._end(KILLED)

    def let_go(self) -> None: ...

    def _end(self, code: int) -> None:
        self._timer.cancel()
        if not self._ended.done():
            self._ended.set_result(Exit(code=code, out_of_memory=False))


@dataclass
class Lab:
    """`scripts` by job name; `trace` has every state of every job, with its time."""

    scripts: dict[str, Script] = field(default_factory=lambda: defaultdict(Script))
    trace: list[tuple[float, AnyJob, State, str]] = field(default_factory=list)
    instances: list[tuple[float, str, str]] = field(default_factory=list)
    running: set[Job] = field(default_factory=set)
    most_vcpu: float = 0.0
    held_s: float = 0.0
    startings: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.batch = Batch(self, LoopClock(), self)

    async def start(self, job: Job, instance: Instance) -> FakeRunning:
        await asyncio.sleep(0)
        script = self.scripts[job.submission.name]
        if script.cannot_start:
            raise EngineError("no such image")
        self.startings.append((self.now_s, job.id))
        number = len(job.attempts)
        return FakeRunning(script, script.codes[min(number, len(script.codes) - 1)], number)

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def job(self, job: AnyJob, state: State, reason: str) -> None:
        self.trace.append((self.now_s, job, state, reason))
        if isinstance(job, Job):
            if state is State.STARTING:
                self.running.add(job)
            elif state in {State.SUCCEEDED, State.FAILED, State.RUNNABLE}:
                self.running.discard(job)
            self.most_vcpu = max(self.most_vcpu, sum(each.vcpu for each in self.running))

    def instance(self, environment: ComputeEnvironment, instance: Instance) -> None:
        self.instances.append((self.now_s, instance.id, instance.state))

    def attempt(self, job: Job, instance: Instance, held_s: float) -> None:
        self.held_s += held_s

    def states(self, job: AnyJob) -> list[State]:
        return [state for _, each, state, _ in self.trace if each is job]

    def when(self, job: AnyJob, state: State) -> list[float]:
        return [at_s for at_s, each, found, _ in self.trace if each is job and found is state]


def fargate(max_vcpu: float = 4.0, **more: Any) -> EnvironmentSettings:
    return EnvironmentSettings(name="fargate", kind="FARGATE", max_vcpu=max_vcpu, **more)


def ec2(max_vcpu: float = 8.0, **more: Any) -> EnvironmentSettings:
    types = (InstanceType("small", 2, 4096), InstanceType("large", 4, 8192))
    return EnvironmentSettings(**{"name": "ec2", "kind": "EC2", "max_vcpu": max_vcpu, "types": types, **more})


def definition(**more: Any) -> JobDefinition:
    container = {
        "image": "busybox", "command": ["true"],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
    }  # fmt: skip
    return parse({"jobDefinitionName": "work", "type": "container", "containerProperties": container} | more)


def a_job(name: str = "job", **more: Any) -> Submission:
    chosen = {"queue": "queue", "definition": more.pop("definition", None) or definition(), **more}
    return Submission(name=name, **chosen)


def on_batch(
    check: Callable[[Lab], Coroutine[Any, Any, None]],
    *environments: EnvironmentSettings,
    scripts: dict[str, Script] | None = None,
) -> Lab:
    """Run a check against a control plane with one queue over these environments."""

    async def main() -> Lab:
        lab = Lab()
        lab.scripts.update(scripts or {})
        for settings in environments or (fargate(),):
            lab.batch.add_environment(settings)
        lab.batch.add_queue("queue", 1, tuple(lab.batch.environments))
        await check(lab)
        await lab.batch.close()
        return lab

    return virtual.run(main())
