"""ECS's service scheduler: keeps the desired count of tasks, and replaces one revision by another.

It runs no container itself (`task.Runner` does), so the same rules hold over any engine, and over none in tests.
Sources, read 2026-11-24: Amazon ECS Developer Guide, "Service definition parameters", "Rolling update" and "How the
Amazon ECS deployment circuit breaker detects failures": at least `min_healthy_percent` (rounded up) healthy, no more
than `max_percent` (rounded down) running or pending; a deployment has failed after half its desired count, 3 to 200,
of tasks that did not come to run in a row.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.engines.base import EngineError
from harness.placements.service.task import Around, Revision, Status, Task

# Between tasks that did not come to run.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
FEWEST_FAILURES, MOST_FAILURES = 3, 200

DeploymentState = Literal["started", "completed", "failed", "rolled_back"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A deployment's news: what became of it, why, and the counts behind it."""

    revision: Revision
    state: DeploymentState
    desired: int
    running: int
    failures: int
    reason: str


def threshold(desired: int) -> int:
    """How many tasks in a row may fail to come to run before a deployment has failed."""
    return min(MOST_FAILURES, max(FEWEST_FAILURES, math.ceil(desired / 2)))


class Service:
    """`open` until the first revision runs, then `deploy` and `scale`, and `close` at the end."""

    def __init__(self, around: Around, told: Callable[[Progress], None]) -> None:
        """`around.told` has to call `changed` for every task."""
        self._around = around
        self._settings = around.settings
        self._told = told
        self._numbers = itertools.count()
        self._revisions = itertools.count(2)
        self._primary = Revision(1, {})
        self._last_good: Revision | None = None
        self.in_progress = True
        self._failures = 0
        self._failed = ""
        self._last_failure = ""
        self._resume: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._lives: dict[Task, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._closing = False
        self.desired = around.settings.tasks

    @property
    def tasks(self) -> list[Task]:
        """Every task of which something is left."""
        return list(self._lives)

    @property
    def running(self) -> list[Task]:
        """Tasks that have requests, or could have, and are well."""
        return [
            task
            for task in self._lives
            if task.status == Status.RUNNING and not task.leaving and not task.unhealthy
        ]

    async def open(self) -> None:
        """Deploy the first revision. EngineError if it fails, or is not there in time."""
        self._tell("started", "")
        self._reconcile()
        limit_s = self._settings.healthy_within_s
        try:
            async with asyncio.timeout(limit_s):
                await self.settled()
        except TimeoutError:
            raise EngineError(
                f"the service is not up within {limit_s:g} s: {'; '.join(await self._standing())}"
            ) from None
        if self._failed:
            raise EngineError(f"the service does not come up: {self._failed}")

    async def _standing(self) -> list[str]:
        """Where the tasks stand that do not run yet, and why the last one ended that did not come to run."""
        told = []
        for task in self.tasks:
            if task.status != Status.RUNNING:
                words = await task.running.last_words() if task.running else ""
                told.append(f"{task.name} is {task.status}{f'; it printed: {words}' if words else ''}")
        return [*told, *([f"the last that ended: {self._last_failure}"] if self._last_failure else [])]

    async def settled(self) -> None:
        """Wait until the deployment under way has completed or failed."""
        while self.in_progress:
            self._news.clear()
            await self._news.wait()

    def deploy(self, environment: dict[str, str]) -> Revision:
        """Replace every task by one of a new revision."""
        self._begin(Revision(next(self._revisions), environment))
        self._tell("started", "")
        self._reconcile()
        return self._primary

    def scale(self, desired: int) -> None:
        """Keep another number of tasks."""
        self.desired = desired
        self._reconcile()

    def changed(self, task: Task) -> None:
        """A task is in a new state."""
        if task.status == Status.RUNNING and not task.unhealthy:
            self._failures = 0
        if task.status == Status.STOPPED:
            del self._lives[task]
            if task.failed and not task.has_run and not self._closing and task.revision is self._primary:
                self._note_failure(task.reason)
        # What follows may end or begin others: not in the middle of this one's change.
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._reconcile)

    async def close(self) -> None:
        """Stop every task at once; nobody sends requests any more."""
        self._closing = True
        for handle in (self._resume, self._soon):
            if handle is not None:
                handle.cancel()
        for task in self.tasks:
            task.stop_now("the service is closed")
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    def _begin(self, revision: Revision) -> None:
        self._primary = revision
        self.in_progress, self._failures, self._failed = True, 0, ""

    def _reconcile(self) -> None:
        """Start and stop what the desired count, the revision and the two percentages ask for."""
        self._soon = None
        if self._closing:
            return
        current, others, sick = self._split()
        for task in _expendable(current)[: max(0, len(current) - self.desired)]:
            task.stop("the service has more tasks than are desired")
        self._retire(others)
        self._replace(sick)
        current, _, _ = self._split()
        if not self._failed and self._resume is None:
            for _ in range(min(self.desired - len(current), self._room())):
                self._start()
        self._conclude()
        self._news.set()

    def _split(self) -> tuple[list[Task], list[Task], list[Task]]:
        """Of the tasks that nobody has told to end: well ones of the primary revision, of others, and unhealthy
        ones.
        """
        staying = [task for task in self._lives if not task.leaving]
        well = [task for task in staying if not task.unhealthy]
        return (
            [task for task in well if task.revision is self._primary],
            [task for task in well if task.revision is not self._primary],
            [task for task in staying if task.unhealthy],
        )

    def _most(self) -> int:
        return self.desired * self._settings.max_percent // 100

    def _replace(self, sick: list[Task]) -> None:
        """End unhealthy tasks once enough others run; one at a time where there is no room for others beside them.

        So no fewer run than `min_healthy_percent` asks for, unhealthy ones included: only where it asks for as many as
        `max_percent` allows there is one less for a while, since else none could ever be replaced.
        """
        if len(self.running) >= self.desired:
            for task in sick:
                task.stop(task.unhealthy)
        elif sick and self._resume is None and not self._room() and not self._coming():
            sick[0].stop(sick[0].unhealthy)

    def _room(self) -> int:
        """How many more may be started now."""
        return self._most() - len([task for task in self._lives if not task.leaving])

    def _coming(self) -> bool:
        """Whether a task of the primary revision is on its way to run."""
        current, _, _ = self._split()
        return any(task.status != Status.RUNNING for task in current)

    def _retire(self, others: list[Task]) -> None:
        """End tasks of other revisions, as far as enough that run are left."""
        least = math.ceil(self.desired * self._settings.min_healthy_percent / 100)
        spare = len(self.running) - least
        for task in _expendable(others):
            if task.status != Status.RUNNING:
                task.stop(f"revision {self._primary.number} takes its place")
            elif spare > 0:
                spare -= 1
                task.stop(f"revision {self._primary.number} takes its place")

    def _start(self) -> None:
        task = Task(next(self._numbers), self._primary, self._around)
        self._lives[task] = asyncio.create_task(task.live())

    def _note_failure(self, reason: str) -> None:
        """A task of the primary revision did not come to run: try again in a while, or give the deployment up."""
        self._failures += 1
        self._last_failure = reason
        tripped = self._settings.circuit_breaker and self._failures >= threshold(self.desired)
        if self.in_progress and tripped:
            self._give_up(reason)
            if self._failed or self.in_progress:
                return
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (self._failures - 1))
        if self._resume is None:
            self._resume = asyncio.get_running_loop().call_later(pause_s, self._go_on)

    def _give_up(self, reason: str) -> None:
        """The deployment has failed: back to the last one that was good, whose tasks are kept at count again."""
        self._tell("failed", reason)
        if self._last_good is None:
            self._failed, self.in_progress = reason, False
        elif (
            self._last_good is self._primary
        ):  # what was rolled back to does not come to run either: go on trying
            self.in_progress = False
        elif self._settings.rollback:
            self._begin(self._last_good)
            self._tell("rolled_back", reason)
        else:
            self._primary, self.in_progress = self._last_good, False

    def _go_on(self) -> None:
        self._resume = None
        self._reconcile()

    def _conclude(self) -> None:
        """The deployment is complete when all that run are its own, and all that are desired run."""
        own = [task for task in self.running if task.revision is self._primary]
        left = [task for task in self._lives if task.revision is not self._primary]
        if self.in_progress and not left and len(own) == self.desired:
            self.in_progress, self._last_good = False, self._primary
            self._tell("completed", "")

    def _tell(self, state: DeploymentState, reason: str) -> None:
        self._told(Progress(self._primary, state, self.desired, len(self.running), self._failures, reason))


def _expendable(tasks: list[Task]) -> list[Task]:
    """Those that do not run yet first, then the newest."""
    return sorted(tasks, key=lambda task: (task.status == Status.RUNNING, -task.number))
