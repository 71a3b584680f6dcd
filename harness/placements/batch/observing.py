"""What happens to jobs and instances, as events of a run."""

from __future__ import annotations

from harness.placements.base import Bench
from harness.placements.batch.jobs import AnyJob, Job
from harness.placements.batch.states import State
from harness.placements.capacity import ComputeEnvironment, Instance
from harness.placements.observing import record_instance


class EventObserver:
    """Records on a bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def job(self, job: AnyJob, state: State, reason: str) -> None:
        """A job's new state."""
        self._bench.event("job_state", job=job.id, state=state.value, reason=reason)

    def attempt(self, job: Job, instance: Instance, held_s: float) -> None:
        """An attempt is over, which held its vCPUs of an instance for so long."""
        container = job.attempts[-1].container
        self._bench.event(
            "job_placed", container, duration_s=held_s, job=job.id, name=job.submission.name,
            instance=instance.id, vcpu=job.vcpu,
        )  # fmt: skip

    def instance(self, environment: ComputeEnvironment, instance: Instance) -> None:
        """An instance's new state; the launch delay in it is assumed."""
        record_instance(self._bench, environment, instance)
