"""What clients of AWS Batch ask for, made into what the control plane takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast, get_args

from harness.placements.batch.definition import JobDefinition, environment_of, retries_of, timeout_of
from harness.placements.batch.jobs import Dependency, Submission
from harness.placements.batch.queues import FairShare
from harness.placements.capacity import Delay, EnvironmentSettings, InstanceType, Strategy
from harness.serve.batch_documents import last

# vCPU and MB of the types that are asked for most; others are refused by name. AWS: "Instance types".
TYPES = {
    "optimal": ((2, 4096), (4, 8192), (8, 16_384)),
    **{
        f"{family}.{size}": ((vcpu, round(vcpu * gb_per_vcpu * 1024)),)
        for family, gb_per_vcpu in (
            ("c5", 2),
            ("c6i", 2),
            ("c7i", 2),
            ("m5", 4),
            ("m6i", 4),
            ("m7i", 4),
            ("r5", 8),
        )
        for size, vcpu in (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16))
    },
}


class ClientException(Exception):
    """What AWS answers to a request that makes no sense."""


def environment(asked: dict[str, Any], launch: Delay, idle_s: float) -> EnvironmentSettings:
    """What CreateComputeEnvironment is told. ClientException if it cannot be had here."""
    resources = asked.get("computeResources") or {}
    kind = resources.get("type", "EC2")
    if kind not in {"EC2", "SPOT", "FARGATE"}:
        raise ClientException(f"computeResources.type: got {kind!r}, allowed here: EC2, SPOT, FARGATE")
    types = () if kind == "FARGATE" else tuple(_types(resources.get("instanceTypes") or ["optimal"]))
    return EnvironmentSettings(
        name=asked["computeEnvironmentName"],
        kind=kind,
        max_vcpu=resources.get("maxvCpus", 0),
        min_vcpu=0 if kind == "FARGATE" else resources.get("minvCpus", 0),
        types=types,
        launch=launch,
        idle_s=idle_s,
        strategy=_strategy(resources.get("allocationStrategy", "BEST_FIT")),
    )


def fair_share(asked: dict[str, Any]) -> FairShare:
    """What CreateSchedulingPolicy is told."""
    policy = asked.get("fairsharePolicy") or {}
    weights = {
        each["shareIdentifier"]: each.get("weightFactor", 1.0) for each in policy.get("shareDistribution", ())
    }
    return FairShare(weights=weights, decay_s=policy.get("shareDecaySeconds", 0))


def submission(asked: dict[str, Any], definition: JobDefinition) -> Submission:
    """What SubmitJob is told. DefinitionError if a `Ref::` of its command has no value."""
    changes = asked.get("containerOverrides") or {}
    sizes = {each["type"]: float(each["value"]) for each in changes.get("resourceRequirements", ())}
    memory_mb = sizes.get("MEMORY", changes.get("memory"))
    made = Submission(
        name=asked["jobName"],
        queue=last(asked["jobQueue"]),
        definition=definition,
        parameters=asked.get("parameters") or {},
        environment=environment_of(changes.get("environment", ())),
        command=tuple(changes["command"]) if changes.get("command") else None,
        vcpu=sizes.get("VCPU", changes.get("vcpus")),
        memory_mb=None if memory_mb is None else int(memory_mb),
        retries=retries_of(asked["retryStrategy"]) if asked.get("retryStrategy") else None,
        timeout_s=timeout_of(asked.get("timeout") or {}),
        array_size=(asked.get("arrayProperties") or {}).get("size"),
        depends_on=tuple(
            Dependency(each.get("jobId"), each.get("type", "")) for each in asked.get("dependsOn", ())
        ),
        share=asked.get("shareIdentifier", ""),
        priority=asked.get("schedulingPriorityOverride"),
    )
    command = replace(definition, command=made.command or definition.command)
    command.command_for(made.parameters)  # a Ref:: without a value is refused now
    return made


def _strategy(name: str) -> Strategy:
    if name not in get_args(Strategy):
        raise ClientException(f"allocationStrategy: got {name!r}, allowed: {', '.join(get_args(Strategy))}")
    return cast(Strategy, name)


def _types(names: list[str]) -> Iterator[InstanceType]:
    for name in names:
        if name not in TYPES:
            raise ClientException(f"instanceTypes: got {name!r}, allowed here: {sorted(TYPES)}")
        yield from (InstanceType(name, vcpu, memory_mb) for vcpu, memory_mb in TYPES[name])
