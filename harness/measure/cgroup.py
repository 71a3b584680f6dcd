"""Counters of one container, read from its control group (v1 and v2).

A container's group vanishes with it. Where the harness may make groups, it puts each container into a parent of its
own, whose CPU and peak counters include children that have gone: so a job of 50 ms is measured to the end. Version 2
does so for OOM kills and block I/O as well. What the parent lacks (throttling and network; version 1 also OOM kills
and block I/O) is as in the last reading before the end.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, Protocol

from harness.measure.cgroup_v1 import GroupV1
from harness.measure.cgroup_v2 import GroupV2
from harness.measure.processes import NOTHING, Pair, Processes
from harness.measure.usage import COUNTERS, Usage, added

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
PARENT = "placement-harness"


def version(root: Path = CGROUP_ROOT) -> int | None:
    """1 or 2: the hierarchy that carries the controllers; None where there is neither."""
    if (root / "cgroup.controllers").exists():
        return 2
    return 1 if (root / "memory").is_dir() else None


class Group(Protocol):
    """A control group of either version. Both halves of a reading are by the names of `Usage`."""

    @property
    def asks_processes(self) -> bool:
        """Whether the kernel counts no block I/O for the group, so that its processes are asked."""
        ...

    def often(self, processes: Processes | None) -> dict[str, Any] | None:
        """What is cheap to read or else lost at the end, network only if `processes` are given; None once gone."""
        ...

    def seldom(self) -> dict[str, Any]:
        """The rest."""
        ...

    def close(self) -> None:
        """Close its files."""
        ...


class ContainerGroup:
    """The control group of one container; `parent` is a group made for it alone, if there is one.

    A container that was started again has a new group, whose counters begin at 0: `earlier` is what it had used before.
    Any thread may call any method: placements read at the end of an attempt, while the sampler reads as well.
    """

    def __init__(
        self,
        folders: dict[str, Path],
        parents: dict[str, Path],
        pid: int,
        root: Path = CGROUP_ROOT,
        proc: Path = PROC,
        earlier: Usage | None = None,
        network_before: Pair = NOTHING,
    ) -> None:
        self._earlier = earlier
        self._make = GroupV2 if version(root) == 2 else GroupV1
        self._root = root
        self._parents = parents
        self._own: Group = self._make(folders, root)
        self._processes = Processes(pid, folders.get("") or folders.get("memory"), proc, network_before)
        self._parent: Group | None = None
        self._last: Usage | None = None
        self._last_brief: Usage | None = None
        self._closed = False
        # A descriptor that is closed here may at once be another file's, and be read by the other thread.
        self._lock = threading.Lock()

    def usage(self) -> Usage | None:
        """Counters now, or the last known with the parent's totals once the container has gone."""
        with self._lock:
            if self._closed:
                return self._last
            if self._own.asks_processes:
                self._processes.follow_members()
            often = self._own.often(self._processes)
            if often is None:
                self._last = self._at_end()
            else:
                self._last = self._with_earlier(Usage(**often, **self._own.seldom()))
            return self._last

    def brief_usage(self) -> Usage | None:
        """As `usage` at a third of the cost, and None for what it leaves out: mainly the two kinds of memory."""
        with self._lock:
            if self._closed:
                return self._last
            often = self._own.often(None)
            if often is None:
                self._last = self._at_end()
                return self._last
            self._last_brief = self._with_earlier(Usage(**often))
            return self._last_brief

    def close(self) -> None:
        """Close the files; `usage` then repeats what was known."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._own.close()
            self._processes.close()
            if self._parent is not None:
                self._parent.close()

    def _with_earlier(self, reading: Usage) -> Usage:
        return reading if self._earlier is None else added(self._earlier, reading)

    def _at_end(self) -> Usage | None:
        if self._parent is None:  # opened only now: most containers are removed while they live
            self._parent = self._make(self._parents, self._root)
        often = self._parent.often(None)
        total = Usage(**often, **self._parent.seldom()) if often is not None else None
        known = [usage for usage in (self._last, self._last_brief, total) if usage is not None]
        return ended(*known) if known else None


def ended(*readings: Usage) -> Usage:
    """The highest of each counter, and nothing of what a container that has gone can no longer have."""
    highest: dict[str, Any] = {}
    for name in COUNTERS:
        known = [count for reading in readings if (count := getattr(reading, name)) is not None]
        highest[name] = max(known, default=None)
    return Usage(**highest)


def folders_of(pid: int, container_id: str, root: Path = CGROUP_ROOT) -> dict[str, Path]:
    """Controller -> folder of the group of a container whose first process is `pid`; under v2 there is one, named ``.

    Only folders that are the container's own, by its number in their path. Version 1 puts a process that has ended
    into the root, whose counters are those of the whole machine; a number that is free again may be another's; and
    where the engine lives in a virtual machine it means something else altogether. Empty if there is none.
    """
    try:
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return {}
    unified = version(root) == 2
    found = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if unified == (controller == "") and container_id in path:
                found[controller] = root / controller / path.lstrip("/")
    return {name: folder for name, folder in found.items() if folder.is_dir()}


def parent_folders(name: str, root: Path = CGROUP_ROOT) -> dict[str, Path]:
    """Controller -> folder of the parent group made for the container `name`."""
    if version(root) == 2:
        return {"": root / PARENT / name}
    controllers = ("cpu", "cpuacct", "memory", "blkio", "pids", "freezer")
    return {c: root / c / PARENT / name for c in controllers}


def remove_parent(name: str, root: Path = CGROUP_ROOT) -> None:
    """Remove the parent group of `name` from every hierarchy; nothing happens where it is not or is in use."""
    for folder in root.glob(f"**/{PARENT}/{name}") if version(root) == 2 else root.glob(f"*/{PARENT}/{name}"):
        with contextlib.suppress(OSError):
            folder.rmdir()
