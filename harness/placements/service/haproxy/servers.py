"""What HAProxy is to know of tasks, and what it says of them.

One loop alone changes HAProxy, from what the tasks ask for and what it says that it has, so no order of events can
leave it with a server too many or too few.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.placements.service.balancer import DRAIN_PERIOD_S, Target
from harness.placements.service.haproxy.runtime_api import (
    BACKEND,
    COMING_UP_S,
    POLL_PERIOD_S,
    UNCHECKED,
    HaproxyError,
    RuntimeApi,
)
from harness.scenario.service import TargetSettings


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


class Servers:
    """The targets of one HAProxy; `keep_told` is the loop."""

    def __init__(self, api: RuntimeApi, settings: TargetSettings) -> None:
        self._api = api
        self._settings = settings
        self._servers: dict[str, _Server] = {}
        # Targets that were up before it was started again, and are not yet.
        self._awaited: set[str] = set()
        self._news = asyncio.Condition()
        self._asked = asyncio.Event()

    @property
    def are_back(self) -> bool:
        """Whether all that were up before HAProxy was started again are up again."""
        return not self._awaited

    def lose(self) -> None:
        """HAProxy has ended, and knows of none of them any more."""
        self._awaited = {name for name, server in self._servers.items() if server.up}
        for server in self._servers.values():
            server.up = server.has_been_up = False
            server.added_s = None
            server.draining.clear()

    def look(self) -> None:
        """Have the next round at once."""
        self._asked.set()

    def register(self, target: Target) -> None:
        """Have it added, down until its first check has passed."""
        self._servers[target.name] = _Server(target)
        self.look()

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
        self.look()
        # Where it cannot be asked for so long there is nothing left that could be drained.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.gone.wait(), delay_s + COMING_UP_S)
        self._servers.pop(name, None)

    async def keep_told(self) -> None:
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
        name, settings = f"{BACKEND}/{server.target.name}", self._settings
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

    def _is_down(self, server: _Server) -> bool:
        if server.up or server.added_s is None:
            return False
        asked = self._settings
        patience_s = asked.unhealthy_threshold * asked.interval_s + asked.timeout_s
        waited_s = asyncio.get_running_loop().time() - server.added_s
        return server.has_been_up or waited_s > patience_s
