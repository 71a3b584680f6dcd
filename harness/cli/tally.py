"""What a run has come to so far, from its rows as they are written: for eyes, while the report is made from the files.

A row costs a microsecond or two here, and nothing is kept but the last few: memory does not grow with the run.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.rows import NO_BLOCK, Attempt, Event, Outcome, Sample
from harness.session import Row

RECENT = 200
# Samples over which CPU is told: a second of them at twenty a second.
CPU_SAMPLES = 21


class State(StrEnum):
    """Where an arm is in the present block."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class Life(StrEnum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    FROZEN = "frozen"


LIVES = {
    "container_created": Life.CREATED,
    "container_started": Life.RUNNING,
    "container_thawed": Life.RUNNING,
    "container_frozen": Life.FROZEN,
}
ENDS = {"container_ended", "container_removed"}


@dataclass(slots=True)
class ContainerTally:
    """A container that has not ended."""

    life: Life = Life.CREATED
    memory_bytes: int = 0
    cpu: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=CPU_SAMPLES))

    def vcpu(self) -> float:
        """CPU seconds a second, over the last samples."""
        if len(self.cpu) < 2 or self.cpu[-1][0] == self.cpu[0][0]:
            return 0.0
        (first_ns, before_s), (last_ns, after_s) = self.cpu[0], self.cpu[-1]
        return (after_s - before_s) / ((last_ns - first_ns) / 1e9)


@dataclass(slots=True)
class ArmTally:
    """One arm: `ok` and `failed` are attempts of all blocks, `planned` and `tried` items of the present phase.

    `took_s` is how long it took in the last block, `total_s` in all `blocks` that have ended.
    """

    name: str
    state: State = State.WAITING
    ok: int = 0
    failed: int = 0
    block_ok: int = 0
    block_failed: int = 0
    phase: str = ""
    planned: int = 0
    tried: int = 0
    recent_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    block_recent_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    containers: dict[str, ContainerTally] = field(default_factory=dict)
    peak_bytes: int = 0
    begun_ns: int = 0
    took_s: float = 0.0
    blocks: int = 0
    total_s: float = 0.0

    def attempt(self, row: Attempt) -> None:
        """One more attempt."""
        if row.attempt == 1 and row.phase == self.phase:
            self.tried += 1
        if row.block == NO_BLOCK:
            return
        if row.outcome == Outcome.OK:
            self.ok += 1
            self.block_ok += 1
            self.recent_s.append(row.latency_s)
            self.block_recent_s.append(row.latency_s)
        else:
            self.failed += 1
            self.block_failed += 1

    def sample(self, row: Sample) -> None:
        """One more reading of a container."""
        if row.memory_peak_bytes is not None:
            self.peak_bytes = max(self.peak_bytes, row.memory_peak_bytes)
        container = self.containers.get(row.container)
        if container is None:
            return
        if row.memory_bytes is not None:
            container.memory_bytes = row.memory_bytes
            self.peak_bytes = max(self.peak_bytes, row.memory_bytes)
        if row.cpu_s is not None:
            container.cpu.append((row.at_ns, row.cpu_s))

    def event(self, row: Event) -> None:
        """Something happened to the arm or to one of its containers."""
        if row.kind in LIVES:
            self.containers.setdefault(row.container, ContainerTally()).life = LIVES[row.kind]
        elif row.kind in ENDS:
            self.containers.pop(row.container, None)
        elif row.kind == "phase_started":
            self.phase, self.planned, self.tried = row.phase, _planned(row), 0
        elif row.kind == "arm_started":
            self._begin(row.at_ns)
        elif row.kind == "arm_ended":
            self._end(row)

    def _begin(self, at_ns: int) -> None:
        self.state, self.begun_ns = State.RUNNING, at_ns
        self.block_ok = self.block_failed = self.planned = self.tried = 0
        self.phase = ""
        self.block_recent_s.clear()
        self.containers.clear()

    def _end(self, row: Event) -> None:
        self.state = State.DONE
        self.took_s = (row.at_ns - self.begun_ns) / 1e9
        self.containers.clear()
        if row.block > NO_BLOCK:
            self.blocks += 1
            self.total_s += self.took_s


class Tally:
    """Every arm of a run; `host_cpu` is the share of all cores that was busy. Not for several threads at once."""

    def __init__(self, arms: Sequence[str]) -> None:
        self.arms = {name: ArmTally(name) for name in arms}
        self.host_cpu: float | None = None
        self._block = NO_BLOCK

    def take(self, row: Row) -> None:
        """Count a row in."""
        arm = self.arms.get(row.arm)
        if arm is None:
            if isinstance(row, Sample) and row.host_cpu_fraction is not None:
                self.host_cpu = row.host_cpu_fraction
        elif isinstance(row, Sample):
            arm.sample(row)
        elif isinstance(row, Attempt):
            arm.attempt(row)
        else:
            if row.kind == "arm_started" and row.block != self._block:
                self._block = row.block
                for each in self.arms.values():
                    each.state = State.WAITING
            arm.event(row)

    @property
    def running(self) -> ArmTally | None:
        """The arm whose turn it is."""
        return next((arm for arm in self.arms.values() if arm.state == State.RUNNING), None)

    def arm_s(self) -> float | None:
        """How long an arm takes in a block, each counting as much; None before the second block has begun."""
        known = [arm.total_s / arm.blocks for arm in self.arms.values() if arm.blocks]
        return sum(known) / len(known) if known and self._block > 0 else None


def _planned(row: Event) -> int:
    return int(json.loads(row.detail)["planned"]) if row.detail else 0
