"""The counters of one container, whatever they were read from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One reading of a container's counters; None where this machine cannot tell."""

    cpu_s: float | None = None
    cpu_user_s: float | None = None
    cpu_system_s: float | None = None
    cpu_throttled_s: float | None = None
    cpu_periods: int | None = None
    cpu_throttled_periods: int | None = None
    memory_bytes: int | None = None
    memory_anonymous_bytes: int | None = None
    memory_file_bytes: int | None = None
    memory_peak_bytes: int | None = None
    oom_kills: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    network_in_bytes: int | None = None
    network_out_bytes: int | None = None
