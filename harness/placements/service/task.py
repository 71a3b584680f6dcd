"""One task of a service, from when it is asked for until nothing of it is left.

Source: Amazon ECS Developer Guide, "Task lifecycle", read 2026-11-24: the states, and that a task is taken from the
load balancer, and may finish its requests, before its container is told to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from harness.engines.base import EngineError, Exit
from harness.placements.service.balancer import Balancer, Target
from harness.placements.service.health import HealthCheck
from harness.placements.service.rooms import Rooms
from harness.scenario import ServiceSettings

# Until it is healthy for the first time a container is asked more often, so that coming up is not told in whole
# intervals.
STARTING_PERIOD_S = 0.05


class Status(StrEnum):
    """Where a task stands."""

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class Revision:
    """What a deployment deploys: the same image, with an environment of its own."""

    number: int
    environment: Mapping[str, str]


class Running(Protocol):
    """A task's container, which has started."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it is reached."""
        ...

    @property
    def ended(self) -> asyncio.Future[Exit]:
        """Its end."""
        ...

    async def healthy(self, timeout_s: float) -> bool:
        """One check of its health."""
        ...

    async def last_words(self) -> str:
        """The end of what it printed."""
        ...

    async def remove(self, grace_s: float) -> None:
        """SIGTERM, SIGKILL after `grace_s`, and nothing is left."""
        ...


class Runner(Protocol):
    """Starts containers of tasks."""

    async def start(self, task: Task) -> Running:
        """Start a task's container. EngineError if there can be none."""
        ...


# A task that is in a new state.
Told = Callable[["Task"], None]


@dataclass(frozen=True, slots=True)
class Around:
    """What every task of a service lives by."""

    settings: ServiceSettings
    rooms: Rooms
    runner: Runner
    balancer: Balancer
    told: Told


class Task:
    """`live` is its whole life; `stop` ends it in order."""

    def __init__(self, number: int, revision: Revision, around: Around) -> None:
        self.number = number
        self.name = f"task{number}"
        self.revision = revision
        self.status = Status.PROVISIONING
        self.has_run = False
        # Whether it ends by itself, rather than because the scheduler told it to.
        self.failed = False
        self.reason = ""
        # Why it is to be replaced, while it still runs.
        self.unhealthy = ""
        self.running: Running | None = None
        self._around = around
        self._begun_s = 0.0
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def vcpu(self) -> float:
        """Of the task's size."""
        return self._around.settings.task_size.vcpu

    @property
    def memory_mb(self) -> int:
        """Of the task's size, in MiB."""
        return self._around.settings.task_size.memory_mb

    @property
    def leaving(self) -> bool:
        """Whether it is on its way out, and so none of those that are kept running."""
        return self._stop.is_set()

    def stop(self, reason: str) -> None:
        """Have it end: its requests may be finished for as long as the settings say."""
        if not self.leaving:
            self.reason = reason
            self._stop.set()

    def stop_now(self, reason: str) -> None:
        """Have it end without waiting for its requests, also where it is on its way out already."""
        self.stop(reason)
        self._hurry.set()

    async def live(self) -> None:
        """From the first state to the last; raises nothing for what happens to it."""
        try:
            if await self._reached(self._around.rooms.take(self)):
                self._become(Status.PENDING)
                self.running = await self._around.runner.start(self)
                await self._serve(self.running)
        except EngineError as error:
            self._break(str(error))
        finally:
            self._around.rooms.release(self)
            self._become(Status.STOPPED)

    async def _serve(self, running: Running) -> None:
        registered = False
        self._begun_s = asyncio.get_running_loop().time()
        healthy = asyncio.Event()
        watches = [
            asyncio.create_task(self._watch_end(running)),
            asyncio.create_task(self._watch_health(running, healthy)),
        ]
        try:
            if await self._reached(healthy.wait()):
                self._become(Status.ACTIVATING)
                registered = True
                await self._around.balancer.register(Target(self.name, *running.address))
                watches.append(asyncio.create_task(self._watch_target()))
                if await self._reached(self._around.balancer.is_up(self.name)):
                    self.has_run = True
                    self._become(Status.RUNNING)
                    await self._stop.wait()
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await self._end(running, registered=registered)

    async def _end(self, running: Running, *, registered: bool) -> None:
        if registered:
            self._become(Status.DEACTIVATING)
            await self._drain(running)
        self._become(Status.STOPPING)
        await running.remove(self._around.settings.stop_timeout_s)

    async def _drain(self, running: Running) -> None:
        """Until its requests are done, the delay is over, or there is no more time.

        A container that has ended finishes no request.
        """
        balancer, delay_s = self._around.balancer, self._around.settings.target.deregistration_delay_s
        draining = asyncio.create_task(
            balancer.deregister(self.name, 0.0 if running.ended.done() else delay_s)
        )
        hurrying = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                await draining
            else:
                draining.cancel()
                await balancer.deregister(self.name, 0.0)
        finally:
            hurrying.cancel()
            draining.cancel()

    async def _watch_end(self, running: Running) -> None:
        try:
            end = await asyncio.shield(running.ended)
        except EngineError as error:
            self._break(str(error))
            return
        what = "was killed for its memory" if end.out_of_memory else f"ended with exit code {end.code}"
        when = "" if self.has_run else " before it was healthy"
        self._break(f"{self.name}: {what}{when}; it printed: {await running.last_words()}")

    async def _watch_health(self, running: Running, healthy: asyncio.Event) -> None:
        settings = self._around.settings.health
        check = HealthCheck(settings.retries, settings.interval_s, settings.start_period_s)
        while True:
            passed = await running.healthy(settings.timeout_s)
            state = check.observe(passed, self._age_s())
            if state == "unhealthy" and self._age_s() >= self._around.settings.grace_period_s:
                words = await running.last_words()
                self._fail(f"{self.name}: failed container health checks; it printed: {words}")
                return
            if state == "healthy":
                healthy.set()
            await asyncio.sleep(STARTING_PERIOD_S if state == "starting" else settings.interval_s)

    async def _watch_target(self) -> None:
        """What the load balancer says counts from the end of the grace period on."""
        await asyncio.sleep(max(0.0, self._around.settings.grace_period_s - self._age_s()))
        await self._around.balancer.is_down(self.name)
        self._fail(f"{self.name}: failed the load balancer's health checks")

    def _fail(self, reason: str) -> None:
        """It is not well: one that runs is replaced first and stopped then, as ECS does since October 2023."""
        if not self.has_run:
            self._break(reason)
        elif not self.unhealthy:
            self.unhealthy = reason
            self._around.told(self)

    def _break(self, reason: str) -> None:
        """It cannot go on: a failure, unless it was on its way out already."""
        self.failed = self.failed or not self.leaving
        self.stop(reason)

    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._begun_s

    async def _reached(self, goal: Awaitable[object]) -> bool:
        """Whether `goal` came before the order to stop. Raises what it raises."""
        reaching = asyncio.ensure_future(goal)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({reaching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reaching.done():
                await reaching
            return reaching.done() and not self.leaving
        finally:
            reaching.cancel()
            stopping.cancel()

    def _become(self, status: Status) -> None:
        self.status = status
        self._around.told(self)
