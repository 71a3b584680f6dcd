"""Counters of a control group of version 1.

Source: Linux kernel documentation, admin-guide/cgroup-v1/{cpuacct,memory,blkio-controller}.rst.

Block I/O counts what reached the disk. Version 1 puts it to the account of whoever sent it there: without an fsync
that is the kernel's flusher, not the container. Since Linux 6.10 the counter stands still on a disk without an I/O
limit (block/blk-throttle.c starts with the first limit): then the processes are asked instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.measure.counter_files import CounterFiles, Name, is_stacked, scaled, value
from harness.measure.processes import NOTHING, Pair, Processes

CPU = ("cpuacct", "cpuacct.usage")
CPU_USER = ("cpuacct", "cpuacct.usage_user")
CPU_SYSTEM = ("cpuacct", "cpuacct.usage_sys")
# For kernels before 4.7, which have not the two above.
CPU_TICKS = ("cpuacct", "cpuacct.stat")
THROTTLING = ("cpu", "cpu.stat")
MEMORY = ("memory", "memory.usage_in_bytes")
MEMORY_PEAK = ("memory", "memory.max_usage_in_bytes")
MEMORY_PARTS = ("memory", "memory.stat")
OOM = ("memory", "memory.oom_control")
BLOCKS = ("blkio", "blkio.throttle.io_service_bytes_recursive")
# Where the kernel has no recursive counter, which is of importance only to groups that have groups in them.
BLOCKS_OWN = ("blkio", "blkio.throttle.io_service_bytes")
NAMES = (CPU, CPU_SYSTEM, THROTTLING, MEMORY, MEMORY_PEAK, MEMORY_PARTS, OOM)

NS_PER_S = 1e9


class GroupV1:
    """One group; `folders` is controller -> folder, and `root` where the hierarchies are mounted."""

    def __init__(self, folders: Mapping[str, Path], root: Path) -> None:
        self._files = CounterFiles(folders, NAMES)
        if not self._files.add(folders, CPU_USER):
            self._files.add(folders, CPU_TICKS)
        self._blocks: Name | None = None
        if _counts_blocks(root):
            self._blocks = next(
                (name for name in (BLOCKS, BLOCKS_OWN) if self._files.add(folders, name)), None
            )

    @property
    def asks_processes(self) -> bool:
        """Whether the kernel counts no block I/O for the group, so that its processes are asked."""
        return self._blocks is None

    def often(self, processes: Processes | None) -> dict[str, Any] | None:
        """What is cheap to read or else lost at the end, by the names of `Usage`; None once the group has gone."""
        files = self._files
        cpu_ns = files.number(CPU)
        if cpu_ns is None:
            return None
        throttling = files.text(THROTTLING)
        read_bytes, written_bytes = self._block_bytes(processes)
        received, sent = processes.network_bytes() if processes else NOTHING
        return {
            "cpu_s": cpu_ns / NS_PER_S,
            "cpu_throttled_s": scaled(value(throttling, b"throttled_time"), NS_PER_S),
            "cpu_periods": value(throttling, b"nr_periods"),
            "cpu_throttled_periods": value(throttling, b"nr_throttled"),
            "memory_bytes": files.number(MEMORY),
            "memory_peak_bytes": files.number(MEMORY_PEAK),
            "read_bytes": read_bytes,
            "written_bytes": written_bytes,
            "network_in_bytes": received,
            "network_out_bytes": sent,
        }

    def seldom(self) -> dict[str, Any]:
        """The rest of `Usage`."""
        parts = self._files.text(MEMORY_PARTS)
        user_s, system_s = self._user_and_system_s()
        return {
            "cpu_user_s": user_s,
            "cpu_system_s": system_s,
            "memory_anonymous_bytes": value(parts, b"total_rss"),
            "memory_file_bytes": value(parts, b"total_cache"),
            "oom_kills": value(self._files.text(OOM), b"oom_kill"),
        }

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _user_and_system_s(self) -> tuple[float | None, float | None]:
        """The exact CPU time, divided as samples of it at clock ticks were: the kernel does so in version 2.

        Taken by themselves the samples are off by 5 % in a container that is throttled every 20 ms.
        """
        cpu_ns = self._files.number(CPU)
        user, system = self._files.number(CPU_USER), self._files.number(CPU_SYSTEM)
        if user is None:
            ticks = self._files.text(CPU_TICKS)
            user, system = value(ticks, b"user"), value(ticks, b"system")
        if cpu_ns is None or user is None or system is None:
            return None, None
        cpu_s = cpu_ns / NS_PER_S
        system_s = cpu_s * system / (user + system) if system else 0.0
        return cpu_s - system_s, system_s

    def _block_bytes(self, processes: Processes | None) -> Pair:
        if self._blocks is None:
            return processes.io_bytes() if processes else NOTHING
        text = self._files.text(self._blocks)
        return block_bytes(text) if text is not None else NOTHING


def block_bytes(text: bytes) -> tuple[int, int]:
    """Bytes read and written: lines such as `254:0 Read 4096`, summed over disks."""
    total = {b"Read": 0, b"Write": 0}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in total and not is_stacked(words[0]):
            total[words[1]] += int(words[2])
    return total[b"Read"], total[b"Write"]


def _counts_blocks(root: Path) -> bool:
    """Whether the kernel counts at all: the root group has a line for each disk of a machine that has booted."""
    try:
        return b":" in (root / BLOCKS_OWN[0] / BLOCKS_OWN[1]).read_bytes()
    except OSError:
        return False
