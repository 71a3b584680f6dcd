"""Reads the counters of every live container, and the host's, about 20 times a second, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Protocol

import psutil

from harness.clock import RunClock
from harness.measure.usage import Usage
from harness.rows import Sample

PERIOD_S = 0.05
# A complete reading twice a second, brief ones between.
COMPLETE_EVERY = 10
HOST = "host"
# What a sample has of a reading. Of the ways to copy 15 fields this is the quickest; `asdict` takes 10 us.
_NAMES = tuple(field.name for field in fields(Usage))
_counts = attrgetter(*_NAMES)


class Readable(Protocol):
    """What is sampled."""

    @property
    def name(self) -> str:
        """The name that its samples carry."""
        ...

    def usage(self) -> Usage | None:
        """Counters now."""
        ...

    def brief_usage(self) -> Usage | None:
        """Counters now, None for those that are dear to read."""
        ...


@dataclass(slots=True, eq=False)
class _Watched:
    """One container, and whether its last row has been written: the lock keeps any other from following it."""

    container: Readable
    arm: str
    block: int
    readings: int = 0
    ended: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sampler:
    """Samples from `start` to `stop`; containers join and leave while it runs.

    A container's first and last rows hold complete readings. `cpu_s` is what the sampling thread has used of the
    processor. `failures` has the last error of each container that could not be read: the others go on.
    """

    def __init__(self, run: str, clock: RunClock, record: Callable[[Sample], None]) -> None:
        self._run = run
        self._clock = clock
        self._record = record
        self._watched: dict[str, _Watched] = {}
        self._cpu_before = psutil.cpu_times()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sampler", daemon=True)
        self.cpu_s = 0.0
        self.rounds = 0
        self.failures: dict[str, str] = {}

    def start(self) -> None:
        """Begin sampling."""
        self._thread.start()

    def stop(self) -> None:
        """End sampling."""
        self._stop.set()
        self._thread.join()

    def watch(self, container: Readable, arm: str, block: int) -> None:
        """Sample this container from now on."""
        self._watched[container.name] = _Watched(container, arm, block)

    def unwatch(self, container: Readable) -> None:
        """Take a last reading, marked final, and leave the container alone. Does nothing if it was not watched."""
        watched = self._watched.pop(container.name, None)
        if watched is not None:
            self._read(watched, final=True)

    def _loop(self) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            self._round()
            self.cpu_s = time.thread_time()
            self.rounds += 1
            # A late round is not made up for: counters are cumulative, so nothing is lost but detail.
            due_s = max(due_s + PERIOD_S, time.monotonic())
            self._stop.wait(due_s - time.monotonic())

    def _round(self) -> None:
        for watched in list(self._watched.values()):
            self._read(watched, final=False)
        cpu_now = psutil.cpu_times()
        self._read_host(self._cpu_before, cpu_now)
        self._cpu_before = cpu_now

    def _read(self, watched: _Watched, *, final: bool) -> None:
        container = watched.container
        with watched.lock:
            if watched.ended:
                return
            watched.ended = final
            try:
                complete = final or watched.readings % COMPLETE_EVERY == 0
                usage = container.usage() if complete else container.brief_usage()
                watched.readings += 1
            except Exception as error:  # one container must not end the sampling of all the others
                self.failures[container.name] = f"{type(error).__name__}: {error}"
                return
            if usage is None:
                return
            self._record(
                Sample(
                    run=self._run,
                    block=watched.block,
                    arm=watched.arm,
                    container=container.name,
                    at_ns=self._clock.now_ns(),
                    final=final,
                    **dict(zip(_NAMES, _counts(usage), strict=True)),
                )
            )

    def _read_host(self, before: Any, now: Any) -> None:
        total_s = sum(now[:8]) - sum(before[:8])  # guest time is already part of user time
        if total_s <= 0:
            return
        idle_s = (now.idle - before.idle) + (getattr(now, "iowait", 0) - getattr(before, "iowait", 0))
        steal_s = getattr(now, "steal", 0.0) - getattr(before, "steal", 0.0)
        memory = psutil.virtual_memory()
        self._record(
            Sample(
                run=self._run,
                container=HOST,
                at_ns=self._clock.now_ns(),
                memory_bytes=memory.total - memory.available,
                host_cpu_fraction=min(1.0, max(0.0, 1 - idle_s / total_s)),
                host_steal_fraction=steal_s / total_s,
            )
        )
