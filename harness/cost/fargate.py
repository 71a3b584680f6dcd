"""The smallest Fargate size that holds a container, and the parts of its price."""

from __future__ import annotations

from harness.sizes import FARGATE, MB_PER_GB, Size


def smallest(vcpu: float, memory_mb: float) -> Size:
    """The smallest size with at least this much of both; ValueError names the largest when there is none.

    A hundredth of a vCPU is forgiven, so that Lambda's 885 MB (0.5003 vCPU) compare with half a vCPU.
    """
    fitting = [s for s in FARGATE if s.vcpu >= vcpu - 0.01 and s.memory_mb >= memory_mb]
    if not fitting:
        largest = FARGATE[-1]
        raise ValueError(
            f"no Fargate size has {vcpu:g} vCPU and {memory_mb / MB_PER_GB:g} GB; "
            f"the largest has {largest.vcpu:g} and {largest.memory_mb / MB_PER_GB:g}"
        )
    return min(fitting)
