"""Counters of one container, read from its control group (v1 and v2).

Source: Linux kernel documentation, admin-guide/cgroup-v1/{cpuacct,memory,blkio-controller}.rst and
admin-guide/cgroup-v2.rst. Files are opened once and read again with pread, which costs about 5 us a file.

A container's group vanishes with it. Where the harness may make groups, it puts each container into a parent of its
own, whose CPU and peak counters include children that have gone: so a job of 50 ms is measured to the end.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from harness.measure.usage import Usage

CGROUP_ROOT = Path("/sys/fs/cgroup")
PARENT = "placement-harness"
READ_BYTES = 16_384


def version(root: Path = CGROUP_ROOT) -> int | None:
    """1 or 2: the hierarchy that carries the controllers; None where there is neither."""
    if (root / "cgroup.controllers").exists():
        return 2
    return 1 if (root / "memory").is_dir() else None


class _Files:
    """Files of one group, opened at first use and kept open."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders
        self._open: dict[tuple[str, str], int] = {}

    def text(self, controller: str, name: str) -> str | None:
        """Contents now; None when the kernel has no such file or the group has gone."""
        key = (controller, name)
        try:
            if key not in self._open:
                self._open[key] = os.open(self._folders[controller] / name, os.O_RDONLY)
            return os.pread(self._open[key], READ_BYTES, 0).decode()
        except (OSError, KeyError):
            return None

    def number(self, controller: str, name: str) -> int | None:
        """The file's one number."""
        text = self.text(controller, name)
        return int(text) if text and text.strip().isdigit() else None

    def table(self, controller: str, name: str) -> dict[str, int]:
        """A file of `key value` lines."""
        lines = (line.split() for line in (self.text(controller, name) or "").splitlines())
        return {pair[0]: int(pair[1]) for pair in lines if len(pair) == 2}

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()


class ContainerGroup:
    """The control group of one container; `parent` is a group made for it alone, if there is one."""

    def __init__(self, folders: dict[str, Path], parents: dict[str, Path], pid: int) -> None:
        self._read = _read_v2 if version() == 2 else _read_v1
        self._own = _Files(folders)
        self._parent = _Files(parents)
        self._network = Path(f"/proc/{pid}/net/dev")
        self._last: Usage | None = None

    def usage(self) -> Usage | None:
        """Counters now, or the last known with the parent's totals once the container has gone."""
        own = self._read(self._own)
        if own.cpu_s is not None:
            received, sent = _network_bytes(self._network)
            self._last = replace(own, network_in_bytes=received, network_out_bytes=sent)
            return self._last
        total = self._read(self._parent)
        if total.cpu_s is None:
            return self._last
        return replace(
            self._last or Usage(),
            cpu_s=total.cpu_s,
            memory_peak_bytes=total.memory_peak_bytes,
            memory_bytes=None,
            memory_anonymous_bytes=None,
        )

    def close(self) -> None:
        """Close the files."""
        self._own.close()
        self._parent.close()


def folders_of(pid: int, root: Path = CGROUP_ROOT) -> dict[str, Path]:
    """Controller -> folder of a process's group; under v2 there is one, named ``.  Empty if unreadable."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return {}
    unified = version(root) == 2
    found = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if unified == (controller == ""):
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


def _read_v1(files: _Files) -> Usage:
    cpu_ns = files.number("cpuacct", "cpuacct.usage")
    if cpu_ns is None:
        return Usage()
    throttling = files.table("cpu", "cpu.stat")
    memory = files.table("memory", "memory.stat")
    throttled_ns = throttling.get("throttled_time")
    return Usage(
        cpu_s=cpu_ns / 1e9,
        cpu_throttled_s=None if throttled_ns is None else throttled_ns / 1e9,
        cpu_periods=throttling.get("nr_periods"),
        cpu_throttled_periods=throttling.get("nr_throttled"),
        memory_bytes=files.number("memory", "memory.usage_in_bytes"),
        memory_anonymous_bytes=memory.get("total_rss"),
        memory_peak_bytes=files.number("memory", "memory.max_usage_in_bytes"),
        oom_kills=files.table("memory", "memory.oom_control").get("oom_kill"),
        **_io_v1(files.text("blkio", "blkio.throttle.io_service_bytes") or ""),
    )


def _io_v1(text: str) -> dict[str, int]:
    """Lines such as `254:0 Read 4096`, summed over devices."""
    total = {"Read": 0, "Write": 0}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in total:
            total[words[1]] += int(words[2])
    return {"read_bytes": total["Read"], "written_bytes": total["Write"]}


def _read_v2(files: _Files) -> Usage:
    cpu = files.table("", "cpu.stat")
    if "usage_usec" not in cpu:
        return Usage()
    memory = files.table("", "memory.stat")
    return Usage(
        cpu_s=cpu["usage_usec"] / 1e6,
        cpu_throttled_s=cpu["throttled_usec"] / 1e6 if "throttled_usec" in cpu else None,
        cpu_periods=cpu.get("nr_periods"),
        cpu_throttled_periods=cpu.get("nr_throttled"),
        memory_bytes=files.number("", "memory.current"),
        memory_anonymous_bytes=memory.get("anon"),
        memory_peak_bytes=files.number("", "memory.peak"),
        oom_kills=files.table("", "memory.events").get("oom_kill"),
        **_io_v2(files.text("", "io.stat") or ""),
    )


def _io_v2(text: str) -> dict[str, int]:
    """Lines such as `254:0 rbytes=4096 wbytes=0 rios=1 ...`, summed over devices."""
    pairs = [word.split("=") for line in text.splitlines() for word in line.split()[1:]]
    return {
        "read_bytes": sum(int(v) for k, v in pairs if k == "rbytes"),
        "written_bytes": sum(int(v) for k, v in pairs if k == "wbytes"),
    }


def _network_bytes(path: Path) -> tuple[int | None, int | None]:
    """Bytes received and sent over every interface but loopback, of the process's network namespace."""
    try:
        lines = path.read_text().splitlines()[2:]
    except OSError:
        return None, None
    counts = [line.split(":", 1)[1].split() for line in lines if not line.strip().startswith("lo:")]
    return sum(int(c[0]) for c in counts), sum(int(c[8]) for c in counts)
