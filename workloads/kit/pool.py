"""The threads of a service that do its work, and the bounded queue before them."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class QueueFull(Exception):
    """As many items wait as may; `retry_after_s` is about when those in hand now will be done, at least 1."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Pool:
    """Works on `threads` items at once while at most `queue` others wait; event loop and threads share its counts.

    A thread cannot be stopped: work whose caller has gone (a time limit) keeps its thread until it ends, so that
    there are never more than `threads` at work, and is counted as `abandoned`. What still waits is dropped.
    """

    def __init__(self, threads: int, queue: int, watch: Callable[[int, int], None]) -> None:
        """`watch` is told how many wait and how many are worked on, at every change and one at a time."""
        self._executor = ThreadPoolExecutor(threads, "work")
        self._threads, self._room = threads, threads + queue
        self._watch = watch
        self._lock = threading.Lock()
        self._in_hand = self._working = self._abandoned = self._done = 0
        self._worked_s = 0.0

    @property
    def stuck(self) -> bool:
        """Every thread is held by work that was given up."""
        return self._abandoned >= self._threads

    @property
    def working(self) -> int:
        """How many threads are at work, for a caller or not."""
        return self._working

    def check(self) -> None:
        """Raise QueueFull unless another item may come in."""
        if self._in_hand >= self._room:
            mean_s = self._worked_s / self._done if self._done else 1.0
            raise QueueFull(max(1, math.ceil(mean_s * self._in_hand / self._threads)))

    async def run(self, function: Callable[..., T], *args: Any) -> tuple[T, float]:
        """What the function returns, and the seconds that it waited for a thread; raises QueueFull."""
        self.check()
        submitted_s = time.perf_counter()
        begun_s: list[float] = []

        def work() -> T:
            begun_s.append(time.perf_counter())
            self._change(working=1)
            try:
                return function(*args)
            finally:
                self._change(working=-1, worked_s=time.perf_counter() - begun_s[0])

        self._change(in_hand=1)
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: self._change(in_hand=-1))
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._abandon(future)
            raise
        return result, begun_s[0] - submitted_s

    def _abandon(self, future: Future[T]) -> None:
        if not future.cancel() and not future.done():
            self._change(abandoned=1)
            future.add_done_callback(lambda _: self._change(abandoned=-1))

    def _change(
        self, in_hand: int = 0, working: int = 0, abandoned: int = 0, worked_s: float | None = None
    ) -> None:
        with self._lock:
            self._in_hand += in_hand
            self._working += working
            self._abandoned += abandoned
            if worked_s is not None:
                self._worked_s += worked_s
                self._done += 1
            self._watch(max(0, self._in_hand - self._threads), self._working)
