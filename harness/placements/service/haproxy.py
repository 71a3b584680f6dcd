"""HAProxy before the tasks of a service: in a container of its own, told of tasks through its runtime API.

Least connections, active health checks, no request before a task's first check has passed or while it drains; where
the checks of all fail, all have requests, as with AWS's (a second backend has the same servers, unchecked). One loop
alone changes HAProxy, from what the tasks ask for and what it says that it has, so no order of events can leave it
with a server too many or too few. A request that could not be handed over at all (its connection was refused) goes to
another task, which AWS's load balancer would answer with 502.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.engines.base import ContainerSpec, EngineError, Limits, LoadBalancer
from harness.engines.load_balancer import FOLDER_PREFIX
from harness.engines.ownership import give_to_containers
from harness.placements.base import Bench, Launched
from harness.placements.service.balancer import DRAIN_PERIOD_S, NoTarget, Route, Target
from harness.placements.service.haproxy_api import BACKEND, UNCHECKED, HaproxyError, RuntimeApi
from harness.scenario import ServiceSettings

PORT = 8080
TRIES = 5
COMING_UP_S = 10.0
POLL_PERIOD_S = 0.05
# Between tries to start it again.
AGAIN_S = 1.0
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
    use_backend {unchecked} if {{ nbsrv({backend}) eq 0 }}
    default_backend {backend}
backend {unchecked}
    balance leastconn
backend {backend}
    balance leastconn
    option httpchk GET /healthz
    http-check expect status 200
    timeout check {check_timeout_ms}ms
"""


@dataclass(slots=True, eq=False)
class _Server:
    """What is wanted of one target, and how it stands in this life of HAProxy."""

    target: Target
    up: bool = False
    has_been_up: bool = False
    added_s: float | None = None
    leave_by_s: float | None = None
    # Its places in HAProxy's backends that have been told to drain.
    draining: set[str] = field(default_factory=set)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


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
        self._servers: dict[str, _Server] = {}
        # Targets that were up before it was started again, and are not yet.
        self._awaited: set[str] = set()
        self._news = asyncio.Condition()
        self._asked = asyncio.Event()
        self._keeping: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start it, on another port where one is taken. EngineError with what it printed if it does not come up."""
        (self._folder / "haproxy.cfg").write_text(
            CONFIGURATION.format(
                socket=self._api.socket,
                timeout_ms=round(self._settings.timeout_s * 1000),
                check_timeout_ms=round(self._settings.target.timeout_s * 1000),
                backend=BACKEND,
                unchecked=UNCHECKED,
            )
        )
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
        self._keeping = [asyncio.create_task(self._keep_up()), asyncio.create_task(self._keep_told())]
        for task in self._keeping:
            task.add_done_callback(self._note_failed)

    @contextmanager
    def route(self) -> Iterator[Route]:
        """To itself; which task that leads to, its answer tells. NoTarget until it is back from having been killed."""
        if self._launched is None or self._awaited:
            raise NoTarget("the load balancer is being started again")
        host, port = self._launched.container.address
        yield Route(f"http://{host}:{port}")

    async def register(self, target: Target) -> None:
        """Have it added, down until its first check has passed."""
        self._servers[target.name] = _Server(target)
        self._asked.set()

    async def is_up(self, name: str) -> None:
        """Wait until its checks pass."""
        async with self._news:
            await self._news.wait_for(lambda: name in self._servers and self._servers[name].up)

    async def is_down(self, name: str) -> None:
        """Wait until its checks fail: after they had passed, or since it was added for as long as that would take."""
        async with self._news:
            await self._news.wait_for(lambda: name in self._servers and self._is_down(self._servers[name]))

    async def deregister(self, name: str, delay_s: float) -> None:
        """Have it drained, then deleted, with what it still has in hand once the delay is over."""
        server = self._servers.get(name)
        if server is None:
            return
        server.leave_by_s = asyncio.get_running_loop().time() + delay_s
        self._asked.set()
        # Where it cannot be asked for so long there is nothing left that could be drained.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.gone.wait(), delay_s + COMING_UP_S)
        self._servers.pop(name, None)

    async def close(self) -> None:
        """Keep its counters, and take it down."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        try:
            if self._launched is not None:
                with contextlib.suppress(HaproxyError):
                    for record in await self._api.counters():
                        self._bench.keep("counters.jsonl", {"block": self._bench.block} | record)
                await self._bench.remove(self._launched)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _note_failed(self, keeping: asyncio.Task[None]) -> None:
        """Nobody keeps it any more, so tasks that wait for it wait for ever: that must not go untold."""
        if not keeping.cancelled() and (error := keeping.exception()) is not None:
            self._bench.event("balancer_failed", reason=f"{type(error).__name__}: {error}")

    def _is_down(self, server: _Server) -> bool:
        if server.up or server.added_s is None:
            return False
        settings = self._settings.target
        patience_s = settings.unhealthy_threshold * settings.interval_s + settings.timeout_s
        waited_s = asyncio.get_running_loop().time() - server.added_s
        return server.has_been_up or waited_s > patience_s

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
            self._awaited = {name for name, server in self._servers.items() if server.up}
            for server in self._servers.values():
                server.up = server.has_been_up = False
                server.added_s = None
                server.draining.clear()
            self._bench.event("balancer_ended", self._launched.container.name)
            while not await self._starts_again(self._launched):
                await asyncio.sleep(AGAIN_S)

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
        self._asked.set()
        return True

    async def _keep_told(self) -> None:
        """Have HAProxy know what is wanted, and know what it says of it."""
        while True:
            self._asked.clear()
            with contextlib.suppress(HaproxyError):
                await self._tell()
            async with self._news:
                self._news.notify_all()
            leaving = any(server.leave_by_s is not None for server in self._servers.values())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), DRAIN_PERIOD_S if leaving else POLL_PERIOD_S)

    async def _tell(self) -> None:
        """One round. HaproxyError where it cannot be asked, or refuses: the next round tries again."""
        there = await self._api.up()
        for name, server in list(self._servers.items()):
            checked, unchecked = f"{BACKEND}/{name}", f"{UNCHECKED}/{name}"
            server.up = there.get(checked, False)
            server.has_been_up |= server.up
            if server.leave_by_s is not None:
                if not there.keys() & {checked, unchecked}:
                    server.gone.set()
            elif checked not in there:
                await self._add(server)
            elif server.up and unchecked not in there:
                await self._add_unchecked(server)
        self._awaited = {name for name in self._awaited & set(self._servers) if not self._servers[name].up}
        staying = {name for name, server in self._servers.items() if server.leave_by_s is None}
        leaving = [path for path in there if path.partition("/")[2] not in staying]
        if leaving:
            await self._take_away(leaving, await self._api.in_hand())

    async def _add(self, server: _Server) -> None:
        name, settings = f"{BACKEND}/{server.target.name}", self._settings.target
        inter_ms = round(settings.interval_s * 1000)
        # One that is down is looked at often, so that coming up is not told in whole intervals. Enabling a server sets
        # it up, so it is set down again before anything else can happen.
        await self._api.change(
            f"add server {name} {server.target.host}:{server.target.port} check inter {inter_ms}ms rise 1 "
            f"downinter {min(50, inter_ms)}ms fall {settings.unhealthy_threshold}",
            f"enable health {name}",
            f"enable server {name}",
            f"set server {name} health down",
        )
        server.added_s = asyncio.get_running_loop().time()

    async def _add_unchecked(self, server: _Server) -> None:
        """Once it was well: one that has never been is no target yet, also where no other is well."""
        name = f"{UNCHECKED}/{server.target.name}"
        await self._api.change(
            f"add server {name} {server.target.host}:{server.target.port}", f"enable server {name}"
        )

    async def _take_away(self, paths: list[str], in_hand: Mapping[str, int]) -> None:
        now_s = asyncio.get_running_loop().time()
        for path in paths:
            server = self._servers.get(path.partition("/")[2])
            if server is not None and server.leave_by_s is not None and now_s < server.leave_by_s:
                # What it has in hand counts only once it drains: until then it may be given more.
                if path not in server.draining:
                    await self._api.change(f"set server {path} state drain")
                    server.draining.add(path)
                    continue
                if in_hand.get(path, 0):
                    continue
            await self._api.change(f"set server {path} state maint", f"shutdown sessions server {path}")
            # Connections that idle are closed a moment later, and until then it refuses.
            with contextlib.suppress(HaproxyError):
                await self._api.change(f"del server {path}")

    def _spec(self, number: int) -> ContainerSpec:
        return ContainerSpec(
            name=self._bench.container_name(NAME if number == 0 else f"{NAME}{number}"),
            # Its configuration is a file, and the port is known to the command alone.
            command=(
                "env", "SERVICE_ADDRESS={host}:{port}", self._program.program, "-db", "-f",
                str(self._folder / "haproxy.cfg"),
            ),
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
