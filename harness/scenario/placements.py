"""What the settings of all placements have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Settings that cannot be changed, and refuse keys that they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Sized(Strict):
    """What every placement tells of itself."""

    @property
    def own_images(self) -> tuple[str, ...]:
        """Images of the user's own that it runs, in place of the workload's."""
        return ()

    @property
    def needs_load_balancer(self) -> bool:
        """Whether something has to stand before its containers."""
        return False

    @property
    def runs_workload(self) -> bool:
        """Whether it runs the scenario's workload, and so any other of the same shape."""
        return not self.own_images


class InstanceSettings(Strict):
    """An instance type and what it has for jobs."""

    name: str
    """Instance type, such as c7i.large: what it is called, and what it is priced as."""
    vcpu: Annotated[float, Field(gt=0, le=192)]
    """vCPUs that it has for jobs or tasks."""
    memory_mb: Annotated[int, Field(ge=4, le=1_600_000)]
    """MiB that it has for jobs or tasks; less than the type's, for the host needs some."""


class LaunchSettings(Strict):
    """How long an instance or a task takes to come up: log-normal, assumed and not measured."""

    median_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Median, in seconds; 0 is no delay."""
    spread: Annotated[float, Field(ge=1, le=10)] = 1.0
    """Geometric standard deviation: with 1.3, two launches in three take between median / 1.3 and median x 1.3."""
