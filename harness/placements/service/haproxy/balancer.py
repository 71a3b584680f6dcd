"""HAProxy as a `Balancer`."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.engines.base import LoadBalancer
from harness.engines.load_balancer import FOLDER_PREFIX
from harness.engines.ownership import give_to_containers
from harness.placements.base import Bench
from harness.placements.service.balancer import NoTarget, Route, Target
from harness.placements.service.haproxy.configuration import configuration
from harness.placements.service.haproxy.container import HaproxyContainer
from harness.placements.service.haproxy.runtime_api import HaproxyError, RuntimeApi
from harness.placements.service.haproxy.servers import Servers
from harness.scenario import ServiceSettings

ROLE = "balancer"


class Haproxy:
    """A `Balancer`; one that ends is started again, and told of its tasks anew."""

    def __init__(self, bench: Bench, settings: ServiceSettings, program: LoadBalancer) -> None:
        # An arm of its own: it is none of the tasks, and what it uses is none of theirs.
        self._bench = bench = replace(bench, arm=f"{bench.arm}-{ROLE}")
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        give_to_containers(self._folder)
        self._configuration = self._folder / "haproxy.cfg"
        self._api = RuntimeApi(self._folder / "admin.sock")
        self._container = HaproxyContainer(bench, program, self._configuration, self._api)
        self._servers = Servers(self._api, settings.target)
        self._keeping: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start it. EngineError with what it printed if it does not come up."""
        self._configuration.write_text(configuration(self._settings, self._api.socket))
        await self._container.open()
        self._keeping = [
            asyncio.create_task(self._container.keep_up(self._servers.lose, self._servers.look)),
            asyncio.create_task(self._servers.keep_told()),
        ]
        for task in self._keeping:
            task.add_done_callback(self._note_failed)

    @contextmanager
    def route(self) -> Iterator[Route]:
        """To itself; which task that leads to, its answer tells. NoTarget until it is back from having been killed."""
        address = self._container.address
        if address is None or not self._servers.are_back:
            raise NoTarget("the load balancer is being started again")
        host, port = address
        yield Route(f"http://{host}:{port}")

    async def register(self, target: Target) -> None:
        """Have it added, down until its first check has passed."""
        self._servers.register(target)

    async def is_up(self, name: str) -> None:
        """Wait until its checks pass."""
        await self._servers.is_up(name)

    async def is_down(self, name: str) -> None:
        """Wait until its checks fail: after they had passed, or since it was added for as long as that would take."""
        await self._servers.is_down(name)

    async def deregister(self, name: str, delay_s: float) -> None:
        """Have it drained, then deleted, with what it still has in hand once the delay is over."""
        await self._servers.deregister(name, delay_s)

    async def close(self) -> None:
        """Keep its counters, and take it down."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        try:
            if self._container.address is not None:
                with contextlib.suppress(HaproxyError):
                    for record in await self._api.counters():
                        self._bench.keep("counters.jsonl", {"block": self._bench.block} | record)
            await self._container.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _note_failed(self, keeping: asyncio.Task[None]) -> None:
        """Nobody keeps it any more, so tasks that wait for it wait for ever: that must not go untold."""
        if not keeping.cancelled() and (error := keeping.exception()) is not None:
            self._bench.event("balancer_failed", reason=f"{type(error).__name__}: {error}")
