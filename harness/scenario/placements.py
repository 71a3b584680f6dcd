"""What the settings of all placements have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Settings that cannot be changed, and refuse keys that they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    vcpu: Annotated[float, Field(gt=0, le=192)]
    memory_mb: Annotated[int, Field(ge=4, le=1_600_000)]


class LaunchSettings(Strict):
    """How long an instance or a task takes to come up: log-normal, assumed and not measured. A median of 0 is no
    delay.
    """

    median_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    spread: Annotated[float, Field(ge=1, le=10)] = 1.0
