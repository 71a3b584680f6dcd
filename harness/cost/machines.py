"""What an hour of one Fargate task or one EC2 instance takes: parts of a bill, their prices and how many units of each.

A task or an instance has a public IPv4 address, as it has in a subnet without a NAT gateway. An instance has the disk
that Amazon's ECS-optimised image asks for. Sources, read 2026-11-23: Amazon VPC pricing page; Amazon ECS Developer
Guide, "Amazon ECS-optimized Linux AMIs".
"""

from __future__ import annotations

from typing import Any

from harness.cost.arms import Arm
from harness.cost.terms import MB_PER_GB, MONTH_H

DISK_GB = 30

Parts = list[tuple[str, str, float]]


def fargate_parts(arm: Arm) -> Parts:
    """(part, key, units an hour) of one task. ValueError where AWS has no such size."""
    size = arm.size
    spot = "spot_" if arm.compute == "FARGATE_SPOT" else ""
    return [
        ("vCPU", f"fargate_{spot}vcpu_hour_{arm.architecture}", size.vcpu),
        ("memory", f"fargate_{spot}gb_hour_{arm.architecture}", size.memory_mb / MB_PER_GB),
        ("public IPv4", "public_ipv4_hour", 1.0),
    ]


def instance_parts(arm: Arm) -> Parts:
    """(part, key, units an hour) of one instance."""
    spot = "spot_" if arm.compute == "SPOT" else ""
    key = f"ec2_{spot}{instance_type(arm)['name'].replace('.', '_')}"
    return [
        ("instances", key, 1.0),
        ("disk", "ebs_gp3_gb_month", DISK_GB / MONTH_H),
        ("public IPv4", "public_ipv4_hour", 1.0),
    ]


def instance_type(arm: Arm) -> dict[str, Any]:
    """The smallest of the scenario's types that holds a container; ValueError where there is none."""
    fitting = [
        each for each in arm.settings.get("instances") or []
        if each["vcpu"] >= arm.vcpu and each["memory_mb"] >= arm.memory_mb
    ]  # fmt: skip
    if not fitting:
        raise ValueError(f"{arm.name}: the run does not tell which instances it launched")
    return dict(min(fitting, key=lambda each: (each["vcpu"], each["memory_mb"])))


def per_instance(arm: Arm) -> int:
    """How many containers fit on one instance."""
    chosen = instance_type(arm)
    return max(1, int(min(chosen["vcpu"] / arm.vcpu, chosen["memory_mb"] / arm.memory_mb) + 1e-9))
