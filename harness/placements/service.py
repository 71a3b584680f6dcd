"""The service placement: tasks that are kept running, healthy before the first request, requests spread over them."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from harness.engines.base import ContainerSpec, EngineError, Limits
from harness.placements.attempts import attempt, cpu_between, unreadable
from harness.placements.base import Bench, Launched, Work
from harness.rows import Outcome
from harness.scenario import ServiceSettings

KIND = "service"
MB = 1024 * 1024
PORT = 8080
HEALTH_PERIOD_S = 0.05
STOP_GRACE_S = 2.0


@dataclass(slots=True, eq=False)
class Task:
    """One task, the requests that it has in hand, and how many it was ever given."""

    launched: Launched
    in_hand: int = 0
    given: int = 0

    def url(self, path: str) -> str:
        """Address of `path` on this task."""
        host, port = self.launched.container.address
        return f"http://{host}:{port}{path}"


@dataclass(slots=True)
class ServicePlacement:
    """`tasks` containers behind client-side least-requests balancing."""

    bench: Bench
    settings: ServiceSettings
    _tasks: list[Task] = field(default_factory=list)
    _http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Start every task and wait until each is healthy. EngineError if one is not in time."""
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout_s)
        self._http = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.settings.tasks):
                    group.create_task(self._start_task(number))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def run(self, work: Work) -> None:
        """Send the item to the task with the fewest requests in hand, of those that live."""
        alive = [task for task in self._tasks if not task.launched.ended.done()] or self._tasks
        task = min(alive, key=lambda candidate: candidate.in_hand)
        task.in_hand += 1
        task.given += 1
        alone, given = task.in_hand == 1, task.given
        container = task.launched.container
        before = container.brief_usage() if alone else None
        result: dict[str, Any] | None = None
        try:
            status, body = await self._post(task, work.item)
            outcome, result, error = _judge(status, body)
        except TimeoutError:
            outcome, error = Outcome.TIMEOUT, f"no answer within {self.settings.timeout_s} s"
        except aiohttp.ClientError as problem:
            outcome, error = await self._why_gone(task, problem)
        finally:
            task.in_hand -= 1
        done_ns = self.bench.clock.now_ns()
        usage = container.brief_usage()
        row = attempt(
            self.bench,
            work,
            KIND,
            outcome=outcome,
            error=error,
            done_ns=done_ns,
            result=result,
            memory_peak_bytes=usage.memory_peak_bytes if usage else None,
            container_cpu_s=cpu_between(before, usage) if task.given == given else None,
            container=container.name,
        )
        self.bench.recorder.attempt(row)

    async def close(self) -> None:
        """Stop every task gracefully, and remove it."""
        if self._http is not None:
            await self._http.close()
        await asyncio.gather(*(self.bench.remove(task.launched, STOP_GRACE_S) for task in self._tasks))

    async def _post(self, task: Task, item: str) -> tuple[int, Any]:
        """Status and body. ClientError also when the task ends first: its connection would hang, as no host answers."""
        request = asyncio.create_task(self._request(task, item))
        await asyncio.wait({request, task.launched.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not request.done():
            request.cancel()
            raise aiohttp.ServerDisconnectedError
        return await request

    async def _request(self, task: Task, item: str) -> tuple[int, Any]:
        """Status, and the body as JSON, or as text where it is none."""
        assert self._http is not None, "open() comes first"
        async with self._http.post(task.url(f"/{self.bench.workload}"), json={"item": item}) as response:
            text = await response.text(errors="replace")
            try:
                return response.status, json.loads(text)
            except ValueError:
                return response.status, text

    async def _start_task(self, number: int) -> None:
        task = Task(await self.bench.launch(self._spec(number)))
        self._tasks.append(task)
        begun_ns = self.bench.clock.now_ns()
        try:
            async with asyncio.timeout(self.settings.healthy_within_s):
                while not await self._is_healthy(task):
                    await asyncio.sleep(HEALTH_PERIOD_S)
        except TimeoutError:
            output = (await task.launched.container.output())[-1000:]
            name, limit_s = task.launched.container.name, self.settings.healthy_within_s
            raise EngineError(f"{name}: not healthy within {limit_s} s; it printed: {output}") from None
        took_s = (self.bench.clock.now_ns() - begun_ns) / 1e9
        self.bench.event("container_ready", task.launched.container.name, duration_s=took_s)

    async def _is_healthy(self, task: Task) -> bool:
        assert self._http is not None, "open() comes first"
        if task.launched.ended.done():
            output = (await task.launched.container.output())[-1000:]
            raise EngineError(
                f"{task.launched.container.name}: ended before it was healthy; it printed: {output}"
            )
        try:
            async with self._http.get(task.url("/healthz")) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def _why_gone(self, task: Task, problem: aiohttp.ClientError) -> tuple[Outcome, str]:
        """A connection broke: if the task has died, its end says why."""
        try:
            async with asyncio.timeout(1.0):
                end = await asyncio.shield(task.launched.ended)
        except TimeoutError:
            return Outcome.ERROR, f"{type(problem).__name__}: {problem}"
        if end.out_of_memory:
            return Outcome.OUT_OF_MEMORY, "OutOfMemoryError: Container killed due to memory usage"
        return Outcome.ERROR, f"task ended with exit code {end.code}"

    def _spec(self, number: int) -> ContainerSpec:
        bench = self.bench
        app = f"workloads.{bench.workload}.service:app"
        serve = ("python3", "-m", "uvicorn", app, "--host", "{host}", "--port", "{port}", "--no-access-log")
        return ContainerSpec(
            name=bench.container_name(f"task{number}"),
            command=serve,
            environment=bench.environment() | {"SERVICE_WORKERS": str(math.ceil(self.settings.vcpu))},
            limits=limits(self.settings),
            readable=(bench.store_in,),
            writable=(bench.store_out,),
            network=True,
            port=PORT,
        )


def limits(settings: ServiceSettings) -> Limits:
    """What each task may use."""
    return Limits(vcpu=settings.vcpu, memory_bytes=settings.memory_mb * MB, cpu=settings.cpu)


def _judge(status: int, body: Any) -> tuple[Outcome, dict[str, Any] | None, str]:
    """Outcome, the workload's account of the item if there is one, and error text."""
    wrong = unreadable(body)
    result = None if wrong else body
    if status == 200:
        return (Outcome.ERROR if wrong else Outcome.OK), result, wrong
    told = body.get("error", body) if isinstance(body, dict) else body
    return Outcome.ERROR, result, str(told)
