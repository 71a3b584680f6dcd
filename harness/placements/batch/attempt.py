"""One attempt at a job, from STARTING to its end, by itself or by Batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Literal

from harness.clock import Clock
from harness.engines.base import EngineError, Exit
from harness.placements.batch.jobs import AttemptMade, Job
from harness.placements.batch.retries import Ending
from harness.placements.batch.seams import Runner, Running
from harness.placements.capacity import Instance

# AWS Batch User Guide, "Job timeouts" and "Terminate jobs", read 2026-11-24: SIGTERM, and SIGKILL 30 s later.
GRACE_S = 30.0
HOST_GONE = "Host EC2 (instance {}) terminated."
TIMED_OUT = "Job attempt duration exceeded timeout"

# Why Batch itself ends an attempt.
Cause = Literal["terminate", "timeout", "host"]


class Attempt:
    """An attempt under way; `carry_out` once, and `stop` or `lose_host` whenever it is to end early."""

    def __init__(
        self, job: Job, instance: Instance, clock: Clock, time_scale: float,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:  # fmt: skip
        """`spawn` goes on with what is begun here, whatever becomes of the attempt."""
        self.job = job
        self.instance = instance
        self._clock = clock
        self._time_scale = time_scale
        self._spawn = spawn
        self._running: Running | None = None
        self._stopped_for: Cause | None = None
        self._told = ""

    async def carry_out(self, runner: Runner, started: Callable[[int], None]) -> AttemptMade:
        """Start a container and wait for its end; `started` is told when it runs."""
        started_ns, container = None, ""
        try:
            running = await runner.start(self.job, self.instance)
        except EngineError as error:
            ending = Ending(
                exit_code=None,
                reason=f"CannotStartContainerError: {error}",
                status_reason="Task failed to start",
            )
        else:
            started_ns, container = self._clock.now_ns(), running.container
            started(started_ns)
            self._running = running
            if self._stopped_for:  # meanwhile
                self._stop_now(0.0)
            ending = await self._end(running)
            running.let_go()
        return AttemptMade(
            container=container, started_ns=started_ns, stopped_ns=self._clock.now_ns(), ending=ending
        )

    def stop(self, cause: Cause, told: str, grace_s: float = GRACE_S) -> None:
        """Batch ends it; the first cause counts."""
        if not self._stopped_for:
            self._stopped_for, self._told = cause, told
        self._stop_now(grace_s * self._time_scale)

    def lose_host(self, notice_s: float) -> None:
        """Its instance goes once the notice is over."""
        self.stop("host", HOST_GONE.format(self.instance.id), notice_s)

    def _stop_now(self, grace_s: float) -> None:
        if self._running is not None:
            self._spawn(self._running.stop(grace_s))

    async def _end(self, running: Running) -> Ending:
        """How its container ended; it is stopped when it has run for too long."""
        timer = None
        if self.job.timeout_s is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self.job.timeout_s * self._time_scale, self.stop, "timeout", TIMED_OUT)
        try:
            return self._ending(await running.wait())
        except EngineError as error:
            return Ending(
                exit_code=None,
                reason=f"EngineError: {error}",
                status_reason=HOST_GONE.format(self.instance.id),
            )
        finally:
            if timer is not None:
                timer.cancel()

    def _ending(self, end: Exit) -> Ending:
        """In AWS's words: why Batch stopped it, or how it ended by itself."""
        if self._stopped_for == "host":
            return Ending(exit_code=None, status_reason=self._told)
        if self._stopped_for:
            return Ending(exit_code=end.code, status_reason=self._told, final=True)
        if end.out_of_memory:
            return Ending(exit_code=end.code, reason="OutOfMemoryError: Container killed due to memory usage")
        return Ending(exit_code=end.code)
