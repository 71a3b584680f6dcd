"""The limits of a control group as the kernel has them, read back after a container has started.

Source: Linux kernel documentation, scheduler/sched-bwc.rst, admin-guide/cgroup-v1/memory.rst and
admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# cgroup v1 says "no limit" with the largest multiple of the page size.
UNLIMITED_BYTES = 2**62


def in_force(folders: dict[str, Path]) -> dict[str, float | int | None]:
    """`vcpu`, `cpu_period_us`, `cpu_shares`, `memory_bytes`, `swap_bytes`, `pids`; None means no limit.

    `folders` is controller -> folder, as `cgroup.folders_of` gives it. Empty if there are no folders.
    """
    if not folders:
        return {}
    return _v2(folders[""]) if "" in folders else _v1(folders)


def disk_bytes(pid: int, path: str, proc: Path = Path("/proc")) -> int | None:
    """What fits on the file system that a process sees at `path`, with what it has already written there.

    None where this user may not look.
    """
    try:
        found = os.statvfs(f"{proc / str(pid)}/root{path}")
    except OSError:
        return None
    reserved = found.f_bfree - found.f_bavail  # for root alone
    return (found.f_blocks - reserved) * found.f_frsize


def set_quota(folders: dict[str, Path], quota_us: int, period_us: int) -> bool:
    """Change the CPU limit of a running group; False where this user may not."""
    try:
        if "" in folders:
            (folders[""] / "cpu.max").write_text(f"{quota_us} {period_us}")
        else:
            (folders["cpu"] / "cpu.cfs_quota_us").write_text(str(quota_us))
    except (OSError, KeyError):
        return False
    return True


def pass_on_share(folders: dict[str, Path], parents: dict[str, Path]) -> None:
    """Give a group's parent the group's own CPU share; nothing happens where this user may not.

    Shares count among siblings, and a group that is the only one in its parent has none.
    """
    name, controller = ("cpu.weight", "") if "" in folders else ("cpu.shares", "cpu")
    with contextlib.suppress(OSError, KeyError):
        (parents[controller] / name).write_text((folders[controller] / name).read_text())


def _v1(folders: dict[str, Path]) -> dict[str, float | int | None]:
    quota_us = _number(folders.get("cpu"), "cpu.cfs_quota_us")
    period_us = _number(folders.get("cpu"), "cpu.cfs_period_us")
    memory = _number(folders.get("memory"), "memory.limit_in_bytes")
    both = _number(folders.get("memory"), "memory.memsw.limit_in_bytes")
    limited = quota_us is not None and quota_us > 0 and period_us
    return {
        "vcpu": quota_us / period_us if limited and quota_us and period_us else None,
        "cpu_period_us": period_us if limited else None,
        "cpu_shares": _number(folders.get("cpu"), "cpu.shares"),
        "memory_bytes": memory if memory is not None and memory < UNLIMITED_BYTES else None,
        "swap_bytes": both - memory if both is not None and memory is not None else None,
        "pids": _number(folders.get("pids"), "pids.max"),
    }


def _v2(folder: Path) -> dict[str, float | int | None]:
    quota, _, period = (_text(folder, "cpu.max") or "max").partition(" ")
    return {
        "vcpu": int(quota) / int(period) if quota != "max" else None,
        "cpu_period_us": int(period) if quota != "max" else None,
        "cpu_shares": _number(folder, "cpu.weight"),
        "memory_bytes": _number(folder, "memory.max"),
        "swap_bytes": _number(folder, "memory.swap.max"),
        "pids": _number(folder, "pids.max"),
    }


def _number(folder: Path | None, name: str) -> int | None:
    text = _text(folder, name)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None


def _text(folder: Path | None, name: str) -> str | None:
    try:
        return (folder / name).read_text().strip() if folder else None
    except OSError:
        return None
