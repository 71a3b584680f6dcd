"""HAProxy before the tasks of a service: in a container of its own, told of tasks through its runtime API.

Least connections, active health checks, no request to a task that drains. A request that could not be handed over at
all (its connection was refused) goes to another task, which AWS's load balancer would answer with 502.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.engines.base import ContainerSpec, EngineError, Limits, LoadBalancer
from harness.engines.load_balancer import FOLDER_PREFIX
from harness.engines.ownership import give_to_containers
from harness.placements.base import Bench, Launched
from harness.placements.service.balancer import DRAIN_PERIOD_S, NoTarget, Route, Target
from harness.placements.service.haproxy_api import BACKEND, HaproxyError, RuntimeApi
from harness.scenario import ServiceSettings

PORT = 8080
TRIES = 5
COMING_UP_S = 10.0
POLL_PERIOD_S = 0.05
PRINTED_BYTES = 2000
NAME = "haproxy"
ROLE = "balancer"
# AWS's load balancer is not part of what a task may use, so this one has all that it takes.
LIMITS = Limits(vcpu=1.0, memory_bytes=256 * 2**20, cpu="share", open_files=20_000)

# Milliseconds of its log are UTC; a task's name is `-` where none was reached.
CONFIGURATION = """\
global
    maxconn 8000
    no strict-limits
    nbthread 1
    log stdout format raw local0 info
    stats socket {socket} mode 600 level admin
defaults
    mode http
    log global
    option dontlognull
    option redispatch
    retries 2
    timeout connect 2s
    timeout client {timeout_ms}ms
    timeout server {timeout_ms}ms
    timeout http-keep-alive 65s
frontend service
    bind "${{SERVICE_ADDRESS}}"
    log-format '{{"at":%[date(0,us)],"client":"%ci","method":"%HM","path":"%HP","status":%ST,"task":"%s","wait_ms":%Tw,\
"connect_ms":%Tc,"answer_ms":%Tr,"total_ms":%Ta,"bytes":%B,"end":"%ts","retries":"%rc","in_hand":%bc}}'
    http-after-response set-header X-Task %[srv_name]
    default_backend {backend}
backend {backend}
    balance leastconn
    option httpchk GET /healthz
    http-check expect status 200
    timeout check {check_timeout_ms}ms
"""


class Haproxy:
    """A `Balancer`; one that ends is started again, and told of its tasks anew."""

    def __init__(self, bench: Bench, settings: ServiceSettings, program: LoadBalancer) -> None:
        # An arm of its own: it is none of the tasks, and what it uses is none of theirs.
        self._bench = bench = replace(bench, arm=f"{bench.arm}-{ROLE}")
        self._settings = settings
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        give_to_containers(self._folder)
        self._api = RuntimeApi(self._folder / "admin.sock")
        self._log = bench.log_file(bench.container_name(NAME))
        self._printed = b""
        self._launched: Launched | None = None
        self._targets: dict[str, Target] = {}
        self._up: dict[str, bool] = {}
        self._news = asyncio.Condition()
        self._keeping: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start it, on another port where one is taken. EngineError with what it printed if it does not come up."""
        target = self._settings.target
        (self._folder / "haproxy.cfg").write_text(
            CONFIGURATION.format(
                socket=self._api.socket,
                timeout_ms=round(self._settings.timeout_s * 1000),
                check_timeout_ms=round(target.timeout_s * 1000),
                backend=BACKEND,
            )
        )
        for number in range(TRIES):
            self._launched = await self._bench.launch(self._spec(number))
            if await self._comes_up(self._launched):
                break
            await self._bench.remove(self._launched)
            self._launched = None
            printed = self._printed.decode(errors="replace")
            if "cannot bind" not in printed or number + 1 == TRIES:
                raise EngineError(f"HAProxy does not come up; it printed: {printed}")
            self._bench.event("port_taken", printed=printed[:300])
        self._keeping = [asyncio.create_task(self._keep_up()), asyncio.create_task(self._keep_asking())]

    @contextmanager
    def route(self) -> Iterator[Route]:
        """To itself; which task that leads to, its answer tells."""
        if self._launched is None:
            raise NoTarget("the load balancer is not up")
        host, port = self._launched.container.address
        yield Route(f"http://{host}:{port}")

    async def register(self, target: Target) -> None:
        """Add a server, down until its first check has passed."""
        self._targets[target.name] = target
        with contextlib.suppress(HaproxyError):  # it is being started again, and will be told of all of them
            await self._add(target)

    async def is_up(self, name: str) -> None:
        """Wait until its checks pass."""
        async with self._news:
            await self._news.wait_for(lambda: self._up.get(name, False))

    async def is_down(self, name: str) -> None:
        """Wait until its checks fail."""
        async with self._news:
            await self._news.wait_for(lambda: not self._up.get(name, True))

    async def deregister(self, name: str, delay_s: float) -> None:
        """Drain it, then delete it, with what it still has in hand once the delay is over."""
        self._targets.pop(name, None)
        server = f"{BACKEND}/{name}"
        with contextlib.suppress(HaproxyError):
            await self._api.change(f"set server {server} state drain")
            loop = asyncio.get_running_loop()
            end_s = loop.time() + delay_s
            while await self._in_hand(name) and loop.time() < end_s:
                await asyncio.sleep(DRAIN_PERIOD_S)
            await self._api.change(f"set server {server} state maint")
            await self._api.change(f"shutdown sessions server {server}")
            for _ in range(TRIES):  # connections that idle are closed a moment later
                try:
                    await self._api.change(f"del server {server}")
                    break
                except HaproxyError:
                    await asyncio.sleep(DRAIN_PERIOD_S)
        self._up.pop(name, None)

    async def close(self) -> None:
        """Keep its counters, and take it down."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        with contextlib.suppress(HaproxyError):
            for record in await self._api.counters():
                self._bench.keep("counters.jsonl", {"block": self._bench.block} | record)
        if self._launched is not None:
            await self._bench.remove(self._launched)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _add(self, target: Target) -> None:
        server, settings = f"{BACKEND}/{target.name}", self._settings.target
        inter_ms = round(settings.interval_s * 1000)
        await self._api.change(
            f"add server {server} {target.host}:{target.port} check inter {inter_ms}ms fastinter 50ms downinter "
            f"{min(50, inter_ms)}ms rise 1 fall {settings.unhealthy_threshold} on-marked-down shutdown-sessions"
        )
        await self._api.change(f"enable health {server}")
        await self._api.change(f"set server {server} health down")
        await self._api.change(f"enable server {server}")

    async def _in_hand(self, name: str) -> int:
        found = [each for each in await self._api.counters() if each.get("svname") == name]
        return int(found[0].get("scur", 0)) if found else 0

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

    async def _keep_up(self) -> None:
        """Start it again whenever it ends."""
        while self._launched is not None:
            with contextlib.suppress(EngineError):
                await asyncio.shield(self._launched.ended)
            self._bench.event("balancer_ended", self._launched.container.name)
            self._up = {}
            try:
                self._launched = await self._bench.restart(self._launched)
                if await self._comes_up(self._launched):
                    for target in list(self._targets.values()):
                        await self._add(target)
                    self._bench.event("balancer_restarted", self._launched.container.name)
            except (EngineError, HaproxyError) as error:
                self._bench.event("balancer_failed", reason=str(error))
                await asyncio.sleep(POLL_PERIOD_S)

    async def _keep_asking(self) -> None:
        """Know which tasks are well."""
        while True:
            with contextlib.suppress(HaproxyError):
                self._up = await self._api.up()
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(POLL_PERIOD_S)

    def _spec(self, number: int) -> ContainerSpec:
        return ContainerSpec(
            name=self._bench.container_name(NAME if number == 0 else f"{NAME}{number}"),
            # Its configuration is a file, and the port is known to the command alone.
            command=(
                "env", "SERVICE_ADDRESS={host}:{port}", self._program.program, "-db", "-f", str(self._folder /
                "haproxy.cfg"), ),
            environment={},
            limits=LIMITS,
            writable=(self._folder,),
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
