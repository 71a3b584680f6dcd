"""Room for tasks: each on its own with Fargate and Lightsail, packed on instances with EC2.

A task goes on the fullest instance that still holds it (ECS's `binpack`), and an instance is launched when none does.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Literal

from harness.clock import Clock
from harness.placements.capacity import (
    ComputeEnvironment,
    Delay,
    EnvironmentSettings,
    Instance,
    InstanceType,
    Need,
    Told,
)
from harness.scenario import ServiceSettings

NO_DELAY = Delay(median_s=0.0)
# What had room, where, and for how many seconds.
GivenBack = Callable[[Need, Instance, float], None]


class Rooms:
    """`take` waits for room, `release` gives it back; launches take their time only once `launches_take_time`."""

    def __init__(
        self, name: str, settings: ServiceSettings, clock: Clock, told: Told, given_back: GivenBack, seed: int
    ) -> None:
        kind: Literal["EC2", "FARGATE"] = "EC2" if settings.compute == "EC2" else "FARGATE"
        self._delay = Delay(median_s=settings.launch.median_s, spread=settings.launch.spread)
        own = EnvironmentSettings(
            name=name,
            kind=kind,
            max_vcpu=math.inf,
            types=tuple(InstanceType(each.name, each.vcpu, each.memory_mb) for each in settings.instances),
            launch=NO_DELAY,
            seed=seed,
        )
        self._environment = ComputeEnvironment(own, clock, told, self._place)
        self._waiting: dict[Need, asyncio.Future[Instance]] = {}
        self._taken: dict[Need, tuple[Instance, int]] = {}
        self._clock = clock
        self._given_back = given_back

    def launches_take_time(self) -> None:
        """From now on: what stands before the first item is nobody's wait."""
        self._environment.launch = self._delay

    async def take(self, need: Need) -> Instance:
        """Room, when there is some."""
        room: asyncio.Future[Instance] = asyncio.get_running_loop().create_future()
        self._waiting[need] = room
        self._place()
        try:
            return await room
        finally:
            self._waiting.pop(need, None)

    def release(self, need: Need) -> None:
        """It needs no room any more, if it had some."""
        if need in self._taken:
            instance, since_ns = self._taken.pop(need)
            self._given_back(need, instance, (self._clock.now_ns() - since_ns) / 1e9)
            self._environment.release(instance, need)

    def close(self) -> None:
        """End every instance."""
        self._environment.close()

    def _place(self) -> None:
        for need, room in list(self._waiting.items()):
            if room.done():  # whoever waited has gone
                continue
            instance = self._environment.place(need)
            if instance is not None:
                del self._waiting[need]
                self._taken[need] = instance, self._clock.now_ns()
                room.set_result(instance)
        self._environment.grow(list(self._waiting))
