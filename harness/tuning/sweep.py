"""A scenario with one arm for each placement and size, so that a sweep of sizes is an ordinary run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from harness.scenario import (
    BatchSettings,
    FunctionSettings,
    PlacementSettings,
    Scenario,
    ScenarioError,
    ServiceSettings,
)  # fmt: skip
from harness.tuning.search import first_pair
from harness.tuning.sizes import ContainerSize, Wanted, on_fargate, sizes_of

NAME_LENGTH = 32


@dataclass(frozen=True, slots=True)
class SizedArm:
    """An arm of the sweep: which placement of the scenario it is, and at what size."""

    name: str
    placement: str
    size: ContainerSize


@dataclass(frozen=True, slots=True)
class Sweep:
    """The scenario to run; its arms in the order of placements, then of sizes."""

    scenario: Scenario
    arms: tuple[SizedArm, ...]

    def of(self, placement: str) -> tuple[SizedArm, ...]:
        """The arms of one placement, by ascending size."""
        return tuple(arm for arm in self.arms if arm.placement == placement)

    @property
    def placements(self) -> tuple[str, ...]:
        """The placements of the scenario that are swept."""
        return tuple(dict.fromkeys(arm.placement for arm in self.arms))

    def told(self) -> dict[str, Any]:
        """For the manifest: placement and size of each arm."""
        return {arm.name: {"placement": arm.placement} | asdict(arm.size) for arm in self.arms}


def sweep(scenario: Scenario, memory_mb: Sequence[int], vcpus: Sequence[Wanted]) -> Sweep:
    """One arm for each size of each placement. ScenarioError on a size that a placement cannot have.

    Only the size of a container changes: how many there are at once stays as it is, so the budget of a batch
    placement on Fargate grows with its jobs. The A/A arm is a size from the middle: a small one may not work at all.
    """
    arms: list[SizedArm] = []
    placements: dict[str, PlacementSettings] = {}
    for placement, settings in scenario.placements.items():
        for size in sizes_of(settings, memory_mb, vcpus):
            arm = SizedArm(_name(placement, settings, size), placement, size)
            arms.append(arm)
            placements[arm.name] = _resized(placement, settings, size)
    made = Sweep(scenario, tuple(arms))
    twice = made.of(scenario.aa or next(iter(scenario.placements)))
    changes = {
        "name": f"tune-{scenario.name}"[:NAME_LENGTH],
        "title": f"Sizes for: {scenario.title}",
        "placements": placements,
        "aa": twice[first_pair(len(twice))[1]].name,
        "objectives": tuple(_objectives(scenario, made)),
    }
    return Sweep(scenario.model_copy(update=changes), made.arms)


def _name(placement: str, settings: PlacementSettings, size: ContainerSize) -> str:
    """function_1769mb, service_0_25vcpu_512mb; ScenarioError if that is too long for an arm."""
    suffix = f"_{size.memory_mb}mb"
    if not isinstance(settings, FunctionSettings):
        suffix = f"_{size.vcpu:g}vcpu{suffix}".replace(".", "_")
    name = placement + suffix
    if len(name) > NAME_LENGTH:
        raise ScenarioError(
            f"placements.{placement}: with its size this would be {name!r}, and an arm's name has at most "
            f"{NAME_LENGTH} letters; rename it to {NAME_LENGTH - len(suffix)} letters or fewer"
        )
    return name


def _resized(placement: str, settings: PlacementSettings, size: ContainerSize) -> PlacementSettings:
    """The same settings at another size, checked as those of a file are."""
    changes: dict[str, Any] = {"memory_mb": size.memory_mb}
    if not isinstance(settings, FunctionSettings):
        changes["vcpu"] = size.vcpu
    if isinstance(settings, ServiceSettings):  # a container of this size has a task of its own size
        changes |= {"task_vcpu": None, "task_memory_mb": None}
    if isinstance(settings, BatchSettings) and on_fargate(settings):
        changes["vcpu_budget"] = size.vcpu * settings.parallel
    try:
        return type(settings).model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        why = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise ScenarioError(
            f"placements.{placement} at {size.vcpu:g} vCPU and {size.memory_mb} MB: {why}"
        ) from None


def _objectives(scenario: Scenario, made: Sweep) -> Any:
    """What is demanded of a placement is demanded of each of its sizes."""
    for objective in scenario.objectives:
        if objective.placement is None:
            yield objective
        else:
            for arm in made.of(objective.placement):
                yield objective.model_copy(update={"placement": arm.name})
