"""The sizes that services come in: Fargate's pairs of vCPU and memory, and Lightsail's bundles.

Sources: Amazon ECS Developer Guide, "Task CPU and memory"; Amazon Lightsail documentation, "Container service
capacity" and "CPU utilization and burst capacity"; all read 2026-11-23.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MB_PER_GB = 1024


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """vCPUs, and memory in MiB."""

    vcpu: float
    memory_mb: int

    def __str__(self) -> str:
        return f"{self.vcpu:g} vCPU with {self.memory_mb} MB"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A Lightsail bundle. `baseline` is the share of its vCPUs that it may use for ever; 1 without bursting."""

    size: Size
    baseline: float = 1.0


def _fargate() -> tuple[Size, ...]:
    gigabytes: dict[float, list[float]] = {
        0.25: [0.5, 1, 2],
        0.5: list(range(1, 5)),
        1: list(range(2, 9)),
        2: list(range(4, 17)),
        4: list(range(8, 31)),
        8: list(range(16, 61, 4)),
        16: list(range(32, 121, 8)),
        32: [60, 120, 244],
    }
    return tuple(Size(vcpu, int(gb * MB_PER_GB)) for vcpu, several in gigabytes.items() for gb in several)


FARGATE = _fargate()
LIGHTSAIL_CONTAINERS = {
    "nano": Bundle(Size(0.25, 512)),
    "micro": Bundle(Size(0.25, 1024)),
    "small": Bundle(Size(0.5, 1024)),
    "medium": Bundle(Size(1.0, 2048)),
    "large": Bundle(Size(2.0, 4096)),
    "xlarge": Bundle(Size(4.0, 8192)),
}
LIGHTSAIL_INSTANCES = {
    "nano": Bundle(Size(2.0, 512), 0.05),
    "micro": Bundle(Size(2.0, 1024), 0.10),
    "small": Bundle(Size(2.0, 2048), 0.20),
    "medium": Bundle(Size(2.0, 4096), 0.20),
    "large": Bundle(Size(2.0, 8192), 0.30),
    "xlarge": Bundle(Size(4.0, 16384), 0.40),
}


def nearest_fargate(wanted: Size) -> tuple[Size, Size]:
    """The two valid pairs that are nearest by ratio: those that hold it first, where any do, and the nearer first."""

    def distance(size: Size) -> float:
        return abs(math.log(size.vcpu / wanted.vcpu)) + abs(math.log(size.memory_mb / wanted.memory_mb))

    def falls_short(size: Size) -> bool:
        return size.vcpu < wanted.vcpu or size.memory_mb < wanted.memory_mb

    first, second = sorted(FARGATE, key=lambda size: (falls_short(size), distance(size)))[:2]
    return first, second
