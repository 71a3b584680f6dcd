"""The batch placement: items that arrive together become one array job, whose children are containers that end.

A job tells of each item on its standard output, so one that is killed has lost nothing that it had finished.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace

import numpy as np

from harness.engines.base import Limits
from harness.placements.base import Bench, Work
from harness.placements.batch.control import Batch
from harness.placements.batch.definition import JobDefinition
from harness.placements.batch.jobs import AnyJob, Dependency, Job, Submission, parts
from harness.placements.batch.observing import EventObserver
from harness.placements.batch.retries import RetryStrategy, Rule
from harness.placements.batch.runner import KIND, JobRunner, Share, parse
from harness.placements.batch.states import State
from harness.placements.capacity import (
    READY,
    ComputeEnvironment,
    Delay,
    EnvironmentSettings,
    Instance,
    InstanceType,
)
from harness.scenario import BatchSettings

__all__ = ["KIND", "BatchPlacement", "limits", "parse"]

MB = 1024 * 1024
# Amazon EC2 User Guide, "Spot Instance interruption notices", read 2026-11-24.
SPOT_NOTICE_S = 120.0


class BatchPlacement:
    """One queue, one compute environment, and a job definition that follows from the settings."""

    def __init__(self, bench: Bench, settings: BatchSettings) -> None:
        self._bench = bench
        self._settings = settings
        self._pending: list[Work] = []
        self._submitted: asyncio.Future[None] | None = None
        self._window: asyncio.TimerHandle | None = None
        # By item: the job that it is in, and the last of the chain that follows.
        self._jobs: dict[int, tuple[Job, AnyJob]] = {}
        self._runner = JobRunner(bench, limits(settings), bench.engine.name)
        self._events = EventObserver(bench)
        self._batch = Batch(self._runner, bench.clock, self, time_scale=settings.time_scale)
        self._definition = define(bench, settings)
        self._random = np.random.default_rng(bench.seed)
        self._interruptions: set[asyncio.TimerHandle] = set()

    async def open(self) -> None:
        """The queue stands by at no cost; only the minimum of the compute environment is launched."""
        await self._bench.engine.reserve(self._settings.parallel, network="none")
        self._batch.add_environment(environment(self._bench, self._settings, self._bench.engine.name))
        self._batch.add_queue(self._bench.arm, 1, (self._bench.engine.name,))

    async def run(self, work: Work) -> None:
        """Put the item into the job that is being collected; return when that job has told of it."""
        self._pending.append(work)
        if self._submitted is None:
            loop = asyncio.get_running_loop()
            self._submitted = loop.create_future()
            self._window = loop.call_later(self._settings.window_s, self._submit)
        # It is shared with other items: cancelling one item must not cancel them.
        await asyncio.shield(self._submitted)
        for job in self._jobs[id(work)]:
            await self._batch.done(job)
        del self._jobs[id(work)]

    async def close(self) -> None:
        """End jobs that still run, and remove their containers."""
        if self._window is not None:
            self._window.cancel()
        for timer in self._interruptions:
            timer.cancel()
        self._runner.abandon()
        await self._batch.close()
        await self._runner.close()

    def _submit(self) -> None:
        """Turn everything collected into one job: an array, or a plain one, which has no index."""
        collected, self._pending = self._pending, []
        submitted, self._submitted = self._submitted, None
        manifest = f"manifests/{uuid.uuid4()}.json"
        path = self._bench.store_out / manifest
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([work.item for work in collected]))
        size = min(self._settings.array_size, len(collected))
        job = self._batch.submit(
            Submission(
                name=self._bench.workload,
                queue=self._bench.arm,
                definition=self._definition,
                array_size=size if size > 1 else None,
            )
        )
        self._bench.event(
            "job_submitted", phase=collected[0].phase, job=job.id, items=len(collected), size=size
        )
        last = self._chain(job, manifest)
        for index, child in enumerate(parts(job)):
            share = Share(manifest, tuple(collected[index::size]))
            self._runner.share(child, share)
            self._jobs |= {id(work): (child, last) for work in share.works}
        if submitted is not None and not submitted.done():
            submitted.set_result(None)

    def _chain(self, job: AnyJob, manifest: str) -> AnyJob:
        """Submit every step that follows; returns the last job of the chain."""
        for step in self._settings.steps:
            children = len(parts(job))
            together = step.each and children > 1
            job = self._batch.submit(
                Submission(
                    name=step.name,
                    queue=self._bench.arm,
                    definition=replace(
                        self._definition,
                        name=step.name,
                        command=("python3", "-m", f"workloads.{self._bench.workload}.{step.name}"),
                    ),
                    environment={"EARLIER_CHILDREN": str(children)},
                    array_size=children if together else None,
                    depends_on=(Dependency(job.id, "N_TO_N" if together else ""),),
                )
            )
            for child in parts(job):
                self._runner.share(child, Share(manifest, ()))
        return job

    def job(self, job: AnyJob, state: State, reason: str) -> None:
        """A job's new state."""
        self._events.job(job, state, reason)

    def attempt(self, job: Job, instance: Instance, held_s: float) -> None:
        """An attempt is over."""
        self._events.attempt(job, instance, held_s)

    def instance(self, environment: ComputeEnvironment, instance: Instance) -> None:
        """An instance's new state; one of Spot may be interrupted from when it is ready."""
        self._events.instance(environment, instance)
        mean_s = self._settings.interruption_mean_s
        if instance.state == READY and mean_s is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._random.exponential(mean_s), self._interrupt, instance)
            self._interruptions.add(timer)

    def _interrupt(self, instance: Instance) -> None:
        if instance.state == READY:
            self._bench.event("instance_interrupted", instance=instance.id)
            self._batch.interrupt(self._bench.engine.name, instance, SPOT_NOTICE_S)


def limits(settings: BatchSettings) -> Limits:
    """What each job may use."""
    return Limits(vcpu=settings.vcpu, memory_bytes=settings.memory_mb * MB, cpu=settings.cpu)


def define(bench: Bench, settings: BatchSettings) -> JobDefinition:
    """The job definition of a bench's workload, or of the image in its place."""
    rules = tuple(
        Rule(
            action=rule.action,
            on_status_reason=rule.on_status_reason,
            on_reason=rule.on_reason,
            on_exit_code=rule.on_exit_code,
        )
        for rule in settings.evaluate_on_exit
    )
    return JobDefinition(
        name=bench.workload,
        image=settings.image,
        command=settings.command if settings.image else bench.command("job"),
        vcpu=settings.vcpu,
        memory_mb=settings.memory_mb,
        retries=RetryStrategy(attempts=settings.attempts, rules=rules),
        timeout_s=settings.timeout_s,
        platform="FARGATE" if settings.compute == "FARGATE" else "EC2",
    )


def environment(bench: Bench, settings: BatchSettings, name: str) -> EnvironmentSettings:
    """The compute environment of these settings."""
    return EnvironmentSettings(
        name=name,
        kind=settings.compute,
        max_vcpu=settings.vcpu_budget,
        min_vcpu=settings.min_vcpu,
        types=tuple(InstanceType(each.name, each.vcpu, each.memory_mb) for each in settings.instances),
        launch=Delay(median_s=settings.launch.median_s, spread=settings.launch.spread),
        idle_s=settings.idle_s,
        strategy=settings.allocation,
        seed=bench.seed,
    )
