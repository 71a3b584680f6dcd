"""What happens to the instances of compute environments, as events of a run."""

from __future__ import annotations

from harness.placements.base import Bench
from harness.placements.capacity import ComputeEnvironment, Instance


def record_instance(bench: Bench, environment: ComputeEnvironment, instance: Instance) -> None:
    """An instance's new state; the launch delay in it is assumed."""
    bench.event(
        f"instance_{instance.state}",
        instance=instance.id,
        type=instance.type.name,
        vcpu=instance.type.vcpu,
        memory_mb=instance.type.memory_mb,
        compute=environment.settings.kind,
        assumed_launch_s=instance.delay_s,
    )
