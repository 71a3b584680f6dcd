"""Which sizes each kind of placement may have, and what a user writes of them.

Sources, read 2026-11-23: AWS Lambda Developer Guide, "Configure Lambda function memory" (128 to 10,240 MB in steps of
1 MB, 1,769 MB have one vCPU); Amazon ECS Developer Guide, "Task CPU and memory" (the pairs of Fargate, which AWS Batch
has as well).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness import sizes
from harness.scenario import FunctionSettings, PlacementSettings, ScenarioError, ServiceSettings
from harness.scenario.function import MB_PER_VCPU, MEMORY_MB

# What a sweep takes unless told otherwise: those that AWS Lambda Power Tuning starts with, and one vCPU.
USUAL_MEMORY = "128,256,512,1024,1769,3008"
USUAL_VCPU = "0.25,0.5,1,2"


@dataclass(frozen=True, slots=True, order=True)
class ContainerSize:
    """What one container has; ordered by vCPU, then memory."""

    vcpu: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry of `--vcpu`: `0.5`, or `0.5:1024` with its memory in MB."""

    vcpu: float
    memory_mb: int | None = None


def parse_memory(text: str) -> tuple[int, ...]:
    """`128,256,1769`: sizes of functions in MB, ascending, each once. ScenarioError on one that Lambda has not."""
    found = set()
    for part in _parts("--memory", text):
        value = _number(part)
        low, high = MEMORY_MB
        if not (low <= value <= high and value == round(value)):
            nearest = "" if math.isnan(value) else f"; the nearest is {round(min(max(value, low), high))}"
            raise ScenarioError(
                f"--memory: got {part!r}, allowed: {low} to {high} MB in steps of 1 MB{nearest}"
            )
        found.add(int(value))
    return tuple(sorted(found))


def parse_vcpu(text: str) -> tuple[Wanted, ...]:
    """`0.25,0.5:1024,1`: sizes of jobs and tasks. ScenarioError unless each is a number above 0, or two."""
    found = []
    for part in _parts("--vcpu", text):
        vcpu, colon, memory = part.partition(":")
        value, memory_mb = _number(vcpu), _number(memory) if colon else None
        bad_memory = memory_mb is not None and not (memory_mb >= 1 and memory_mb == round(memory_mb))
        if not 0 < value < math.inf or bad_memory:
            raise ScenarioError(
                f"--vcpu: got {part!r}, allowed: a number of vCPU such as 0.5, or with its memory in MB as in 0.5:1024"
            )
        found.append(Wanted(value, None if memory_mb is None else int(memory_mb)))
    return tuple(dict.fromkeys(found))


def function_size(memory_mb: int) -> ContainerSize:
    """A function's size follows from its memory."""
    return ContainerSize(memory_mb / MB_PER_VCPU, memory_mb)


def sizes_of(
    settings: PlacementSettings, memory_mb: Sequence[int], vcpus: Sequence[Wanted]
) -> tuple[ContainerSize, ...]:
    """The sizes that a placement is swept over, ascending. ScenarioError on one that its kind has not."""
    if isinstance(settings, FunctionSettings):
        return tuple(function_size(each) for each in memory_mb)
    return tuple(sorted({_with_memory(settings, wanted) for wanted in vcpus}))


def on_fargate(settings: PlacementSettings) -> bool:
    """Whether only Fargate's pairs are allowed: a job or task on EC2 shares an instance, and has what it asks for."""
    return not isinstance(settings, FunctionSettings) and settings.compute == "FARGATE"


def _with_memory(settings: PlacementSettings, wanted: Wanted) -> ContainerSize:
    """The size asked for; without a memory, the least that is allowed and no less than the scenario has."""
    if isinstance(settings, ServiceSettings) and settings.bundle is not None:
        raise ScenarioError(
            f"--vcpu: got {wanted.vcpu:g}, and {settings.compute} comes in bundles: allowed are placements on FARGATE "
            "or EC2; leave this one out with --placements"
        )
    if not on_fargate(settings):
        return ContainerSize(wanted.vcpu, wanted.memory_mb or settings.memory_mb)
    known = sorted({size.vcpu for size in sizes.FARGATE})
    if wanted.vcpu not in known:
        nearest = min(known, key=lambda vcpu: abs(vcpu - wanted.vcpu))
        allowed = ", ".join(f"{vcpu:g}" for vcpu in known)
        raise ScenarioError(
            f"--vcpu: got {wanted.vcpu:g}, allowed on Fargate: {allowed}; the nearest is {nearest:g}"
        )
    memories = [size.memory_mb for size in sizes.FARGATE if size.vcpu == wanted.vcpu]
    if wanted.memory_mb is None:
        enough = [memory for memory in memories if memory >= settings.memory_mb]
        if not enough:
            raise ScenarioError(
                f"--vcpu: got {wanted.vcpu:g}, which has at most {memories[-1]} MB on Fargate, and the scenario's "
                f"{settings.kind} has {settings.memory_mb} MB; name a memory as well: {wanted.vcpu:g}:{memories[-1]}"
            )
        return ContainerSize(wanted.vcpu, enough[0])
    if wanted.memory_mb not in memories:
        wanted_mb = wanted.memory_mb
        nearest_mb = min(memories, key=lambda memory: abs(memory - wanted_mb))
        allowed = ", ".join(str(memory) for memory in memories)
        raise ScenarioError(
            f"--vcpu: got {wanted.vcpu:g}:{wanted_mb}, allowed with {wanted.vcpu:g} vCPU on Fargate: {allowed} MB; "
            f"the nearest is {wanted.vcpu:g}:{nearest_mb}"
        )
    return ContainerSize(wanted.vcpu, wanted.memory_mb)


def _parts(option: str, text: str) -> list[str]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise ScenarioError(f"{option}: got {text!r}, allowed: sizes separated by commas")
    return found


def _number(text: str) -> float:
    """NaN, which no range holds, where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
