"""A service without containers, on virtual time: tasks that do as they are told, and a log of what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from harness.clock import LoopClock
from harness.engines.base import EngineError, Exit
from harness.placements.capacity import ComputeEnvironment, Instance
from harness.placements.service.balancer import Target
from harness.placements.service.control import Progress, Service
from harness.placements.service.rooms import Rooms
from harness.placements.service.task import Around, Status, Task
from harness.scenario import ServiceSettings
from tests import virtual

# What one change leads to in the same instant is over then.
SETTLED_S = 1e-6
# What counts for max_percent: AWS has tasks that are "in the RUNNING or PENDING state".
COMING = {Status.PROVISIONING, Status.PENDING, Status.ACTIVATING, Status.RUNNING}
SIZE: dict[str, Any] = {"kind": "service", "vcpu": 0.5, "memory_mb": 1024}


def settings(**changes: Any) -> ServiceSettings:
    return ServiceSettings(**(SIZE | changes))


@dataclass(eq=False)
class FakeContainer:
    """Becomes healthy after `healthy_after_s` (None: never); `hang` and `die` change that."""

    name: str
    log: list[tuple[float, str]]
    healthy_after_s: float | None = 1.0
    stubborn: bool = False
    ended: asyncio.Future[Exit] = field(init=False)
    born_s: float = field(init=False)
    hangs: bool = False

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ended, self.born_s = loop.create_future(), loop.time()

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    async def healthy(self, timeout_s: float) -> bool:
        if self.hangs or self.healthy_after_s is None:
            await asyncio.sleep(timeout_s)
            return False
        return asyncio.get_running_loop().time() - self.born_s >= self.healthy_after_s

    async def last_words(self) -> str:
        return "these were its words"

    async def remove(self, grace_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.log.append((loop.time(), f"{self.name} SIGTERM"))
        if self.stubborn:
            await asyncio.sleep(grace_s)
            self.log.append((loop.time(), f"{self.name} SIGKILL"))
        self.die(0)

    def die(self, code: int, out_of_memory: bool = False) -> None:
        if not self.ended.done():
            self.ended.set_result(Exit(code=code, out_of_memory=out_of_memory))


@dataclass
class FakeBalancer:
    """Finds every target well but those in `sick`; draining takes `drain_s` of the delay that it may take."""

    log: list[tuple[float, str]]
    drain_s: float = 0.0
    sick: set[str] = field(default_factory=set)
    targets: dict[str, Target] = field(default_factory=dict)

    async def open(self) -> None: ...

    async def register(self, target: Target) -> None:
        self.targets[target.name] = target
        self.log.append((asyncio.get_running_loop().time(), f"{target.name} registered"))

    async def is_up(self, name: str) -> None:
        while name in self.sick:
            await asyncio.sleep(0.1)

    async def is_down(self, name: str) -> None:
        while name not in self.sick:
            await asyncio.sleep(0.1)

    async def deregister(self, name: str, delay_s: float) -> None:
        self.log.append((asyncio.get_running_loop().time(), f"{name} draining"))
        await asyncio.sleep(min(delay_s, self.drain_s))
        self.targets.pop(name, None)
        self.log.append((asyncio.get_running_loop().time(), f"{name} drained"))

    async def close(self) -> None: ...

    def route(self) -> Any:
        raise AssertionError("nobody sends requests here")


@dataclass
class Lab:
    """`service` with its containers by task name. `make` decides what container a task gets."""

    chosen: ServiceSettings
    make: Callable[[Task, list[tuple[float, str]]], FakeContainer]
    log: list[tuple[float, str]] = field(default_factory=list)
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)
    instances: list[tuple[str, Instance]] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)  # running, and running or pending

    def __post_init__(self) -> None:
        clock = LoopClock()
        self.balancer = FakeBalancer(self.log)
        self.rooms = Rooms("lab", self.chosen, clock, self._instance, lambda *_: None, 1)
        around = Around(self.chosen, self.rooms, self, self.balancer, self._task)
        self.service = Service(around, self.progress.append)

    async def start(self, task: Task) -> FakeContainer:
        container = self.make(task, self.log)
        self.containers[task.name] = container
        return container

    def _instance(self, environment: ComputeEnvironment, instance: Instance) -> None:
        self.instances.append((instance.state, instance))

    def _task(self, task: Task) -> None:
        self.log.append((asyncio.get_running_loop().time(), f"{task.name} {task.status}"))
        self.service.changed(task)
        asyncio.get_running_loop().call_later(SETTLED_S, self._count)

    def _count(self) -> None:
        states = [task.status for task in self.service.tasks]
        self.counts.append((states.count(Status.RUNNING), sum(state in COMING for state in states)))

    def states(self) -> list[str]:
        return [f"{each.state} {each.revision.number}" for each in self.progress]

    def at(self, what: str) -> float:
        return next(when for when, told in self.log if told == what)


def ordinary(task: Task, log: list[tuple[float, str]]) -> FakeContainer:
    return FakeContainer(task.name, log)


def unless_broken(task: Task, log: list[tuple[float, str]]) -> FakeContainer:
    """A revision whose environment says so never becomes healthy: its containers end at once."""
    if task.revision.environment.get("MODE") == "refused":
        raise EngineError("the engine refuses it")
    container = FakeContainer(task.name, log)
    if task.revision.environment.get("MODE") == "broken":
        container.die(2)
    return container


class Breaking:
    """Makes containers that end at once while it is `broken`."""

    broken = False

    def __call__(self, task: Task, log: list[tuple[float, str]]) -> FakeContainer:
        container = ordinary(task, log)
        if self.broken:
            container.die(2)
        return container


def carry_out(
    chosen: ServiceSettings,
    body: Callable[[Lab], Coroutine[Any, Any, None]],
    make: Callable[[Task, list[tuple[float, str]]], FakeContainer] = ordinary,
) -> Lab:
    """A lab after `body` was carried out in it, on virtual time, and the service closed."""

    async def main() -> Lab:
        lab = Lab(chosen, make)
        try:
            await body(lab)
        finally:
            await lab.service.close()
            lab.rooms.close()
        return lab

    return virtual.run(main())
