"""Fingerprint of the machine, for the manifest: what decides whether two runs may be compared at all.

A value is None where the machine does not tell. Linux tells most in /proc and /sys, psutil the rest.
"""

from __future__ import annotations

import platform
from pathlib import Path

import psutil

PROC = Path("/proc")
SYS = Path("/sys")


def fingerprint() -> dict[str, object]:
    """Everything known about this machine now, in a few milliseconds."""
    cpus = cpu_info()
    return {
        "cpu_model": cpus.get("model name") or platform.processor() or None,
        "cores": psutil.cpu_count(logical=True),
        "threads_per_core": threads_per_core(),
        "governor": governor(),
        "turbo": turbo(),
        "memory_bytes": psutil.virtual_memory().total,
        "swap_bytes": psutil.swap_memory().total,
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "os": _os_name(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cgroup": cgroup_version(),
        "virtualisation": _virtualisation(cpus),
        "load_1m": psutil.getloadavg()[0],
        "steal_s": steal_s(),
    }


def cpu_info() -> dict[str, str]:
    """The fields of the first core in /proc/cpuinfo; empty where there is no such file."""
    first = (_text(PROC / "cpuinfo") or "").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def governor() -> str | None:
    """Frequency governor of the cores, such as `performance`; comma-separated where cores differ."""
    files = SYS.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    return ",".join(sorted({text for path in files if (text := _text(path))})) or None


def cgroup_version() -> str | None:
    """`2`, `1`, or `hybrid`: controllers in version 1 beside an empty hierarchy of version 2."""
    root = SYS / "fs/cgroup"
    if (root / "cgroup.controllers").exists():
        return "2"
    if not (root / "memory").is_dir():
        return None
    return "hybrid" if (root / "unified").is_dir() else "1"


def steal_s() -> float | None:
    """Seconds, summed over cores since boot, in which the hypervisor ran something else instead."""
    steal = getattr(psutil.cpu_times(), "steal", None)
    return float(steal) if steal is not None else None


def turbo() -> bool | None:
    """Whether cores may clock beyond their base frequency; None where the machine does not tell."""
    intel = _text(SYS / "devices/system/cpu/intel_pstate/no_turbo")
    if intel is not None:
        return intel == "0"
    boost = _text(SYS / "devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == "1"


def threads_per_core() -> int | None:
    """Logical cores to a physical one; None where the machine does not tell."""
    logical, physical = psutil.cpu_count(logical=True), psutil.cpu_count(logical=False)
    return logical // physical if logical and physical else None


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True)


def _virtualisation(cpus: dict[str, str]) -> str | None:
    """The hypervisor's name where it gives one, else `vm`; `none` on bare metal; or `container in` these."""
    contained = any(path.exists() for path in (Path("/.dockerenv"), Path("/run/.containerenv")))
    host = _hypervisor(cpus)
    return f"container in {host or 'unknown'}" if contained else host


def _hypervisor(cpus: dict[str, str]) -> str | None:
    # Only x86 has that flag: elsewhere its absence says nothing.
    if "flags" not in cpus:
        return None
    if "hypervisor" not in cpus["flags"].split():
        return "none"
    return _text(SYS / "class/dmi/id/sys_vendor") or _text(SYS / "hypervisor/type") or "vm"


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
