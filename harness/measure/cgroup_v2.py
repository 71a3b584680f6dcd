"""Counters of a control group of version 2.

Source: Linux kernel documentation, admin-guide/cgroup-v2.rst. All but the throttling of the CPU include groups within
the group, also those that have gone. `memory.peak` came with Linux 5.19.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.measure.counter_files import CounterFiles, is_stacked, scaled, value
from harness.measure.processes import NOTHING, Pair, Processes

CPU = ("", "cpu.stat")
MEMORY = ("", "memory.current")
MEMORY_PEAK = ("", "memory.peak")
MEMORY_PARTS = ("", "memory.stat")
OOM = ("", "memory.events")
BLOCKS = ("", "io.stat")
NAMES = (CPU, MEMORY, MEMORY_PEAK, MEMORY_PARTS, OOM)

US_PER_S = 1e6


class GroupV2:
    """One group; `folders` has one folder, under the empty name, and `root` is of no importance."""

    def __init__(self, folders: Mapping[str, Path], root: Path) -> None:
        self._files = CounterFiles(folders, NAMES)
        self._has_blocks = self._files.add(folders, BLOCKS)

    @property
    def asks_processes(self) -> bool:
        """Whether the group has no io controller, so that its processes are asked."""
        return not self._has_blocks

    def often(self, processes: Processes | None) -> dict[str, Any] | None:
        """What is cheap to read or else lost at the end, by the names of `Usage`; None once the group has gone."""
        files = self._files
        cpu = files.text(CPU)
        cpu_us = value(cpu, b"usage_usec")
        if cpu_us is None:
            return None
        read_bytes, written_bytes = self._block_bytes(processes)
        received, sent = processes.network_bytes() if processes else NOTHING
        return {
            "cpu_s": cpu_us / US_PER_S,
            "cpu_user_s": scaled(value(cpu, b"user_usec"), US_PER_S),
            "cpu_system_s": scaled(value(cpu, b"system_usec"), US_PER_S),
            "cpu_throttled_s": scaled(value(cpu, b"throttled_usec"), US_PER_S),
            "cpu_periods": value(cpu, b"nr_periods"),
            "cpu_throttled_periods": value(cpu, b"nr_throttled"),
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
        return {
            "memory_anonymous_bytes": value(parts, b"anon"),
            "memory_file_bytes": value(parts, b"file"),
            "oom_kills": value(self._files.text(OOM), b"oom_kill"),
        }

    def _block_bytes(self, processes: Processes | None) -> Pair:
        if not self._has_blocks:
            return processes.io_bytes() if processes else NOTHING
        text = self._files.text(BLOCKS)
        return block_bytes(text) if text is not None else NOTHING

    def close(self) -> None:
        """Close the files."""
        self._files.close()


def block_bytes(text: bytes) -> tuple[int, int]:
    """Bytes read and written: lines such as `254:0 rbytes=4096 wbytes=0 rios=1 ...`, summed over disks."""
    total = {b"rbytes": 0, b"wbytes": 0}
    for line in text.splitlines():
        device, *pairs = line.split()
        if is_stacked(device):
            continue
        for pair in pairs:
            name, _, count = pair.partition(b"=")
            if name in total:
                total[name] += int(count)
    return total[b"rbytes"], total[b"wbytes"]
