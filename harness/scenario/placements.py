"""What a scenario says of a service placement, and what all settings have in common."""

from __future__ import annotations

from typing import Annotated, Literal

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
    def runs_workload(self) -> bool:
        """Whether it runs the scenario's workload, and so any other of the same shape."""
        return not self.own_images


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
