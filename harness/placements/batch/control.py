"""AWS Batch's control plane: takes jobs, lets them wait, places them, tries them, and knows how each ended.

It runs no container itself: a `Runner` does, so that it is the same over any engine, and over none in tests.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine

from harness.clock import Clock
from harness.placements.batch import dependencies
from harness.placements.batch.attempt import Attempt
from harness.placements.batch.jobs import AnyJob, ArrayJob, Job, Submission, SubmitError, make, parts
from harness.placements.batch.queues import FairShare, JobQueue
from harness.placements.batch.retries import Ending
from harness.placements.batch.seams import Observer, Runner
from harness.placements.batch.states import State
from harness.placements.capacity import ComputeEnvironment, EnvironmentSettings, Instance, Need

DEPENDENCY_FAILED = "Dependent Job failed"
# How many waiting jobs a compute environment looks at when it grows: more would be launched for later anyway.
LOOK_AHEAD = 256
# Between attempts that found no engine.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


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
        self._under_way: dict[Need, Attempt] = {}
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
        dependencies.link(job, self.jobs, self._heard)
        for each in parts(job):
            if not each.state.ended:
                self._go(each, State.PENDING, "") if each.waits_for else self._runnable(each)
        return job

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job that has not been started; one that has goes on, as on AWS. KeyError if there is none."""
        for job in parts(self.jobs[job_id]):
            if job.state in {State.SUBMITTED, State.PENDING, State.RUNNABLE}:
                self._end(job, State.FAILED, reason)

    def terminate(self, job_id: str, reason: str) -> None:
        """End a job wherever it stands: SIGTERM, and SIGKILL after 30 s. KeyError if there is none."""
        self.cancel(job_id, reason)
        for job in parts(self.jobs[job_id]):
            if (attempt := self._under_way.get(job)) is not None:
                attempt.stop("terminate", reason)

    def interrupt(self, environment: str, instance: Instance, notice_s: float) -> None:
        """A Spot interruption: SIGTERM now, SIGKILL after the notice, and the host is gone with its last job."""
        for job in list(instance.jobs):
            if (attempt := self._under_way.get(job)) is not None:
                attempt.lose_host(notice_s)
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
                elif (attempt := self._under_way.get(job)) is not None:
                    attempt.stop("terminate", "the run ended", 0.0)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._dispatching is not None:
            self._dispatching.cancel()
        for environment in self.environments.values():
            environment.close()

    def _check(self, submission: Submission) -> None:
        if submission.queue not in self.queues:
            raise SubmitError(f"jobQueue: got {submission.queue!r}, allowed: {sorted(self.queues)}")
        dependencies.check(submission, self.jobs)

    def _heard(self, job: Job, succeeded: bool) -> None:
        """One of those that it waits for has ended."""
        job.waits_for -= 1
        if job.state.ended:
            return
        if not succeeded:
            self._end(job, State.FAILED, DEPENDENCY_FAILED)
        elif job.waits_for == 0:
            self._runnable(job)

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
                attempt = Attempt(job, instance, self._clock, self._time_scale, self._spawn)
                self._under_way[job] = attempt
                self._go(job, State.STARTING, "")
                self._spawn(self._carry_out(attempt, queue, environment))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do it meanwhile; `close` waits for it."""
        task = asyncio.create_task(work)
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

    async def _carry_out(self, attempt: Attempt, queue: JobQueue, environment: ComputeEnvironment) -> None:
        """One attempt from STARTING to its end, and what follows from that."""
        job, placed_ns = attempt.job, self._clock.now_ns()

        def started(at_ns: int) -> None:
            job.started_ns = job.started_ns or at_ns
            self._go(job, State.RUNNING, "")

        made = await attempt.carry_out(self._runner, started)
        job.attempts.append(made)
        del self._under_way[job]
        environment.release(attempt.instance, job)
        queue.give_back(job, made.stopped_ns)
        self._observer.attempt(job, attempt.instance, (made.stopped_ns - placed_ns) / 1e9)
        if made.started_ns is None and job.retries.again(made.ending, len(job.attempts)):
            # An engine that cannot start containers may be able to in a while; the attempts shall last until then.
            await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** (len(job.attempts) - 1), LONGEST_PAUSE_S))
        self._go_on(job, made.ending, queue)
        self._soon()

    def _go_on(self, job: Job, ending: Ending, queue: JobQueue) -> None:
        """To its end, or to its next attempt."""
        if ending.ok:
            self._end(job, State.SUCCEEDED, ending.status_reason)
        elif not self._closing and job.retries.again(ending, len(job.attempts)):
            self._go(job, State.RUNNABLE, ending.status_reason)
            queue.add(job)
        else:
            self._end(job, State.FAILED, ending.status_reason)

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
