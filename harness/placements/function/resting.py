"""Rest between invocations: frozen as soon as the runtime polls, and thawed for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from harness.engines.base import EngineError
from harness.placements.base import Bench
from harness.placements.function.runtime import NS_PER_S, EnvironmentEnded, Runtime
from harness.placements.function.runtime_api import InitError

# An invocation that follows at once finds it thawed: freezing and thawing take 0.3 ms of the one that waits for them.
FREEZE_AFTER_S = 0.002


class Rest:
    """Freezes one runtime, and thaws it."""

    def __init__(self, bench: Bench, runtime: Runtime) -> None:
        self._bench = bench
        self._runtime = runtime
        # One call to freeze or thaw at a time: Docker's own pause and unpause do not stand being mixed.
        self._freezing = asyncio.Lock()
        self._frozen = False
        # The rest that was last asked for; None while it is wanted.
        self._rest: object | None = None

    def begin(self, deadline_ns: int) -> Coroutine[Any, Any, None]:
        """Freeze it as soon as it polls; one that is broken, or has not polled by then, is stopped.

        It rests from this call on, whenever the coroutine is begun, so that `end` undoes it in every order.
        """
        self._rest = rest = object()
        return self._come_to_rest(rest, deadline_ns)

    async def end(self) -> None:
        """Thaw it, if it was frozen, and keep it from being so."""
        self._rest = None
        async with self._freezing:
            if self._frozen:
                self._frozen = False
                begun_ns = self._bench.clock.now_ns()
                await self._runtime.container.thaw()
                self._tell("container_thawed", begun_ns)

    async def _come_to_rest(self, rest: object, deadline_ns: int) -> None:
        if self._rest is not rest:
            return
        if self._runtime.broken:
            await self._runtime.stop()
            return
        left_s = (deadline_ns - self._bench.clock.now_ns()) / NS_PER_S
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                await self._runtime.api.ready()
        except TimeoutError:
            if self._rest is rest:
                await self._runtime.stop()
        except (EnvironmentEnded, InitError, EngineError):
            return
        await asyncio.sleep(FREEZE_AFTER_S)
        await self._freeze(rest)

    async def _freeze(self, rest: object) -> None:
        async with self._freezing:
            if self._rest is not rest or self._frozen or not self._runtime.alive:
                return
            begun_ns = self._bench.clock.now_ns()
            self._frozen = await self._runtime.container.freeze()
            self._tell("container_frozen" if self._frozen else "freeze_failed", begun_ns)

    def _tell(self, kind: str, begun_ns: int) -> None:
        took_s = (self._bench.clock.now_ns() - begun_ns) / NS_PER_S
        self._bench.event(kind, self._runtime.name, duration_s=took_s)
