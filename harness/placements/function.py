"""The function placement: one environment for each concurrent invocation, reused while warm, removed when idle.

An item is an S3 notification, which Lambda takes asynchronously: past the concurrency limit it waits, and is not
refused. Memory sets the CPU share, and the environment is throttled in Lambda's 20 ms windows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from harness.engines.base import Container, ContainerSpec, EngineError, Exit, Limits
from harness.measure.usage import Usage
from harness.placements.attempts import ColdParts, attempt, cpu_between, unreadable
from harness.placements.base import Bench, Launched, Work
from harness.placements.runtime_api import Answer, InitError, Invocation, RuntimeApi
from harness.rows import Outcome
from harness.scenario import FunctionSettings

KIND = "function"
MB = 1024 * 1024


class EnvironmentEnded(RuntimeError):
    """The environment ended while an invocation waited for it."""

    def __init__(self, end: Exit) -> None:
        super().__init__(f"environment ended with exit code {end.code}")
        self.end = end


class NotReady(RuntimeError):
    """An environment could not be made, or ended before it was ready; `cold` is how long what took."""

    def __init__(self, told: str, cold: ColdParts | None = None, *, out_of_memory: bool = False) -> None:
        super().__init__(told)
        self.cold = cold
        self.out_of_memory = out_of_memory


@dataclass(slots=True, eq=False)
class Environment:
    """One execution environment: a container with a Runtime API of its own."""

    api: RuntimeApi
    launched: Launched
    idle_timer: asyncio.TimerHandle | None = None
    cold: ColdParts | None = None

    @property
    def container(self) -> Container:
        """Its container."""
        return self.launched.container


@dataclass(slots=True)
class FunctionPlacement:
    """Environments of one function, at most `max_environments` of them."""

    bench: Bench
    settings: FunctionSettings
    _idle: list[Environment] = field(default_factory=list)
    _live: set[Environment] = field(default_factory=set)
    _count: int = 0
    _waiting: deque[asyncio.Future[Environment | None]] = field(default_factory=deque)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _removals: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Nothing: a function scales from zero."""

    async def run(self, work: Work) -> None:
        """Invoke the function for one item, in a free environment or a new one."""
        environment = await self._acquire()
        queue_s = (self.bench.clock.now_ns() - work.sent_ns) / 1e9
        if environment is not None:
            await self._invoke(work, environment, queue_s, None)
            return
        try:
            environment = await self._make()
        except NotReady as error:
            self._record_not_ready(work, queue_s, error)
            self._free_slot()
            return
        await self._invoke(work, environment, queue_s, environment.cold)

    async def close(self) -> None:
        """End every environment."""
        await asyncio.gather(*(self._end(environment) for environment in list(self._live)), *self._removals)

    async def _acquire(self) -> Environment | None:
        """The warmest idle environment, or None as leave to make one, when there is room."""
        while self._idle:
            environment = self._idle.pop()
            if environment.idle_timer:
                environment.idle_timer.cancel()
            if not environment.launched.ended.done():
                return environment
            self._retire(environment)  # it died while idle
        if self._count < self.settings.max_environments:
            self._count += 1
            return None
        waiter: asyncio.Future[Environment | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return await waiter

    async def _make(self) -> Environment:
        """A new environment, initialised. NotReady if that fails."""
        name = self.bench.container_name(f"env{next(self._numbers)}")
        api = RuntimeApi(self.bench.workload)
        address = await api.start(self.bench.engine.host_address)
        try:
            launched = await self.bench.launch(self._spec(name, address))
        except EngineError as error:
            await api.close()
            raise NotReady(str(error)) from error
        except asyncio.CancelledError:
            await api.close()
            raise
        environment = Environment(api, launched)
        self._live.add(environment)
        launched.ended.add_done_callback(lambda task: _tell(api, task))
        try:
            await api.ready()
        except (EngineError, InitError, EnvironmentEnded) as error:
            cold = ColdParts.of(launched, self.bench.clock.now_ns())
            output = (await launched.container.output())[-1000:]
            await self._end(environment)
            out_of_memory = isinstance(error, EnvironmentEnded) and error.end.out_of_memory
            raise NotReady(f"{error}; it printed: {output}", cold, out_of_memory=out_of_memory) from error
        environment.cold = ColdParts.of(launched, self.bench.clock.now_ns())
        self.bench.event("container_ready", name, duration_s=environment.cold.init_s)
        return environment

    def _record_not_ready(self, work: Work, queue_s: float, error: NotReady) -> None:
        """Nothing could be invoked; Lambda bills the INIT all the same (since 2025-08-01)."""
        row = attempt(
            self.bench,
            work,
            KIND,
            outcome=Outcome.OUT_OF_MEMORY if error.out_of_memory else Outcome.ERROR,
            error=str(error),
            done_ns=self.bench.clock.now_ns(),
            queue_s=queue_s,
            cold=error.cold,
            billed_s=billed(error.cold.init_s) if error.cold else None,
        )
        self.bench.recorder.attempt(row)

    async def _invoke(
        self, work: Work, environment: Environment, queue_s: float, cold: ColdParts | None
    ) -> None:
        container = environment.container
        # A cold attempt caused its container, so all that the container used before is its own.
        before = Usage(cpu_s=0.0) if cold else container.brief_usage()
        sent_ns = self.bench.clock.now_ns()
        invocation = Invocation(
            request_id=str(uuid.uuid4()),
            payload=json.dumps(s3_event(work.item)).encode(),
            deadline_ms=sent_ns // 1_000_000 + round(self.settings.timeout_s * 1000),
        )
        answer, outcome, error = await self._answer(environment, invocation)
        done_ns = self.bench.clock.now_ns()
        result, wrong = item_result(answer) if answer and outcome is Outcome.OK else (None, "")
        after = container.brief_usage()
        duration_s = (done_ns - sent_ns) / 1e9
        row = attempt(
            self.bench,
            work,
            KIND,
            outcome=Outcome.ERROR if wrong else outcome,
            error=wrong or error,
            done_ns=done_ns,
            result=result,
            queue_s=queue_s,
            cold=cold,
            billed_s=billed(duration_s + (cold.init_s if cold else 0.0)),
            memory_peak_bytes=after.memory_peak_bytes if after else None,
            container_cpu_s=cpu_between(before, after),
            container=container.name,
        )
        self.bench.recorder.attempt(row)
        if answer is None:
            await self._end(environment)
            self._free_slot()
        else:
            self._release(environment)

    async def _answer(
        self, environment: Environment, invocation: Invocation
    ) -> tuple[Answer | None, Outcome, str]:
        """The function's answer with outcome and error text; None when its environment is of no more use."""
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                answer = await environment.api.invoke(invocation)
        except TimeoutError:
            return None, Outcome.TIMEOUT, f"Task timed out after {self.settings.timeout_s:.2f} seconds"
        except EnvironmentEnded as ended:
            outcome = Outcome.OUT_OF_MEMORY if ended.end.out_of_memory else Outcome.ERROR
            return None, outcome, runtime_exit(invocation.request_id, ended.end)
        except EngineError as error:
            return None, Outcome.ERROR, str(error)
        if answer.error_type:
            return answer, Outcome.ERROR, answer.error_text
        return answer, Outcome.OK, ""

    def _release(self, environment: Environment) -> None:
        """Keep the environment for the next item, or end it when it may not idle."""
        if self.settings.idle_s == 0:
            self._retire(environment)
        elif self._waiting:
            self._waiting.popleft().set_result(environment)
        else:
            self._idle.append(environment)
            loop = asyncio.get_running_loop()
            environment.idle_timer = loop.call_later(self.settings.idle_s, self._evict, environment)

    def _evict(self, environment: Environment) -> None:
        if environment in self._idle:
            self._idle.remove(environment)
            self._retire(environment)

    def _retire(self, environment: Environment) -> None:
        """End an environment in the background; its slot is free once it is gone, as it still uses the machine."""

        async def end_and_free() -> None:
            await self._end(environment)
            self._free_slot()

        task = asyncio.create_task(end_and_free())
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def _end(self, environment: Environment) -> None:
        self._live.discard(environment)
        await self.bench.remove(environment.launched)
        await environment.api.close()

    def _free_slot(self) -> None:
        """Give the slot of an ended environment to whoever waits longest."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._count -= 1

    def _spec(self, name: str, runtime_api: str) -> ContainerSpec:
        bench, settings = self.bench, self.settings
        handler = f"workloads.{bench.workload}.function.handler"
        own = {
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_LAMBDA_FUNCTION_NAME": bench.workload,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{bench.workload}",
            "AWS_LAMBDA_LOG_STREAM_NAME": name,
            "AWS_REGION": "us-east-1",
            "_HANDLER": handler,
        }
        return ContainerSpec(
            name=name,
            command=("python3", "-m", "awslambdaric", handler),
            environment=bench.environment() | own,
            limits=limits(settings),
            readable=(bench.store_in,),
            writable=(bench.store_out,),
            network=True,
        )


def limits(settings: FunctionSettings) -> Limits:
    """Lambda's limits for this memory."""
    return Limits(vcpu=settings.vcpu, memory_bytes=settings.memory_mb * MB)


def billed(duration_s: float) -> float:
    """Lambda bills whole milliseconds, rounded up; INIT is part of the duration (since 2025-08-01)."""
    return math.ceil(round(duration_s * 1000, 6)) / 1000


def item_result(answer: Answer) -> tuple[dict[str, Any] | None, str]:
    """The workload's account of the item, or what is wrong with the answer."""
    try:
        result = json.loads(answer.body)["results"][0]
    except (ValueError, LookupError, TypeError):
        result = answer.body.decode(errors="replace")
    wrong = unreadable(result)
    return (None, wrong) if wrong else (result, "")


def runtime_exit(request_id: str, end: Exit) -> str:
    """The error that Lambda gives for an environment that ended on its own."""
    how = "signal: killed" if end.code == 137 else f"exit status {end.code}"
    return f"Runtime.ExitError: RequestId: {request_id} Error: Runtime exited with error: {how}"


def s3_event(key: str) -> dict[str, Any]:
    """An S3 notification of a created object, as S3 sends it to Lambda (keys are URL-encoded)."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "in", "arn": "arn:aws:s3:::in"},
                    "object": {"key": quote_plus(key, safe="/")},
                },
            }
        ]
    }


def _tell(api: RuntimeApi, ended: asyncio.Task[Exit]) -> None:
    if not ended.cancelled():
        error = ended.exception()
        api.fail(EngineError(str(error)) if error else EnvironmentEnded(ended.result()))
