"""One execution environment: a container that serves one invocation at a time, and its life.

INIT (10 s, and a second try within the first invocation), INVOKE, frozen in between, reset after a timeout or a crash
(its /tmp stays, its memory does not), SHUTDOWN. Source: AWS Lambda Developer Guide, "Understanding the Lambda execution
environment lifecycle", read 2026-11-23.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.engines.base import Container, EngineError, Exit
from harness.measure.usage import Usage
from harness.placements.attempts import ColdParts, cpu_between
from harness.placements.base import Bench, Launched
from harness.placements.function.definition import Definition
from harness.placements.function.invocation import Invoked, Request, Sink
from harness.placements.function.logs import LogStream, Report
from harness.placements.function.runtime_api import Answer, InitError, Invocation, RuntimeApi, error_document
from harness.rows import Outcome

NS_PER_S = 1e9
# An invocation that follows at once finds it thawed: freezing and thawing take 0.3 ms of the one that waits for them.
FREEZE_AFTER_S = 0.002


class EnvironmentEnded(RuntimeError):
    """The runtime ended while something was awaited of it."""

    def __init__(self, end: Exit) -> None:
        how = "signal: killed" if end.code == 128 + 9 else f"exit status {end.code}"
        told = "without providing a reason" if end.code == 0 else f"with error: {how}"
        super().__init__(f"Runtime exited {told}")
        self.end = end


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a try came to; `alive` tells whether the runtime may be given another event."""

    answer: Answer
    outcome: Outcome
    error: str
    alive: bool


class Environment:
    """`initialise`, then `invoke` one event after the other, `rest` and `wake` in between, and `end`."""

    def __init__(self, bench: Bench, definition: Definition, name: str) -> None:
        self.name = name
        self._bench = bench
        self._definition = definition
        self._api = RuntimeApi(definition.name, self._peer)
        self._log = LogStream(bench.log_file(name))
        self._launched: Launched | None = None
        self._reachable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._broken = False
        self._restarting: asyncio.Task[None] | None = None
        # One end or beginning of a life at a time.
        self._turning = asyncio.Lock()
        self._cold: ColdParts | None = None
        self._second: ColdParts | None = None
        self._init_s: float | None = None
        self._deadline_ns = 0
        # One call to freeze or thaw at a time: Docker's own pause and unpause do not stand being mixed.
        self._freezing = asyncio.Lock()
        self._frozen = False
        # The rest that was last asked for; None while it is wanted.
        self._rest: object | None = None

    async def initialise(self, limit_s: float) -> None:
        """INIT: make the container, and wait for its runtime to poll. EngineError if no container can be made.

        A runtime that fails, or takes longer than `limit_s`, is started once more in the first invocation.
        """
        address = await self._api.start(self._bench.engine.host_address)
        spec = self._definition.spec(self.name, address, self._log.write)
        try:
            self._launched = await self._bench.launch(spec)
        except (EngineError, asyncio.CancelledError):
            await self._close()
            raise
        await self._attend()
        try:
            async with asyncio.timeout(limit_s):
                await self._api.ready()
        except TimeoutError:
            await self._init_failed("timeout")
        except (InitError, EnvironmentEnded, EngineError) as error:
            await self._init_failed(f"error\tError Type: {_init_error_type(error)}")
        await self._end_boost()
        self._cold = ColdParts.of(self._launched, self._bench.clock.now_ns())
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
        before = Usage(cpu_s=0.0) if cold else self._container.brief_usage()
        log = self._log.begin(request.request_id)
        given_ns = self._bench.clock.now_ns()
        timeout_s = self._definition.timeout_s
        self._deadline_ns = given_ns + round(timeout_s * NS_PER_S)
        self._second = None
        try:
            verdict = await self._try(request, sink)
        except asyncio.CancelledError:  # whoever asked has gone, and it works on
            self._broken = True
            raise
        done_ns = self._bench.clock.now_ns()
        after = self._container.brief_usage()
        duration_s = (done_ns - given_ns) / NS_PER_S
        if verdict.outcome is Outcome.TIMEOUT:
            duration_s = timeout_s
        peak_bytes = after.memory_peak_bytes if after else None
        if verdict.outcome is Outcome.OUT_OF_MEMORY:
            peak_bytes = self._definition.limits.memory_bytes
        billed_s = billed(duration_s + (init_s or 0.0))
        answer = verdict.answer
        self._log.end(
            Report(
                request_id=request.request_id,
                duration_s=duration_s,
                billed_s=billed_s,
                memory_mb=self._definition.memory_mb,
                memory_peak_bytes=peak_bytes or 0,
                init_s=init_s,
                outcome=verdict.outcome,
                # What the runtime told of by itself is no news to Lambda's own line.
                error_type=None if verdict.alive else answer.error_type,
            )
        )
        self._broken = not verdict.alive
        return Invoked(
            request_id=request.request_id,
            outcome=verdict.outcome,
            payload=answer.body,
            content_type=answer.content_type,
            function_error="Unhandled" if answer.error_type else None,
            error=verdict.error,
            environment=self.name,
            cold=_sum(cold, self._second),
            queue_s=max(0.0, waited_s - cold.total_s) if cold else waited_s,
            given_ns=given_ns,
            done_ns=done_ns,
            duration_s=duration_s,
            billed_s=billed_s,
            memory_peak_bytes=peak_bytes,
            container_cpu_s=cpu_between(before, after),
            log=log,
        )

    def rest(self) -> Coroutine[Any, Any, None]:
        """Freeze it as soon as its runtime polls; one that is broken, or never polls in its time, is stopped.

        It rests from this call on, whenever the coroutine is begun, so that `wake` undoes it in every order.
        """
        self._rest = rest = object()
        return self._come_to_rest(rest)

    async def _come_to_rest(self, rest: object) -> None:
        if self._rest is not rest:
            return
        if self._broken:
            await self._stop_runtime()
            return
        left_s = (self._deadline_ns - self._bench.clock.now_ns()) / NS_PER_S
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                await self._api.ready()
        except TimeoutError:
            if self._rest is rest:
                await self._stop_runtime()
        except (EnvironmentEnded, InitError, EngineError):
            return
        await asyncio.sleep(FREEZE_AFTER_S)
        async with self._freezing:
            if self._rest is not rest or self._frozen or not self._alive:
                return
            begun_ns = self._bench.clock.now_ns()
            self._frozen = await self._container.freeze()
            took_s = (self._bench.clock.now_ns() - begun_ns) / NS_PER_S
            self._bench.event(
                "container_frozen" if self._frozen else "freeze_failed", self.name, duration_s=took_s
            )

    async def wake(self) -> None:
        """Thaw it, if it was frozen, and keep it from being so."""
        self._rest = None
        async with self._freezing:
            if self._frozen:
                self._frozen = False
                begun_ns = self._bench.clock.now_ns()
                await self._container.thaw()
                took_s = (self._bench.clock.now_ns() - begun_ns) / NS_PER_S
                self._bench.event("container_thawed", self.name, duration_s=took_s)

    async def end(self) -> None:
        """SHUTDOWN: SIGTERM, then SIGKILL, and no trace is left."""
        await self.wake()
        await self._restarted()
        if self._launched is not None:
            await self._bench.remove(self._launched, self._definition.shutdown_s if self._alive else 0.0)
        await self._close()

    @property
    def _alive(self) -> bool:
        return self._launched is not None and not self._launched.ended.done()

    @property
    def _container(self) -> Container:
        assert self._launched is not None
        return self._launched.container

    async def _peer(self) -> str | None:
        await asyncio.shield(self._reachable)
        return self._container.peer

    async def _attend(self) -> None:
        """Its runtime has been started: watch its end, and let its requests in."""
        assert self._launched is not None
        self._launched.ended.add_done_callback(self._note_end)
        if not self._reachable.done():
            self._reachable.set_result(None)
        if self._definition.init_vcpu is not None:
            await self._container.limit_cpu(self._definition.init_vcpu)

    def _note_end(self, ended: asyncio.Task[Exit]) -> None:
        if not ended.cancelled() and self._launched is not None and self._launched.ended is ended:
            error = ended.exception()
            self._api.fail(EngineError(str(error)) if error else EnvironmentEnded(ended.result()))

    async def _init_failed(self, status: str) -> None:
        assert self._launched is not None
        took_ms = (self._bench.clock.now_ns() - self._launched.started_ns) / 1e6
        self._log.note(f"INIT_REPORT Init Duration: {took_ms:.2f} ms\tPhase: init\tStatus: {status}\n")
        self._bench.event(
            "init_failed", self.name, duration_s=took_ms / 1e3, status=status.split("\t", maxsplit=1)[0]
        )
        await self._stop_runtime()

    async def _try(self, request: Request, sink: Sink | None) -> _Verdict:
        """The answer, or what came in its place."""
        try:
            async with asyncio.timeout(self._definition.timeout_s):
                await self._be_ready()
                answer = await self._api.invoke(self._invocation(request, sink))
        except TimeoutError:
            told = f"Task timed out after {self._definition.timeout_s:.2f} seconds"
            self._log.note(f"{_utc_text()} {request.request_id} {told}\n\n")
            return _fault(request, Outcome.TIMEOUT, "Sandbox.Timedout", told)
        except EnvironmentEnded as ended:
            outcome = Outcome.OUT_OF_MEMORY if ended.end.out_of_memory else Outcome.ERROR
            return _fault(request, outcome, "Runtime.ExitError", str(ended))
        except InitError as error:
            return _Verdict(error.answer, Outcome.ERROR, error.answer.error_text, alive=False)
        except EngineError as error:
            return _fault(request, Outcome.ERROR, "ServiceException", str(error))
        if answer.error_type is not None:
            return _Verdict(answer, Outcome.ERROR, answer.error_text, alive=True)
        return _Verdict(answer, Outcome.OK, "", alive=True)

    async def _be_ready(self) -> None:
        """Wait for its runtime to poll; one that has ended since its last answer is started anew."""
        if self._alive and not self._broken:
            try:
                await self._api.ready()
                return
            except EnvironmentEnded:
                pass
        begun_ns = self._bench.clock.now_ns()
        try:
            # A timeout must not cut it short: whether it has been started would be known to nobody.
            self._restarting = asyncio.create_task(self._restart())
            await asyncio.shield(self._restarting)
            await self._api.ready()
            await self._end_boost()
        finally:
            self._second = self._parts_since(begun_ns)

    def _parts_since(self, begun_ns: int) -> ColdParts:
        """Of a new life that began then, as far as it has come."""
        now_ns = self._bench.clock.now_ns()
        launched = self._launched
        if launched is None or launched.begun_ns < begun_ns:  # it has not been started yet
            return ColdParts(start_s=(now_ns - begun_ns) / NS_PER_S)
        started_ns = launched.started_ns
        return ColdParts(start_s=(started_ns - begun_ns) / NS_PER_S, init_s=(now_ns - started_ns) / NS_PER_S)

    async def _restart(self) -> None:
        """A new life: the same container, so the same /tmp, and new processes."""
        async with self._turning:
            await self._kill()
            self._api.expect()
            self._reachable = asyncio.get_running_loop().create_future()
            assert self._launched is not None
            self._launched = await self._bench.restart(self._launched)
            self._broken = False
            await self._attend()

    async def _stop_runtime(self) -> None:
        """Kill what runs now, for the next invocation to start anew; a new life that has begun since is let be."""
        life = self._launched
        self._broken = True
        async with self._turning:
            if self._launched is life:
                await self._kill()

    async def _restarted(self) -> None:
        """Wait for a new life that is being begun, whatever becomes of it."""
        if self._restarting is not None:
            await asyncio.wait({self._restarting})

    async def _kill(self) -> None:
        assert self._launched is not None
        if self._alive:
            self._bench.event("container_reset", self.name)
            await self._container.stop(0)
        await self._launched.ended

    async def _end_boost(self) -> None:
        if self._definition.init_vcpu is not None:
            await self._container.limit_cpu(self._definition.limits.vcpu)

    async def _close(self) -> None:
        await self._api.close()
        self._log.close()

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


def _fault(request: Request, outcome: Outcome, error_type: str, told: str) -> _Verdict:
    """An error that Lambda itself tells of, after which the runtime is of no more use."""
    body = error_document(error_type, f"RequestId: {request.request_id} Error: {told}")
    answer = Answer(body=body, error_type=error_type)
    return _Verdict(answer, outcome, told if outcome is Outcome.TIMEOUT else answer.error_text, alive=False)


def _sum(first: ColdParts | None, second: ColdParts | None) -> ColdParts | None:
    """All the starting that one invocation waited for."""
    if first is None or second is None:
        return first or second
    return ColdParts(
        pull_s=first.pull_s + second.pull_s,
        create_s=first.create_s + second.create_s,
        start_s=first.start_s + second.start_s,
        init_s=first.init_s + second.init_s,
    )


def _init_error_type(error: Exception) -> str:
    if isinstance(error, InitError):
        return str(error.answer.error_type)
    return "Runtime.ExitError" if isinstance(error, EnvironmentEnded) else "ServiceException"


def _utc_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
