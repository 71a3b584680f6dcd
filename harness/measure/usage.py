"""The counters of one container, whatever they were read from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


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


PEAK = "memory_peak_bytes"
# What only ever grows; the rest is true of a moment.
COUNTERS = frozenset(field.name for field in fields(Usage)) - {
    "memory_bytes",
    "memory_anonymous_bytes",
    "memory_file_bytes",
}


def added(earlier: Usage, now: Usage) -> Usage:
    """The counters of two lives of one container together: sums, and of peaks the higher."""
    both: dict[str, Any] = {}
    for name in COUNTERS:
        first, second = getattr(earlier, name), getattr(now, name)
        if first is None or second is None:
            both[name] = second if first is None else first
        else:
            both[name] = max(first, second) if name == PEAK else first + second
    return replace(now, **both)
