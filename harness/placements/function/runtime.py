"""The runtime of one environment: the processes in its container, which may end and be started anew.

A new life has the same container, so the same /tmp, and no memory of the last. Source: AWS Lambda Developer Guide,
"Understanding the Lambda execution environment lifecycle", read 2026-11-23.
"""

from __future__ import annotations

import asyncio

from harness.engines.base import Container, EngineError, Exit
from harness.placements.attempts import ColdParts
from harness.placements.base import Bench, Launched
from harness.placements.function.definition import Definition
from harness.placements.function.logs import LogStream
from harness.placements.function.runtime_api import RuntimeApi

NS_PER_S = 1e9


class EnvironmentEnded(RuntimeError):
    """The runtime ended while something was awaited of it."""

    def __init__(self, end: Exit) -> None:
        how = "signal: killed" if end.code == 128 + 9 else f"exit status {end.code}"
        told = "without providing a reason" if end.code == 0 else f"with error: {how}"
        super().__init__(f"Runtime exited {told}")
        self.end = end


class Runtime:
    """`launch`, then `renew` or `stop` as often as it takes, and `shut_down`; `api` is how it is spoken to."""

    def __init__(self, bench: Bench, definition: Definition, name: str) -> None:
        self.name = name
        self.api = RuntimeApi(definition.name, self._peer)
        # It may be given no event before it is renewed.
        self.broken = False
        self._bench = bench
        self._definition = definition
        self._launched: Launched | None = None
        self._reachable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._renewing: asyncio.Task[None] | None = None
        # One end or beginning of a life at a time.
        self._turning = asyncio.Lock()

    @property
    def launched(self) -> Launched:
        """Its present life; only after `launch`."""
        assert self._launched is not None
        return self._launched

    @property
    def container(self) -> Container:
        """Where it lives; only after `launch`."""
        return self.launched.container

    @property
    def alive(self) -> bool:
        """Whether its processes run."""
        return self._launched is not None and not self._launched.ended.done()

    async def launch(self, log: LogStream) -> None:
        """Make its container and start it there. EngineError if no container can be made."""
        address = await self.api.start(self._bench.engine.host_address)
        spec = self._definition.spec(self.name, address, log.write)
        try:
            self._launched = await self._bench.launch(spec)
        except (EngineError, asyncio.CancelledError):
            await self.api.close()
            raise
        await self._attend()

    async def renew(self) -> None:
        """Start it anew, and wait for it to poll."""
        # A timeout must not cut it short: whether it has been started would be known to nobody.
        self._renewing = asyncio.create_task(self._restart())
        await asyncio.shield(self._renewing)
        await self.api.ready()
        await self.end_boost()

    def parts_since(self, begun_ns: int) -> ColdParts:
        """Of a new life that began then, as far as it has come."""
        now_ns = self._bench.clock.now_ns()
        launched = self._launched
        if launched is None or launched.begun_ns < begun_ns:  # it has not been started yet
            return ColdParts(start_s=(now_ns - begun_ns) / NS_PER_S)
        started_ns = launched.started_ns
        return ColdParts(start_s=(started_ns - begun_ns) / NS_PER_S, init_s=(now_ns - started_ns) / NS_PER_S)

    async def stop(self) -> None:
        """Kill what runs now, for the next invocation to start anew; a new life that has begun since is let be."""
        life = self._launched
        self.broken = True
        async with self._turning:
            if self._launched is life:
                await self._kill()

    async def shut_down(self) -> None:
        """SIGTERM, then SIGKILL, and no trace is left; a new life that is being begun is waited for."""
        if self._renewing is not None:
            await asyncio.wait({self._renewing})
        if self._launched is not None:
            await self._bench.remove(self._launched, self._definition.shutdown_s if self.alive else 0.0)
        await self.api.close()

    async def end_boost(self) -> None:
        """Its initialisation is over, and with it the CPU that this was given."""
        if self._definition.init_vcpu is not None:
            await self.container.limit_cpu(self._definition.limits.vcpu)

    async def _peer(self) -> str | None:
        await asyncio.shield(self._reachable)
        return self.container.peer

    async def _attend(self) -> None:
        """It has been started: watch its end, and let its requests in."""
        self.launched.ended.add_done_callback(self._note_end)
        if not self._reachable.done():
            self._reachable.set_result(None)
        if self._definition.init_vcpu is not None:
            await self.container.limit_cpu(self._definition.init_vcpu)

    def _note_end(self, ended: asyncio.Task[Exit]) -> None:
        if not ended.cancelled() and self._launched is not None and self._launched.ended is ended:
            error = ended.exception()
            self.api.fail(EngineError(str(error)) if error else EnvironmentEnded(ended.result()))

    async def _restart(self) -> None:
        async with self._turning:
            await self._kill()
            self.api.expect()
            self._reachable = asyncio.get_running_loop().create_future()
            self._launched = await self._bench.restart(self.launched)
            self.broken = False
            await self._attend()

    async def _kill(self) -> None:
        if self.alive:
            self._bench.event("container_reset", self.name)
            await self.container.stop(0)
        await self.launched.ended
