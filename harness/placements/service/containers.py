"""Containers of tasks: the workload's server, its health, and what it uses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import aiohttp

from harness.engines.base import ContainerSpec, EngineError, Exit, Limits
from harness.measure.usage import Usage
from harness.placements.base import Bench, Launched
from harness.placements.service.task import Task
from harness.scenario import ServiceSettings

KIND = "service"
MB = 1024 * 1024
PORT = 8080
WORDS = 1000
# What a server needs beyond the drain to say good-bye.
DRAIN_SHARE, LEAST_DRAIN_S = 0.9, 0.1


def limits(settings: ServiceSettings) -> Limits:
    """What each task's container may use."""
    return Limits(vcpu=settings.vcpu, memory_bytes=settings.memory_mb * MB, cpu=settings.cpu)


class TaskContainer:
    """A `task.Running`."""

    def __init__(self, bench: Bench, launched: Launched, http: aiohttp.ClientSession) -> None:
        self._bench = bench
        self._http = http
        self.launched = launched

    @property
    def name(self) -> str:
        """The container's name."""
        return self.launched.container.name

    @property
    def address(self) -> tuple[str, int]:
        """Where it is reached."""
        return self.launched.container.address

    @property
    def ended(self) -> asyncio.Future[Exit]:
        """Its end."""
        return self.launched.ended

    async def healthy(self, timeout_s: float) -> bool:
        """Whether it answers `GET /healthz` with 200 in time. ECS would run a command in the container."""
        host, port = self.address
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._http.get(f"http://{host}:{port}/healthz", timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def last_words(self) -> str:
        """The end of what it printed; empty where nobody can tell any more."""
        try:
            return (await self.launched.container.output())[-WORDS:].strip()
        except EngineError:
            return ""

    async def remove(self, grace_s: float) -> None:
        """Stop it in order, and remove it."""
        await self._bench.remove(self.launched, grace_s)

    def usage(self) -> Usage | None:
        """Its CPU time and peak memory now: quick to read."""
        return self.launched.container.brief_usage()

    def full_usage(self) -> Usage | None:
        """All that it uses now."""
        return self.launched.container.usage()


class TaskRunner:
    """A `task.Runner` on a bench. `started` is told of every container."""

    def __init__(
        self,
        bench: Bench,
        settings: ServiceSettings,
        http: aiohttp.ClientSession,
        started: Callable[[Task, TaskContainer], None],
    ) -> None:
        self._bench = bench
        self._settings = settings
        self._http = http
        self._started = started

    async def start(self, task: Task) -> TaskContainer:
        """Start the workload's server. EngineError if it cannot be."""
        container = TaskContainer(self._bench, await self._bench.launch(self._spec(task)), self._http)
        self._started(task, container)
        return container

    def _spec(self, task: Task) -> ContainerSpec:
        bench, settings = self._bench, self._settings
        own = {
            "SERVICE_WORKERS": str(math.ceil(settings.vcpu)),
            "SERVICE_QUEUE": str(settings.queue),
            "SERVICE_TIMEOUT_S": f"{settings.timeout_s:g}",
            "SERVICE_DRAIN_S": f"{max(LEAST_DRAIN_S, settings.stop_timeout_s * DRAIN_SHARE):g}",
        }
        return ContainerSpec(
            name=bench.container_name(task.name),
            command=(*bench.entry_point("service"), "--host", "{host}", "--port", "{port}"),
            environment={**bench.environment(), **own, **task.revision.environment},
            limits=limits(settings),
            readable=(bench.store_in,),
            writable=(bench.store_out,),
            network="peers" if bench.engine.load_balancer else "harness",
            port=PORT,
        )
