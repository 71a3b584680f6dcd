"""Looks at the machine: whether it is quiet, steady and large enough to measure on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.doctor.finding import Finding, good, judged
from harness.measure import machine

GB = 1e9
# What the images and a run with its containers and page cache take at the least.
DISK_BYTES = 3 * GB
MEMORY_BYTES = 2 * GB
BUSY_LOAD_PER_CORE = 0.5
STEAL_SHARE = 0.01


def look(root: Path) -> Iterator[Finding]:
    """Load, processor, governor, steal, memory, and the disk under `root`."""
    load = psutil.getloadavg()[0]
    cores = psutil.cpu_count() or 1
    yield judged(
        "load",
        f"{load:.2f} over the last minute",
        load < BUSY_LOAD_PER_CORE * cores,
        "stop other work (`top` shows it) or wait a minute: runs made now will be noisy",
    )
    yield judged(
        "CPU",
        f"{machine.fingerprint()['cpu_model'] or 'unknown model'}, {cores} cores",
        cores > 1,
        "use a machine with two cores or more: one belongs to the harness itself",
    )
    yield _governor()
    yield _turbo()
    yield _threads()
    yield _steal()
    memory = psutil.virtual_memory()
    yield judged(
        "memory",
        f"{memory.available / GB:.1f} of {memory.total / GB:.1f} GB free",
        memory.available > MEMORY_BYTES,
        f"free {MEMORY_BYTES / GB:.0f} GB (`ps aux --sort -rss | head` shows who has it)",
    )
    disk = shutil.disk_usage(root)
    yield judged(
        "disk",
        f"{disk.free / GB:.1f} of {disk.total / GB:.1f} GB free",
        disk.free > DISK_BYTES,
        f"free {DISK_BYTES / GB:.0f} GB (`docker image prune`, old folders in results/)",
    )


def _governor() -> Finding:
    governor = machine.governor()
    return judged(
        "governor",
        governor or "not told (usual for a virtual machine)",
        governor in {None, "performance"},
        "`sudo cpupower frequency-set -g performance`: a clock that varies makes runs differ",
    )


def _turbo() -> Finding:
    """Whether cores run faster while they are cool: then the first blocks are quicker than the last."""
    on = machine.turbo()
    return judged(
        "turbo",
        "not told" if on is None else "on" if on else "off",
        not on,
        "switch it off (`echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo`, or `boost` elsewhere)",
    )


def _threads() -> Finding:
    """Whether two logical cores share one: then a container's speed depends on what its neighbour does."""
    count = machine.threads_per_core()
    return judged(
        "threads a core",
        "not told" if count is None else str(count),
        count in {None, 1},
        "switch SMT off (`echo off | sudo tee /sys/devices/system/cpu/smt/control`): neighbours slow each other down",
    )


def _steal() -> Finding:
    steal_s = machine.steal_s()
    if steal_s is None:
        return good("steal", "not told")
    share = steal_s / sum(psutil.cpu_times())
    return judged(
        "steal",
        f"{share:.2%} of CPU time since boot",
        share < STEAL_SHARE,
        "use a dedicated machine: others on this one's hardware take its CPU time",
    )


def noise(root: Path) -> list[str]:
    """What makes this machine noisy now, in plain words, each with what mends it; for a run with results in `root`."""
    nearest = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    return [f"{f.topic}: {f.value}; to mend it, {f.mend}" for f in look(nearest) if f.verdict != "good"]
