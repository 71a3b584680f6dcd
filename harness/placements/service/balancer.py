"""What stands before the tasks of a service: a load balancer, or the client itself where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

DRAIN_PERIOD_S = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """A task that may be given requests."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Route:
    """Where to send a request, and to which task that leads, where that is known beforehand."""

    url: str
    target: str = ""


class NoTarget(RuntimeError):
    """There is no task that could be given a request."""


class Balancer(Protocol):
    """Spreads requests over the tasks that are registered and well."""

    async def open(self) -> None:
        """Bring it up. EngineError if it does not come up."""
        ...

    def route(self) -> AbstractContextManager[Route]:
        """A route for one request, which is in hand meanwhile; NoTarget where there is none."""
        ...

    async def register(self, target: Target) -> None:
        """Begin to check it, and to give it requests once it is well."""
        ...

    async def is_up(self, name: str) -> None:
        """Wait until this one is well."""
        ...

    async def is_down(self, name: str) -> None:
        """Wait until this one is not well any more."""
        ...

    async def deregister(self, name: str, delay_s: float) -> None:
        """Give it no more requests; return when it has none in hand, or at the latest after `delay_s`."""
        ...

    async def close(self) -> None:
        """Take it down."""
        ...


@dataclass(slots=True)
class _Own:
    target: Target
    in_hand: int = 0


@dataclass(slots=True)
class ClientSide:
    """The client takes the tasks in turn, of those with the fewest requests in hand; nobody checks them beside ECS."""

    _targets: dict[str, _Own] = field(default_factory=dict)

    async def open(self) -> None:
        """There is nothing to bring up."""

    @contextmanager
    def route(self) -> Iterator[Route]:
        """To the task that has waited longest, of those with the fewest in hand."""
        if not self._targets:
            raise NoTarget("no task is registered")
        name = min(self._targets, key=lambda each: self._targets[each].in_hand)
        own = self._targets.pop(name)
        self._targets[name] = own  # the last in turn now
        own.in_hand += 1
        try:
            yield Route(f"http://{own.target.host}:{own.target.port}", name)
        finally:
            own.in_hand -= 1

    async def register(self, target: Target) -> None:
        """It may have requests at once."""
        self._targets[target.name] = _Own(target)

    async def is_up(self, name: str) -> None:
        """It was healthy before it was registered."""

    async def is_down(self, name: str) -> None:
        """Nobody would tell."""
        await asyncio.get_running_loop().create_future()

    async def deregister(self, name: str, delay_s: float) -> None:
        """Wait for what it has in hand."""
        own = self._targets.pop(name, None)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + delay_s
        while own is not None and own.in_hand and loop.time() < end_s:
            await asyncio.sleep(DRAIN_PERIOD_S)

    async def close(self) -> None:
        """There is nothing to take down."""
