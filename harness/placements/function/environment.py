"""One execution environment: a container that serves one invocation at a time, and its life.

INIT (10 s, and a second try within the first invocation), INVOKE, frozen in between, reset after a timeout or a crash
(its /tmp stays, its memory does not), SHUTDOWN. Source: AWS Lambda Developer Guide, "Understanding the Lambda execution
environment lifecycle", read 2026-11-23.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from harness.engines.base import EngineError
from harness.measure.usage import Usage
from harness.placements.attempts import ColdParts, cpu_between
from harness.placements.base import Bench
from harness.placements.function.definition import Definition
from harness.placements.function.invocation import Invoked, Request, Sink
from harness.placements.function.logs import LogStream, Report
from harness.placements.function.resting import Rest
from harness.placements.function.runtime import NS_PER_S, EnvironmentEnded, Runtime
from harness.placements.function.runtime_api import InitError, Invocation
from harness.placements.function.verdict import Verdict, answered, ended, fault, not_initialised
from harness.rows import Outcome


class Environment:
    """`initialise`, then `invoke` one event after the other, `rest` and `wake` in between, and `end`."""

    def __init__(self, bench: Bench, definition: Definition, name: str) -> None:
        self.name = name
        self._bench = bench
        self._definition = definition
        self._log = LogStream(bench.log_file(name))
        self._runtime = Runtime(bench, definition, name)
        self._rest = Rest(bench, self._runtime)
        self._cold: ColdParts | None = None
        self._second: ColdParts | None = None
        self._init_s: float | None = None
        self._deadline_ns = 0

    async def initialise(self, limit_s: float) -> None:
        """INIT: make the container, and wait for its runtime to poll. EngineError if no container can be made.

        A runtime that fails, or takes longer than `limit_s`, is started once more in the first invocation.
        """
        try:
            await self._runtime.launch(self._log)
        except (EngineError, asyncio.CancelledError):
            self._log.close()
            raise
        try:
            async with asyncio.timeout(limit_s):
                await self._runtime.api.ready()
        except TimeoutError:
            await self._init_failed("timeout")
        except (InitError, EnvironmentEnded, EngineError) as error:
            await self._init_failed(f"error\tError Type: {_init_error_type(error)}")
        await self._runtime.end_boost()
        self._cold = ColdParts.of(self._runtime.launched, self._bench.clock.now_ns())
        self._init_s = self._cold.init_s
        self._bench.event("container_ready", self.name, duration_s=self._cold.init_s)

    def forget_init(self) -> None:
        """It was initialised ahead of any invocation, so none is to bear that."""
        self._cold = self._init_s = None

    async def invoke(self, request: Request, waited_s: float, sink: Sink | None) -> Invoked:
        """Give it an event, which has waited for it; whatever happens is in what is returned."""
        cold, init_s = self._cold, self._init_s
        self.forget_init()
        # A cold attempt caused its container, so all that the container used before is its own.
        before = Usage(cpu_s=0.0) if cold else self._runtime.container.brief_usage()
        log = self._log.begin(request.request_id)
        given_ns = self._bench.clock.now_ns()
        self._deadline_ns = given_ns + round(self._definition.timeout_s * NS_PER_S)
        self._second = None
        try:
            verdict = await self._try(request, sink)
        except asyncio.CancelledError:  # whoever asked has gone, and it works on
            self._runtime.broken = True
            raise
        done_ns = self._bench.clock.now_ns()
        after = self._runtime.container.brief_usage()
        self._runtime.broken = not verdict.alive
        report = self._report(request, verdict, (done_ns - given_ns) / NS_PER_S, init_s, after)
        self._log.end(report)
        answer = verdict.answer
        return Invoked(
            request_id=request.request_id,
            outcome=verdict.outcome,
            payload=answer.body,
            content_type=answer.content_type,
            function_error="Unhandled" if answer.error_type else None,
            error=verdict.error,
            environment=self.name,
            cold=(cold + self._second) if cold and self._second else cold or self._second,
            queue_s=max(0.0, waited_s - cold.total_s) if cold else waited_s,
            given_ns=given_ns,
            done_ns=done_ns,
            duration_s=report.duration_s,
            billed_s=report.billed_s,
            memory_peak_bytes=report.memory_peak_bytes,
            container_cpu_s=cpu_between(before, after),
            log=log,
        )

    def rest(self) -> Coroutine[Any, Any, None]:
        """Freeze it as soon as its runtime polls; one that is broken, or never polls in its time, is stopped.

        It rests from this call on, whenever the coroutine is begun, so that `wake` undoes it in every order.
        """
        return self._rest.begin(self._deadline_ns)

    async def wake(self) -> None:
        """Thaw it, if it was frozen, and keep it from being so."""
        await self._rest.end()

    async def end(self) -> None:
        """SHUTDOWN: SIGTERM, then SIGKILL, and no trace is left."""
        await self.wake()
        await self._runtime.shut_down()
        self._log.close()

    async def _init_failed(self, status: str) -> None:
        took_ms = (self._bench.clock.now_ns() - self._runtime.launched.started_ns) / 1e6
        self._log.note(f"INIT_REPORT Init Duration: {took_ms:.2f} ms\tPhase: init\tStatus: {status}\n")
        self._bench.event(
            "init_failed", self.name, duration_s=took_ms / 1e3, status=status.split("\t", maxsplit=1)[0]
        )
        await self._runtime.stop()

    async def _try(self, request: Request, sink: Sink | None) -> Verdict:
        """The answer, or what came in its place."""
        try:
            async with asyncio.timeout(self._definition.timeout_s):
                await self._be_ready()
                return answered(await self._runtime.api.invoke(self._invocation(request, sink)))
        except TimeoutError:
            told = f"Task timed out after {self._definition.timeout_s:.2f} seconds"
            self._log.note(f"{_utc_text()} {request.request_id} {told}\n\n")
            return fault(request, Outcome.TIMEOUT, "Sandbox.Timedout", told)
        except EnvironmentEnded as error:
            return ended(request, error)
        except InitError as error:
            return not_initialised(error)
        except EngineError as error:
            return fault(request, Outcome.ERROR, "ServiceException", str(error))

    async def _be_ready(self) -> None:
        """Wait for its runtime to poll; one that has ended since its last answer is started anew."""
        runtime = self._runtime
        if runtime.alive and not runtime.broken:
            try:
                await runtime.api.ready()
                return
            except EnvironmentEnded:
                pass
        begun_ns = self._bench.clock.now_ns()
        try:
            await runtime.renew()
        finally:
            self._second = runtime.parts_since(begun_ns)

    def _report(
        self, request: Request, verdict: Verdict, took_s: float, init_s: float | None, after: Usage | None
    ) -> Report:
        """What it is told to have taken: in Lambda's words, and as Lambda bills it."""
        duration_s = self._definition.timeout_s if verdict.outcome is Outcome.TIMEOUT else took_s
        peak_bytes = after.memory_peak_bytes if after else None
        if verdict.outcome is Outcome.OUT_OF_MEMORY:
            peak_bytes = self._definition.limits.memory_bytes
        return Report(
            request_id=request.request_id,
            duration_s=duration_s,
            billed_s=billed(duration_s + (init_s or 0.0)),
            memory_mb=self._definition.memory_mb,
            memory_peak_bytes=peak_bytes,
            init_s=init_s,
            outcome=verdict.outcome,
            # What the runtime told of by itself is no news to Lambda's own line.
            error_type=None if verdict.alive else verdict.answer.error_type,
        )

    def _invocation(self, request: Request, sink: Sink | None) -> Invocation:
        return Invocation(
            request_id=request.request_id,
            payload=request.payload,
            deadline_ms=self._deadline_ns // 1_000_000,
            trace_id=request.trace_id,
            client_context=request.client_context,
            sink=sink,
        )


def billed(duration_s: float) -> float:
    """Lambda bills whole milliseconds, rounded up; INIT is part of the duration (since 2025-08-01)."""
    return math.ceil(round(duration_s * 1000, 6)) / 1000


def _init_error_type(error: Exception) -> str:
    if isinstance(error, InitError):
        return str(error.answer.error_type)
    return "Runtime.ExitError" if isinstance(error, EnvironmentEnded) else "ServiceException"


def _utc_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
