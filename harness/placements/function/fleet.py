"""All environments of one function: made as they are needed, reused while warm, evicted when idle for long.

Lambda's own limits throttle (`concurrency.py`). `max_environments` is the machine's: what finds it reached waits for
its turn, which is measured as queueing, since on AWS another environment would have been made.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from harness.placements.base import Bench
from harness.placements.function.concurrency import ScalingRate
from harness.placements.function.definition import Definition
from harness.placements.function.environment import Environment
from harness.placements.function.invocation import throttled
from harness.scenario import FunctionSettings

INIT_LIMIT_S = 10.0
# AWS Lambda Developer Guide, "Lambda execution environment lifecycle": with provisioned concurrency INIT may take
# 130 s or the function's timeout, whichever is longer.
PROVISIONED_INIT_LIMIT_S = 130.0


class Fleet:
    """`take` an environment for one invocation, and `give_back`."""

    def __init__(self, bench: Bench, settings: FunctionSettings, definition: Definition) -> None:
        self._bench = bench
        self._settings = settings
        self._definition = definition
        self._rate = ScalingRate(settings.environments_per_10_s, bench.clock.now_ns())
        self._idle_s = idle_times(settings, bench.seed)
        self._numbers = itertools.count()
        self._count = 0
        self._live: set[Environment] = set()
        self._provisioned: set[Environment] = set()
        self._idle: dict[Environment, asyncio.TimerHandle | None] = {}
        self._waiting: deque[asyncio.Future[Environment | None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Initialise what is provisioned. EngineError if it cannot be."""
        await self._bench.engine.reserve(self._settings.max_environments, network="harness")
        count = self._settings.provisioned_concurrency
        limit_s = max(PROVISIONED_INIT_LIMIT_S, self._settings.timeout_s)
        self._count += count
        made = await asyncio.gather(*(self._make(limit_s) for _ in range(count)))
        for environment in made:
            environment.forget_init()
            self._provisioned.add(environment)
            self._let_rest(environment)

    async def take(self) -> Environment:
        """The warmest idle environment, or a new one; waits at the machine's limit.

        Refused where Lambda would not add environments as fast, EngineError where one cannot be made.
        """
        if self._idle:
            environment, timer = self._idle.popitem()
            if timer is not None:
                timer.cancel()
            await environment.wake()
            return environment
        if self._count < self._settings.max_environments:
            if not self._rate.take(self._bench.clock.now_ns()):
                raise throttled("ConcurrentInvocationLimitExceeded")
            self._count += 1
        else:
            waiter: asyncio.Future[Environment | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            given = await self._wait_for(waiter)
            if given is not None:
                return given
        try:
            return await self._make(INIT_LIMIT_S)
        except BaseException:
            self._free_slot()
            raise

    async def _wait_for(self, waiter: asyncio.Future[Environment | None]) -> Environment | None:
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it had been given something in the same instant
                given = waiter.result()
                self._free_slot() if given is None else self.give_back(given)
            raise

    def give_back(self, environment: Environment) -> None:
        """To whoever waits longest; else it rests, or ends when it may not idle."""
        if self._settings.idle_s == 0 and environment not in self._provisioned:
            self._background(self._retire(environment))
        elif (waiter := self._next_waiter()) is not None:
            waiter.set_result(environment)
        else:
            self._let_rest(environment)

    async def close(self) -> None:
        """End every environment."""
        for timer in self._idle.values():
            if timer is not None:
                timer.cancel()
        self._idle.clear()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(environment) for environment in list(self._live)))

    async def _make(self, init_limit_s: float) -> Environment:
        name = self._bench.container_name(f"env{next(self._numbers)}")
        environment = Environment(self._bench, self._definition, name)
        await environment.initialise(init_limit_s)
        self._live.add(environment)
        return environment

    def _let_rest(self, environment: Environment) -> None:
        idle_s = None if environment in self._provisioned else self._idle_s()
        loop = asyncio.get_running_loop()
        timer = None if idle_s is None else loop.call_later(idle_s, self._evict, environment)
        self._idle[environment] = timer
        self._background(environment.rest())

    def _evict(self, environment: Environment) -> None:
        if self._idle.pop(environment, None) is not None:
            self._bench.event("container_evicted", environment.name)
            self._background(self._retire(environment))

    async def _retire(self, environment: Environment) -> None:
        """End it; its slot is free once it is gone, as it still uses the machine."""
        await self._end(environment)
        self._free_slot()

    async def _end(self, environment: Environment) -> None:
        self._live.discard(environment)
        await environment.end()

    def _free_slot(self) -> None:
        """Give the slot of an ended environment to whoever waits longest."""
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(None)
        else:
            self._count -= 1

    def _next_waiter(self) -> asyncio.Future[Environment | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():  # cancelled ones have gone away
                return waiter
        return None

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def idle_times(settings: FunctionSettings, seed: int) -> Callable[[], float | None]:
    """How long each environment may idle, one after the other: seconds, or None for as long as the run lasts."""
    rule = settings.idle_s
    if rule == "never":
        return lambda: None
    if isinstance(rule, float):
        return lambda: rule
    random = np.random.default_rng(seed)
    if rule.distribution == "uniform":
        return lambda: float(random.uniform(rule.low_s, rule.high_s))
    return lambda: float(random.exponential(rule.mean_s))
