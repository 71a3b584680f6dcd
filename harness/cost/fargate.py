"""The sizes that Fargate has, and the smallest that holds a container.

Source: Amazon ECS Developer Guide, "Task CPU and memory", read 2026-11-23.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from harness.cost.book import PriceBook

GIB = 2**30
# Both Fargate and EC2 bill by the second, with this as the least.
MINIMUM_S = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """A valid pair; memory in GB as AWS counts it (GiB)."""

    vcpu: float
    memory_gb: float

    def usd_per_hour(self, book: PriceBook) -> Decimal:
        """On-demand price of one task of this size, x86."""
        vcpu = Decimal(str(self.vcpu)) * book.price("fargate_vcpu_hour_x86")
        return vcpu + Decimal(str(self.memory_gb)) * book.price("fargate_gb_hour_x86")


def _sizes() -> tuple[Size, ...]:
    ranges: dict[float, list[float]] = {
        0.25: [0.5, 1, 2],
        0.5: list(range(1, 5)),
        1: list(range(2, 9)),
        2: list(range(4, 17)),
        4: list(range(8, 31)),
        8: list(range(16, 61, 4)),
        16: list(range(32, 121, 8)),
        32: [60, 120, 244],
    }
    return tuple(Size(vcpu, memory) for vcpu, memories in ranges.items() for memory in memories)


SIZES = _sizes()


def smallest(vcpu: float, memory_bytes: float) -> Size:
    """The smallest size with at least this much of both; ValueError names the largest when there is none.

    A hundredth of a vCPU is forgiven, so that Lambda's 885 MB (0.5003 vCPU) compare with half a vCPU.
    """
    fitting = [s for s in SIZES if s.vcpu >= vcpu - 0.01 and s.memory_gb * GIB >= memory_bytes]
    if not fitting:
        largest = SIZES[-1]
        raise ValueError(
            f"no Fargate size has {vcpu:g} vCPU and {memory_bytes / GIB:g} GB; "
            f"the largest has {largest.vcpu:g} and {largest.memory_gb:g}"
        )
    return min(fitting)
