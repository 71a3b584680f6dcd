"""Reads the counters of every live container, and the host's, about 20 times a second, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import psutil

from harness.clock import RunClock
from harness.measure.usage import Usage
from harness.rows import Sample

PERIOD_S = 0.05
HOST = "host"


class Readable(Protocol):
    """What is sampled."""

    @property
    def name(self) -> str:
        """The name that its samples carry."""
        ...

    def usage(self) -> Usage | None:
        """Counters now."""
        ...


class Sampler:
    """Samples from `start` to `stop`; containers join and leave while it runs."""

    def __init__(self, run: str, clock: RunClock, record: Callable[[Sample], None]) -> None:
        self._run = run
        self._clock = clock
        self._record = record
        self._watched: dict[str, tuple[Readable, str, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sampler", daemon=True)
        self.cpu_s = 0.0
        self.rounds = 0

    def start(self) -> None:
        """Begin sampling."""
        self._thread.start()

    def stop(self) -> None:
        """End sampling."""
        self._stop.set()
        self._thread.join()

    def watch(self, container: Readable, arm: str, block: int) -> None:
        """Sample this container from now on."""
        self._watched[container.name] = (container, arm, block)

    def unwatch(self, container: Readable) -> None:
        """Take a last reading, marked final, and leave the container alone. Does nothing if it was not watched."""
        known = self._watched.pop(container.name, None)
        if known is not None:
            self._read(*known, final=True)

    def _loop(self) -> None:
        cpu_before = psutil.cpu_times()
        due_s = time.monotonic()
        while not self._stop.is_set():
            for known in list(self._watched.values()):
                self._read(*known, final=False)
            cpu_now = psutil.cpu_times()
            self._read_host(cpu_before, cpu_now)
            cpu_before = cpu_now
            self.cpu_s = time.thread_time()
            self.rounds += 1
            # A late round is not made up for: counters are cumulative, so nothing is lost but detail.
            due_s = max(due_s + PERIOD_S, time.monotonic())
            self._stop.wait(due_s - time.monotonic())

    def _read(self, container: Readable, arm: str, block: int, *, final: bool) -> None:
        usage = container.usage()
        if usage is None:
            return
        self._record(
            Sample(
                run=self._run,
                block=block,
                arm=arm,
                container=container.name,
                at_ns=self._clock.now_ns(),
                final=final,
                **asdict(usage),
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
