"""Asynchronous invocations: a queue, retries with their delays, a maximum age, and a letter for what is given up.

Source: AWS Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation", read
2026-11-23: a function error is tried again after one and after two more minutes; what is throttled goes back to the
queue, and is tried again after 1 s, then ever later up to 5 minutes, until it is too old (6 h).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from harness.clock import Clock

E = TypeVar("E")

BACKOFF_FIRST_S = 1.0
BACKOFF_MOST_S = 300.0
RETRIES_EXHAUSTED = "RetriesExhausted"
TOO_OLD = "EventAgeExceeded"


class Ending(StrEnum):
    """How an event ended: in exactly one of these."""

    DONE = "done"
    DEAD_LETTERED = "dead_lettered"
    EXPIRED = "expired"


class Tried(StrEnum):
    """What one try came to; one that was throttled does not count."""

    OK = "ok"
    FAILED = "failed"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and when. `time_scale` multiplies every wait and the maximum age."""

    retries: int = 2
    delays_s: tuple[float, ...] = (60.0, 120.0)
    max_age_s: float = 21_600.0
    time_scale: float = 1.0


class EventQueue(Generic[E]):
    """`put` an event; `try_once` is called with it and the number of the try, and says what that came to."""

    def __init__(
        self,
        try_once: Callable[[E, int], Awaitable[Tried]],
        rules: Retries,
        clock: Clock,
        letter: Callable[[E, str, int], None],
    ) -> None:
        self._try_once = try_once
        self._rules = rules
        self._clock = clock
        self._letter = letter
        self._left: dict[asyncio.Task[Ending], E] = {}

    def put(self, event: E) -> asyncio.Future[Ending]:
        """Take an event and return at once; the future tells how it ended."""
        task = asyncio.get_running_loop().create_task(self._carry_out(event))
        self._left[task] = event
        task.add_done_callback(self._forget)
        return task

    async def close(self) -> list[E]:
        """End every wait; returns the events that had not ended."""
        left = dict(self._left)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return [event for task, event in left.items() if task.cancelled()]

    def _forget(self, task: asyncio.Future[Ending]) -> None:
        self._left.pop(task, None)  # type: ignore[call-overload]

    async def _carry_out(self, event: E) -> Ending:
        rules = self._rules
        expires_ns = self._clock.now_ns() + round(rules.max_age_s * rules.time_scale * 1e9)
        tries = 0
        backoff_s = BACKOFF_FIRST_S
        while True:
            result = await self._try_once(event, tries + 1)
            if result is Tried.OK:
                return Ending.DONE
            if result is Tried.THROTTLED:
                wait_s, backoff_s = backoff_s, min(2 * backoff_s, BACKOFF_MOST_S)
            else:
                tries += 1
                if tries > rules.retries:
                    self._letter(event, RETRIES_EXHAUSTED, tries)
                    return Ending.DEAD_LETTERED
                wait_s, backoff_s = rules.delays_s[min(tries, len(rules.delays_s)) - 1], BACKOFF_FIRST_S
            left_s = (expires_ns - self._clock.now_ns()) / 1e9
            await asyncio.sleep(min(wait_s * rules.time_scale, max(0.0, left_s)))
            if wait_s * rules.time_scale >= left_s:
                self._letter(event, TOO_OLD, tries)
                return Ending.EXPIRED
