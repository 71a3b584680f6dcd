"""Who used the processor between two moments besides what is measured: the harness itself, other machines, others here.

Read before and after each phase, never during one: walking the process table takes some 10 ms.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import psutil

# dockerd, containerd, a shim for each container, runc: working for us, as are their descendants.
ENGINE_PROCESSES = ("dockerd", "containerd", "runc", "crun", "docker-")
KERNEL_THREADS_PARENT = 2
INIT = 1


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has nothing to do with the run: its name and the CPU seconds that it has used."""

    name: str
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """One reading: monotonic time, stolen seconds summed over cores, and the processes of others by their identity."""

    at_s: float
    steal_s: float
    harness_cpu_s: float
    others: dict[tuple[int, float], Process]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBetween:
    """What happened between two readings, in seconds; `foreign_most` names the process that took most."""

    window_s: float
    steal_s: float
    harness_cpu_s: float
    foreign_cpu_s: float
    foreign_most: str


def read_load() -> Load:
    """A reading now."""
    own = psutil.Process(os.getpid()).cpu_times()
    return Load(
        at_s=time.monotonic(),
        steal_s=float(getattr(psutil.cpu_times(), "steal", 0.0)),
        harness_cpu_s=own.user + own.system,
        others=_others(),
    )


def between(before: Load, after: Load) -> LoadBetween:
    """The difference of two readings. What began and ended in between is seen only if its parent lives on."""
    taken = {
        key: now.cpu_s - (before.others[key].cpu_s if key in before.others else 0.0)
        for key, now in after.others.items()
    }
    most = max(taken, key=taken.__getitem__, default=None)
    return LoadBetween(
        window_s=after.at_s - before.at_s,
        steal_s=after.steal_s - before.steal_s,
        harness_cpu_s=after.harness_cpu_s - before.harness_cpu_s,
        foreign_cpu_s=sum(taken.values()),
        foreign_most=after.others[most].name if most is not None and taken[most] > 0 else "",
    )


def _others() -> dict[tuple[int, float], Process]:
    """Every process but the kernel's, the engine's, the harness's, and what descends from these."""
    known = {
        process.pid: process.info
        for process in psutil.process_iter(["ppid", "name", "cpu_times", "create_time"])
        if process.info["cpu_times"] is not None
    }
    ours = {pid for pid, about in known.items() if str(about["name"]).startswith(ENGINE_PROCESSES)} | {
        os.getpid()
    }
    found = {}
    for pid, about in known.items():
        if (
            about["ppid"] == KERNEL_THREADS_PARENT
            or pid == KERNEL_THREADS_PARENT
            or _descends(pid, known, ours)
        ):
            continue
        # Children that have ended count with their parent, as a compiler's do with make; but init inherits anybody's.
        times = about["cpu_times"][: 2 if pid == INIT else 4]
        found[(pid, about["create_time"])] = Process(str(about["name"]), float(sum(times)))
    return found


def _descends(pid: int, known: dict[int, dict[str, object]], ours: set[int]) -> bool:
    seen = set()
    while pid in known and pid not in seen:
        if pid in ours:
            return True
        seen.add(pid)
        parent = known[pid]["ppid"]
        pid = parent if isinstance(parent, int) else 0
    return False
