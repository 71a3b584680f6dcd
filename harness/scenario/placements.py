"""What a scenario says of its batch and service placements, and what all settings have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    def runs_workload(self) -> bool:
        """Whether it runs the scenario's workload, and so any other of the same shape."""
        return not self.own_images


class BatchSettings(Sized):
    """A Batch-style array job: items are split over at most `array_size` jobs, within a vCPU budget.

    Items that arrive within `window_s` of the first go into one array job; 0 takes those of one instant. `cpu` tells
    whether vCPU is a hard limit (Fargate) or a share that may use idle CPU (EC2).
    """

    kind: Literal["batch"]
    memory_mb: Annotated[int, Field(ge=4, le=250_000)]
    vcpu: Annotated[float, Field(gt=0, le=192)]
    cpu: Literal["hard", "share"] = "hard"
    vcpu_budget: Annotated[float, Field(gt=0, le=10_000)]
    array_size: Annotated[int, Field(ge=1, le=10_000)]
    window_s: Annotated[float, Field(ge=0, le=3600)] = 0.0

    @property
    def parallel(self) -> int:
        """How many containers work at once, at most."""
        return max(1, int(self.vcpu_budget / self.vcpu + 1e-9))

    @model_validator(mode="after")
    def _one_job_fits(self) -> BatchSettings:
        if self.vcpu > self.vcpu_budget:
            raise ValueError(
                f"vcpu {self.vcpu} exceeds vcpu_budget {self.vcpu_budget}: no job could ever start"
            )
        return self


class ServiceSettings(Sized):
    """A persistent service: `tasks` containers kept running, requests spread over them."""

    kind: Literal["service"]
    memory_mb: Annotated[int, Field(ge=4, le=250_000)]
    vcpu: Annotated[float, Field(gt=0, le=192)]
    cpu: Literal["hard", "share"] = "hard"
    tasks: Annotated[int, Field(ge=1, le=1000)] = 2
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    healthy_within_s: Annotated[float, Field(gt=0, le=600)] = 30.0

    @property
    def parallel(self) -> int:
        """How many containers work at once, at most."""
        return self.tasks
