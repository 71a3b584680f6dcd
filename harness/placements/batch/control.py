"""AWS Batch's control plane: takes jobs, lets them wait, places them, tries them, and knows how each ended.

It runs no container itself: a `Runner` does, so that it is the same over any engine, and over none in tests.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.clock import Clock
from harness.engines.base import EngineError, Exit
from harness.placements.batch.jobs import (
    MOST_DEPENDENCIES,
    ArrayJob,
    AttemptMade,
    Dependency,
    Job,
    Submission,
    SubmitError,
    make,
)
from harness.placements.batch.queues import FairShare, JobQueue
from harness.placements.batch.retries import Ending
from harness.placements.batch.states import State
from harness.placements.capacity import ComputeEnvironment, EnvironmentSettings, Instance, Need

# AWS Batch User Guide, "Job timeouts" and "Terminate jobs", read 2026-11-24: SIGTERM, and SIGKILL 30 s later.
GRACE_S = 30.0
DEPENDENCY_FAILED = "Dependent Job failed"
HOST_GONE = "Host EC2 (instance {}) terminated."
TIMED_OUT = "Job attempt duration exceeded timeout"
# How many waiting jobs a compute environment looks at when it grows: more would be launched for later anyway.
LOOK_AHEAD = 256
# Between attempts that found no engine.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

AnyJob = Job | ArrayJob


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


@dataclass(slots=True)
class _Live:
    """What is known of an attempt under way. `stopped_for` is why Batch itself ends it."""

    instance: Instance
    running: Running | None = None
    stopped_for: Literal["", "terminate", "timeout", "host"] = ""
    told: str = ""


class Batch:
    """Environments and queues are added first; then `submit`, `cancel`, `terminate`, and `close` at the end."""

    def __init__(self, runner: Runner, clock: Clock, observer: Observer, *, time_scale: float = 1.0) -> None:
        """`time_scale` multiplies timeouts and graces; launch delays are given as they are to be."""
        self._runner = runner
        self._clock = clock
        self._observer = observer
        self._time_scale = time_scale
        self.environments: dict[str, ComputeEnvironment] = {}
        self.queues: dict[str, JobQueue] = {}
        self.jobs: dict[str, AnyJob] = {}
        self._parents: dict[Job, ArrayJob] = {}
        self._live: dict[Need, _Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatching: asyncio.Handle | None = None
        self._closing = False

    def add_environment(self, settings: EnvironmentSettings) -> None:
        """A compute environment, which launches its minimum at once."""
        made = ComputeEnvironment(settings, self._clock, self._observer.instance, self._soon)
        self.environments[settings.name] = made
        made.open()

    def add_queue(
        self, name: str, priority: int, environments: tuple[str, ...], policy: FairShare | None = None
    ) -> None:
        """A queue over environments in their order; the higher priority goes first."""
        self.queues[name] = JobQueue(name, priority, environments, policy)

    def submit(self, submission: Submission) -> AnyJob:
        """Take a job, and return at once. SubmitError if AWS would refuse it."""
        self._check(submission)
        job = make(submission, self._clock.now_ns())
        self.jobs[job.id] = job
        self._observer.job(job, State.SUBMITTED, "")
        if isinstance(job, ArrayJob):
            for child in job.children:
                self.jobs[child.id] = child
                self._parents[child] = job
                self._observer.job(child, State.SUBMITTED, "")
            self._go(job, State.PENDING, "")
        waits = self._link(job, submission.depends_on)
        for each in job.children if isinstance(job, ArrayJob) else [job]:
            each.waits_for += waits
            if not each.state.ended:
                self._go(each, State.PENDING, "") if each.waits_for else self._runnable(each)
        return job

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job that has not been started; one that has goes on, as on AWS. KeyError if there is none."""
        for job in self._each(job_id):
            if job.state in {State.SUBMITTED, State.PENDING, State.RUNNABLE}:
                self._end(job, State.FAILED, reason)

    def terminate(self, job_id: str, reason: str) -> None:
        """End a job wherever it stands: SIGTERM, and SIGKILL after 30 s. KeyError if there is none."""
        self.cancel(job_id, reason)
        for job in self._each(job_id):
            if (live := self._live.get(job)) is not None:
                self._stop(live, "terminate", reason)

    def interrupt(self, environment: str, instance: Instance, notice_s: float) -> None:
        """A Spot interruption: SIGTERM now, SIGKILL after the notice, and the host is gone with its last job."""
        for job in list(instance.jobs):
            if (live := self._live.get(job)) is not None:
                self._stop(live, "host", HOST_GONE.format(instance.id), notice_s)
        self.environments[environment].drain(instance)

    async def done(self, job: AnyJob) -> None:
        """Wait until it has ended."""
        if job.state.ended:
            return
        ended = asyncio.Event()
        job.after.append(lambda _: ended.set())
        await ended.wait()

    async def close(self) -> None:
        """Cancel what waits, kill what runs, end every instance."""
        self._closing = True
        for job in list(self.jobs.values()):
            if isinstance(job, Job):
                if job.state in {State.SUBMITTED, State.PENDING, State.RUNNABLE}:
                    self._end(job, State.FAILED, "the run ended")
                elif (live := self._live.get(job)) is not None:
                    self._stop(live, "terminate", "the run ended", 0.0)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._dispatching is not None:
            self._dispatching.cancel()
        for environment in self.environments.values():
            environment.close()

    def _check(self, submission: Submission) -> None:
        if submission.queue not in self.queues:
            raise SubmitError(f"jobQueue: got {submission.queue!r}, allowed: {sorted(self.queues)}")
        if len(submission.depends_on) > MOST_DEPENDENCIES:
            raise SubmitError(
                f"dependsOn: got {len(submission.depends_on)} jobs, allowed: {MOST_DEPENDENCIES}"
            )
        for each in submission.depends_on:
            if each.kind == "SEQUENTIAL":
                wrong = "goes without a jobId" if each.job_id else ""
                wrong = wrong or ("" if submission.array_size else "goes with an array")
            elif each.job_id not in self.jobs:
                wrong = f"there is no job {each.job_id!r}"
            else:
                wrong = self._unequal(submission, each)
            if wrong:
                raise SubmitError(f"dependsOn: {each.kind or 'jobId'}: {wrong}")

    def _unequal(self, submission: Submission, each: Dependency) -> str:
        """What is wrong with a dependency of child upon child; a job can only wait for earlier ones, so not a cycle."""
        if each.kind != "N_TO_N":
            return ""
        other = self.jobs[str(each.job_id)]
        size = len(other.children) if isinstance(other, ArrayJob) else None
        if size is None or size != submission.array_size:
            return f"both have to be arrays of one size, got {submission.array_size} and {size}"
        return ""

    def _link(self, job: AnyJob, dependencies: tuple[Dependency, ...]) -> int:
        """Have it told when what it waits for has ended; returns how many all its parts wait for."""
        everybody = job.children if isinstance(job, ArrayJob) else [job]
        common = 0
        for each in dependencies:
            if each.kind == "SEQUENTIAL":
                for earlier, later in itertools.pairwise(everybody):
                    later.waits_for += 1
                    self._tell_when_ended(earlier, [later])
                continue
            other = self.jobs[str(each.job_id)]
            if each.kind == "N_TO_N" and isinstance(other, ArrayJob):
                for theirs, ours in zip(other.children, everybody, strict=True):
                    ours.waits_for += 1
                    self._tell_when_ended(theirs, [ours])
            else:
                common += 1
                self._tell_when_ended(other, everybody)
        return common

    def _tell_when_ended(self, other: AnyJob, waiting: list[Job]) -> None:
        def tell(succeeded: bool) -> None:
            for job in waiting:
                job.waits_for -= 1
                if job.state.ended:
                    continue
                if not succeeded:
                    self._end(job, State.FAILED, DEPENDENCY_FAILED)
                elif job.waits_for == 0:
                    self._runnable(job)

        if other.state.ended:
            asyncio.get_running_loop().call_soon(tell, other.state is State.SUCCEEDED)
        else:
            other.after.append(tell)

    def _runnable(self, job: Job) -> None:
        self._go(job, State.RUNNABLE, "")
        queue = self.queues[job.submission.queue]
        if not any(self.environments[name].could_hold(job) for name in queue.environments):
            # It waits for ever on AWS, too, unless the queue has a limit; the reason tells why.
            job.reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
        queue.add(job)
        self._soon()

    def _soon(self) -> None:
        """Look for room once all that happens in this instant has happened."""
        if self._dispatching is None and not self._closing:
            self._dispatching = asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = None
        for queue in sorted(self.queues.values(), key=lambda each: -each.priority):
            now_ns = self._clock.now_ns()
            while (job := queue.next(now_ns)) is not None:
                placed = self._place(queue, job)
                if placed is None:
                    self._grow(queue)
                    break
                queue.take(job)
                environment, instance = placed
                self._live[job] = _Live(instance)
                self._go(job, State.STARTING, "")
                task = asyncio.create_task(self._attempt(job, queue, environment))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _place(self, queue: JobQueue, job: Job) -> tuple[ComputeEnvironment, Instance] | None:
        for name in queue.environments:
            if (instance := self.environments[name].place(job)) is not None:
                return self.environments[name], instance
        return None

    def _grow(self, queue: JobQueue) -> None:
        """The first environment that may still grow does; AWS goes on to the next one when it cannot."""
        waiting = list(itertools.islice(queue.waiting(), LOOK_AHEAD))
        for name in queue.environments:
            before = len(self.environments[name].instances)
            self.environments[name].grow(waiting)
            if len(self.environments[name].instances) > before:
                return

    async def _attempt(self, job: Job, queue: JobQueue, environment: ComputeEnvironment) -> None:
        """One attempt from STARTING to its end, and what follows from that."""
        live, placed_ns = self._live[job], self._clock.now_ns()
        started_ns, container = None, ""
        try:
            running = await self._runner.start(job, live.instance)
        except EngineError as error:
            ending = Ending(
                exit_code=None,
                reason=f"CannotStartContainerError: {error}",
                status_reason="Task failed to start",
            )
        else:
            started_ns, container = self._clock.now_ns(), running.container
            job.started_ns = job.started_ns or started_ns
            self._go(job, State.RUNNING, "")
            live.running = running
            if live.stopped_for:  # meanwhile
                self._stop_now(live, 0.0)
            ending = await self._end_of(job, live, running)
            running.let_go()
        made = AttemptMade(
            container=container, started_ns=started_ns, stopped_ns=self._clock.now_ns(), ending=ending
        )
        job.attempts.append(made)
        del self._live[job]
        environment.release(live.instance, job)
        queue.give_back(job, made.stopped_ns)
        self._observer.attempt(job, live.instance, (made.stopped_ns - placed_ns) / 1e9)
        if started_ns is None and job.retries.again(ending, len(job.attempts)):
            # An engine that cannot start containers may be able to in a while; the attempts shall last until then.
            await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** (len(job.attempts) - 1), LONGEST_PAUSE_S))
        if ending.ok:
            self._end(job, State.SUCCEEDED, ending.status_reason)
        elif not self._closing and job.retries.again(ending, len(job.attempts)):
            self._go(job, State.RUNNABLE, ending.status_reason)
            queue.add(job)
        else:
            self._end(job, State.FAILED, ending.status_reason)
        self._soon()

    async def _end_of(self, job: Job, live: _Live, running: Running) -> Ending:
        """How its container ended; it is stopped when it has run for too long."""
        timer = None
        if job.timeout_s is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(job.timeout_s * self._time_scale, self._stop, live, "timeout", TIMED_OUT)
        try:
            return _ending(await running.wait(), live)
        except EngineError as error:
            return Ending(
                exit_code=None,
                reason=f"EngineError: {error}",
                status_reason=HOST_GONE.format(live.instance.id),
            )
        finally:
            if timer is not None:
                timer.cancel()

    def _stop(
        self,
        live: _Live,
        why: Literal["terminate", "timeout", "host"],
        told: str,
        grace_s: float = GRACE_S,
    ) -> None:
        """Batch ends an attempt; the first reason counts."""
        if not live.stopped_for:
            live.stopped_for, live.told = why, told
        self._stop_now(live, grace_s * self._time_scale)

    def _stop_now(self, live: _Live, grace_s: float) -> None:
        if live.running is not None:
            task = asyncio.create_task(live.running.stop(grace_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _each(self, job_id: str) -> list[Job]:
        """The job, or the children of an array."""
        found = self.jobs[job_id]
        return list(found.children) if isinstance(found, ArrayJob) else [found]

    def _go(self, job: AnyJob, state: State, reason: str) -> None:
        job.go_to(state, reason)
        self._observer.job(job, state, reason)

    def _end(self, job: AnyJob, state: State, reason: str) -> None:
        """It has ended: whoever waits for it is told, and its parent, if it was the last child."""
        self._go(job, state, reason)
        job.stopped_ns = self._clock.now_ns()
        after, job.after = job.after, []
        for tell in after:
            tell(state is State.SUCCEEDED)
        parent = self._parents.get(job) if isinstance(job, Job) else None
        if parent is not None:
            parent.left -= 1
            if parent.left == 0:
                failed = any(child.state is State.FAILED for child in parent.children)
                self._end(
                    parent,
                    State.FAILED if failed else State.SUCCEEDED,
                    "Array Child Job failed" if failed else "",
                )


def _ending(end: Exit, live: _Live) -> Ending:
    """In AWS's words: why Batch stopped it, or how it ended by itself."""
    if live.stopped_for == "host":
        return Ending(exit_code=None, status_reason=live.told)
    if live.stopped_for:
        return Ending(exit_code=end.code, status_reason=live.told, final=True)
    if end.out_of_memory:
        return Ending(exit_code=end.code, reason="OutOfMemoryError: Container killed due to memory usage")
    return Ending(exit_code=end.code)
