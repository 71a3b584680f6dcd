"""A service for one arm of one block: tasks behind a load balancer, requests through it, a row for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from harness.placements.attempts import attempt, cpu_between
from harness.placements.base import Bench, Work
from harness.placements.capacity import Instance, Need
from harness.placements.observing import record_instance
from harness.placements.service.balancer import Balancer, ClientSide
from harness.placements.service.client import Answer, Client, make_session
from harness.placements.service.containers import KIND, TaskContainer, TaskRunner
from harness.placements.service.control import Progress, Service
from harness.placements.service.governor import Governor
from harness.placements.service.haproxy import Haproxy
from harness.placements.service.rooms import Rooms
from harness.placements.service.task import Around, Status, Task
from harness.rows import Outcome
from harness.scenario import ServiceSettings
from harness.scenario.service import DeploymentSettings

# Reading every task's CPU time before a request is worth it for a few of them.
MOST_READ = 8
# A task's end is known to the engine a moment after its connections have broken.
END_PATIENCE_S = 1.0


class ServicePlacement:
    """`settings.tasks` containers kept running, requests spread over them."""

    def __init__(self, bench: Bench, settings: ServiceSettings) -> None:
        self._bench = bench
        self._settings = settings
        self._containers: dict[str, TaskContainer] = {}
        self._in_hand = self._given = 0
        # Deployments that have not begun, and the phases that have.
        self._planned = list(settings.deployments)
        self._phases: set[str] = set()
        self._timers: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None
        self._client: Client | None = None
        self._rooms = Rooms(
            bench.engine.name,
            settings,
            bench.clock,
            lambda environment, instance: record_instance(bench, environment, instance),
            self._note_room,
            bench.seed,
        )
        self._balancer: Balancer = ClientSide()
        self.service: Service | None = None

    async def open(self) -> None:
        """Bring up the load balancer and every task. EngineError if one of them does not come up."""
        self._http = http = make_session()
        if self._bench.engine.load_balancer is not None:
            self._balancer = Haproxy(self._bench, self._settings, self._bench.engine.load_balancer)
        await self._balancer.open()
        self._client = Client(http, self._balancer, f"/{self._bench.workload}", self._settings.timeout_s)
        runner = TaskRunner(self._bench, self._settings, http, self._note_container)
        around = Around(self._settings, self._rooms, runner, self._balancer, self._note_task)
        self.service = Service(around, self._note_progress)
        await self.service.open()
        self._rooms.launches_take_time()
        governor = Governor(self._bench, self._settings, self.service, self._containers)
        self._timers += governor.start(lambda: self._given)

    async def run(self, work: Work) -> None:
        """Send the item's request; whatever comes of it is one row."""
        assert self._client is not None, "open() comes first"
        self._deploy_in(work.phase)
        self._in_hand += 1
        self._given += 1
        alone, given = self._in_hand == 1, self._given
        before = self._readings() if alone else {}
        asked = self._running()
        try:
            answer = await self._client.send(work.item)
        finally:
            self._in_hand -= 1
        done_ns = self._bench.clock.now_ns()
        if answer.broken:
            answer = await self._why_gone(answer, asked)
        container = self._containers.get(answer.target)
        usage = container.usage() if container else None
        undisturbed = given == self._given
        row = attempt(
            self._bench,
            work,
            KIND,
            outcome=answer.outcome,
            error=answer.error,
            done_ns=done_ns,
            result=answer.result,
            memory_peak_bytes=usage.memory_peak_bytes if usage else None,
            container_cpu_s=cpu_between(before.get(answer.target), usage) if undisturbed else None,
            container=container.name if container else "",
        )
        self._bench.recorder.attempt(row)

    async def close(self) -> None:
        """Stop every task, then the load balancer; whichever of them fails, the rest is closed all the same."""
        async with AsyncExitStack() as closing:
            if self._http is not None:
                closing.push_async_callback(self._http.close)
            closing.callback(self._rooms.close)
            closing.push_async_callback(self._balancer.close)
            if self.service is not None:
                closing.push_async_callback(self.service.close)
            await self._end_timers()
            self._tell_unfinished()

    async def _end_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for failed in await asyncio.gather(*self._timers, return_exceptions=True):
            if isinstance(failed, Exception):
                self._bench.event("service_watch_failed", reason=f"{type(failed).__name__}: {failed}")

    def _running(self) -> dict[str, TaskContainer]:
        """The containers that requests may go to now."""
        assert self.service is not None
        return {task.name: self._containers[task.name] for task in self.service.running}

    def _readings(self) -> dict[str, Any]:
        """What each task has used so far, where there are few."""
        running = self._running()
        return {} if len(running) > MOST_READ else {name: each.usage() for name, each in running.items()}

    async def _why_gone(self, answer: Answer, asked: Mapping[str, TaskContainer]) -> Answer:
        """A request broke off: if its task has died, its end says why.

        Where the load balancer did not tell whose it was, it was that of the one task which has ended meanwhile.
        """
        known = self._containers.get(answer.target)
        suspects = asked if not answer.target else {answer.target: known} if known else {}
        ends = {name: asyncio.shield(each.ended) for name, each in suspects.items()}
        if ends:
            await asyncio.wait(ends.values(), timeout=END_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        dead = [name for name, end in ends.items() if end.done()]
        for pending in ends.values():
            pending.cancel()
        if len(dead) != 1 or suspects[dead[0]].ended.exception() is not None:
            return answer
        last = suspects[dead[0]].ended.result()
        if last.out_of_memory:
            told = "OutOfMemoryError: Container killed due to memory usage"
            return Answer(Outcome.OUT_OF_MEMORY, None, told, dead[0])
        return Answer(Outcome.ERROR, None, f"task ended with exit code {last.code}: {answer.error}", dead[0])

    def _deploy_in(self, phase: str) -> None:
        """The first item of a phase starts the clocks of its deployments."""
        if phase in self._phases:
            return
        self._phases.add(phase)
        for deployment in self._planned:
            if deployment.phase == phase:
                self._timers.append(asyncio.create_task(self._deploy(deployment)))

    async def _deploy(self, deployment: DeploymentSettings) -> None:
        await asyncio.sleep(deployment.after_s)
        assert self.service is not None
        self._planned.remove(deployment)
        self.service.deploy(deployment.environment)

    def _tell_unfinished(self) -> None:
        """Deployments that were planned and did not come about."""
        for each in self._planned:
            begun = each.phase in self._phases
            why = f"the run ended before {each.after_s:g} s of phase {each.phase} had passed"
            reason = why if begun else f"phase {each.phase} never began"
            self._bench.event("deployment_unfinished", reason=reason)
        if self.service is not None and self.service.in_progress:
            self._bench.event("deployment_unfinished", reason="the run ended before it")

    def _note_container(self, task: Task, container: TaskContainer) -> None:
        self._containers[task.name] = container

    def _note_task(self, task: Task) -> None:
        assert self.service is not None
        if task.unhealthy and not task.leaving:
            self._bench.event("task_unhealthy", self._bench.container_name(task.name), reason=task.unhealthy)
        else:
            self._note_state(task)
        self.service.changed(task)

    def _note_state(self, task: Task) -> None:
        """A task's new state; one that runs from now on is ready."""
        name, now_ns = self._bench.container_name(task.name), self._bench.clock.now_ns()
        detail: dict[str, Any] = {"reason": task.reason} if task.leaving and task.reason else {}
        self._bench.event(
            "task_state", name, at_ns=now_ns, state=task.status, revision=task.revision.number, **detail
        )
        container = self._containers.get(task.name)
        if task.status == Status.RUNNING and container is not None:
            took_s = (now_ns - container.launched.started_ns) / 1e9
            self._bench.event("container_ready", name, at_ns=now_ns, duration_s=took_s)

    def _note_room(self, need: Need, instance: Instance, held_s: float) -> None:
        assert isinstance(need, Task)
        name = self._bench.container_name(need.name)
        self._bench.event("task_placed", name, duration_s=held_s, instance=instance.id, vcpu=need.vcpu)

    def _note_progress(self, progress: Progress) -> None:
        detail: dict[str, Any] = {"reason": progress.reason} if progress.reason else {}
        self._bench.event(
            f"deployment_{progress.state}",
            revision=progress.revision.number,
            desired=progress.desired,
            running=progress.running,
            failures=progress.failures,
            **detail,
        )
