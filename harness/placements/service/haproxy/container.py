"""The container that HAProxy runs in; one that ends is started again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from harness.engines.base import ContainerSpec, EngineError, Limits, LoadBalancer
from harness.placements.base import Bench, Launched
from harness.placements.service.haproxy.runtime_api import (
    COMING_UP_S,
    POLL_PERIOD_S,
    HaproxyError,
    RuntimeApi,
)

PORT = 8080
TRIES = 5
# Between tries to start it again.
AGAIN_S = 1.0
PRINTED_BYTES = 2000
NAME = "haproxy"
# AWS's load balancer is not part of what a task may use, so this one has all that it takes.
LIMITS = Limits(vcpu=1.0, memory_bytes=256 * 2**20, cpu="share", open_files=20_000)


class HaproxyContainer:
    """`open`, then `keep_up` for as long as it is wanted, and `close`."""

    def __init__(self, bench: Bench, program: LoadBalancer, configuration: Path, api: RuntimeApi) -> None:
        """`configuration` is a file; `api` is on a socket in its folder, which is shared with the container."""
        self._bench = bench
        self._program = program
        self._configuration = configuration
        self._api = api
        self._log = bench.log_file(bench.container_name(NAME))
        self._printed = b""
        self._launched: Launched | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens; None before it was opened."""
        return None if self._launched is None else self._launched.container.address

    async def open(self) -> None:
        """Start it, on another port where one is taken. EngineError with what it printed if it does not come up."""
        for number in range(TRIES):
            self._printed = b""
            self._launched = await self._bench.launch(self._spec(number))
            if await self._comes_up(self._launched):
                break
            await self._bench.remove(self._launched)
            self._launched = None
            printed = self._printed.decode(errors="replace")
            if "cannot bind" not in printed or number + 1 == TRIES:
                raise EngineError(f"HAProxy does not come up; it printed: {printed}")
            self._bench.event("port_taken", printed=printed[:300])

    async def keep_up(self, lost: Callable[[], None], back: Callable[[], None]) -> None:
        """Start it again whenever it ends; `lost` is told then, and `back` when it has been started."""
        while self._launched is not None:
            with contextlib.suppress(EngineError):
                await asyncio.shield(self._launched.ended)
            lost()
            self._bench.event("balancer_ended", self._launched.container.name)
            while not await self._starts_again(self._launched):
                await asyncio.sleep(AGAIN_S)
            back()

    async def close(self) -> None:
        """Remove it."""
        if self._launched is not None:
            await self._bench.remove(self._launched)

    async def _comes_up(self, launched: Launched) -> bool:
        """Whether it answers, rather than ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMING_UP_S):
                while not launched.ended.done():
                    with contextlib.suppress(HaproxyError):
                        await self._api.command("show info")
                        return True
                    await asyncio.sleep(POLL_PERIOD_S)
        return False

    async def _starts_again(self, launched: Launched) -> bool:
        try:
            self._launched = await self._bench.restart(launched)
        except EngineError as error:
            self._bench.event("balancer_failed", reason=str(error))
            return False
        if await self._comes_up(self._launched):
            self._bench.event("balancer_restarted", self._launched.container.name)
        elif self._launched.ended.done():
            printed = self._printed.decode(errors="replace")
            self._bench.event("balancer_failed", reason=f"it ended at once; it printed: {printed}")
            return False
        return True

    def _spec(self, number: int) -> ContainerSpec:
        return ContainerSpec(
            name=self._bench.container_name(NAME if number == 0 else f"{NAME}{number}"),
            # Its configuration is a file, and the port is known to the command alone.
            command=(
                "env", "SERVICE_ADDRESS={host}:{port}", self._program.program, "-db", "-f",
                str(self._configuration),
            ),
            environment={},
            limits=LIMITS,
            writable=(self._configuration.parent,),
            network="peers",
            port=PORT,
            image=self._program.image,
            output=self._write_log,
        )  # fmt: skip

    def _write_log(self, chunk: bytes) -> None:
        self._printed = (self._printed + chunk)[-PRINTED_BYTES:]
        if self._log is not None:
            with self._log.open("ab") as file:
                file.write(chunk)
