"""What the control plane needs of others: who starts attempts, and who is told of what happens."""

from __future__ import annotations

from typing import Protocol

from harness.engines.base import Exit
from harness.placements.batch.jobs import AnyJob, Job
from harness.placements.batch.states import State
from harness.placements.capacity import ComputeEnvironment, Instance


class Running(Protocol):
    """One attempt whose container runs."""

    @property
    def container(self) -> str:
        """Its name."""
        ...

    async def wait(self) -> Exit:
        """Its end; what it told is dealt with by then. EngineError if it was lost from sight."""
        ...

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL."""
        ...

    def let_go(self) -> None:
        """Nobody needs it any more: remove it, when there is time."""
        ...


class Runner(Protocol):
    """Starts attempts at jobs."""

    async def start(self, job: Job, instance: Instance) -> Running:
        """Start a container for the next attempt. EngineError if there can be none."""
        ...


class Observer(Protocol):
    """Who is told of everything that happens."""

    def job(self, job: AnyJob, state: State, reason: str) -> None:
        """A job's new state, and why."""
        ...

    def attempt(self, job: Job, instance: Instance, held_s: float) -> None:
        """An attempt is over; it is the last of `job.attempts`, and held its vCPUs for so long."""
        ...

    def instance(self, environment: ComputeEnvironment, instance: Instance) -> None:
        """An instance's new state."""
        ...
