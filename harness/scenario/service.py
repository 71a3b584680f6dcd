"""What a scenario says of a service.

Sources of limits and defaults, read 2026-11-24: Amazon ECS API Reference, "DeploymentConfiguration",
"DeploymentCircuitBreaker" and "HealthCheck"; Elastic Load Balancing, "Health checks" and "Deregistration delay";
Application Auto Scaling User Guide, "Target tracking scaling policies". AWS checks health every 30 s; the defaults here
are quicker, so that a run of seconds sees them at work.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness import sizes
from harness.scenario.placements import InstanceSettings, LaunchSettings, Sized, Strict

# Amazon Lightsail API Reference, "CreateContainerService": the scale of a service.
LIGHTSAIL_NODES = 20
LIGHTSAIL = {
    "LIGHTSAIL_CONTAINERS": sizes.LIGHTSAIL_CONTAINERS,
    "LIGHTSAIL_INSTANCES": sizes.LIGHTSAIL_INSTANCES,
}


class HealthSettings(Strict):
    """The container's own health check: unhealthy after `retries` failures in a row, none of which counts in the first
    `start_period_s`. AWS's defaults are 30 s, 5 s, 3 and 0 s.
    """

    interval_s: Annotated[float, Field(gt=0, le=300)] = 1.0
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    retries: Annotated[int, Field(ge=1, le=10)] = 3
    start_period_s: Annotated[float, Field(ge=0, le=300)] = 30.0


class TargetSettings(Strict):
    """The load balancer's health check, and how it lets go of a task: `deregistration_delay_s` for its requests to end.
    AWS's defaults are 30 s, 5 s, 2 failures and 300 s.
    """

    interval_s: Annotated[float, Field(gt=0, le=300)] = 1.0
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    unhealthy_threshold: Annotated[int, Field(ge=2, le=10)] = 2
    deregistration_delay_s: Annotated[float, Field(ge=0, le=3600)] = 300.0


class ScalingSettings(Strict):
    """Target tracking of CPU or memory (a share of the limit, 0.7 is 70 %), or of requests a minute for each task.

    As with AWS it goes out after `out_periods` readings above the target, and in after `in_periods` below 0.9 of it.
    """

    metric: Literal["cpu", "memory", "requests"]
    target: Annotated[float, Field(gt=0)]
    min_tasks: Annotated[int, Field(ge=1, le=1000)] = 1
    max_tasks: Annotated[int, Field(ge=1, le=1000)]
    period_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    out_periods: Annotated[int, Field(ge=1, le=60)] = 3
    in_periods: Annotated[int, Field(ge=1, le=60)] = 15
    out_cooldown_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    in_cooldown_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0

    @model_validator(mode="after")
    def _agrees(self) -> ScalingSettings:
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"min_tasks: got {self.min_tasks}, allowed: 1 to {self.max_tasks} (max_tasks)")
        if self.metric != "requests" and self.target > 1:
            raise ValueError(f"target: got {self.target:g}, allowed: a share, 0.01 to 1 (0.7 is 70 %)")
        return self


class DeploymentSettings(Strict):
    """A new revision, `after_s` seconds after the first item of a phase was sent: the same image with `environment`."""

    phase: str
    after_s: Annotated[float, Field(ge=0)] = 0.0
    environment: dict[str, str] = Field(default_factory=dict)


class BurstSettings(Strict):
    """How a Lightsail instance bursts, which is assumed: vCPU-seconds in hand at the start, and the most it can
    save.
    """

    start_vcpu_s: Annotated[float, Field(ge=0)] = 1800.0
    most_vcpu_s: Annotated[float, Field(ge=0)] = 86_400.0


class ServiceSettings(Sized):
    """A persistent service: `tasks` containers kept running behind a load balancer.

    - `vcpu` and `memory_mb` limit each container; `task_vcpu` and `task_memory_mb` are the size of the task that is
      paid for, where that is more.
    - `compute`: FARGATE tasks come in Fargate's sizes; EC2 launches `instances` and packs tasks on them, and vCPU is a
      share there; LIGHTSAIL_CONTAINERS and LIGHTSAIL_INSTANCES are the `bundle` of that name, one for each task.
    - `launch`: what launching a task (or an EC2 instance) takes, which is assumed. It is not waited for before the
      first item: the service is up by then.
    - `min_healthy_percent`, `max_percent`, `circuit_breaker` and `rollback` are those of ECS's rolling deployments.
    - `grace_period_s`: for so long after a task's start no failed health check ends it.
    - `stop_timeout_s`: from SIGTERM to SIGKILL.
    - `timeout_s`: the longest that a request may take; `queue`: how many may wait in a worker before it answers 503.
    - `time_scale` multiplies the periods and cooldowns of scaling, and nothing else.
    """

    kind: Literal["service"]
    memory_mb: Annotated[int, Field(ge=4, le=250_000)]
    vcpu: Annotated[float, Field(gt=0, le=192)]
    compute: Literal["FARGATE", "EC2", "LIGHTSAIL_CONTAINERS", "LIGHTSAIL_INSTANCES"] = "FARGATE"
    task_vcpu: Annotated[float, Field(gt=0, le=192)] | None = None
    task_memory_mb: Annotated[int, Field(ge=4, le=250_000)] | None = None
    bundle: str | None = None
    instances: tuple[InstanceSettings, ...] = ()
    launch: LaunchSettings = LaunchSettings()
    tasks: Annotated[int, Field(ge=1, le=1000)] = 2
    min_healthy_percent: Annotated[int, Field(ge=0, le=100)] = 100
    max_percent: Annotated[int, Field(ge=100, le=400)] = 200
    circuit_breaker: bool = True
    rollback: bool = True
    grace_period_s: Annotated[float, Field(ge=0)] = 0.0
    health: HealthSettings = HealthSettings()
    target: TargetSettings = TargetSettings()
    stop_timeout_s: Annotated[float, Field(ge=0, le=120)] = 30.0
    scaling: ScalingSettings | None = None
    burst: BurstSettings = BurstSettings()
    deployments: Annotated[tuple[DeploymentSettings, ...], Field(max_length=10)] = ()
    timeout_s: Annotated[float, Field(gt=0, le=4000)] = 60.0
    queue: Annotated[int, Field(ge=0, le=100_000)] = 1000
    healthy_within_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    time_scale: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def cpu(self) -> Literal["hard", "share"]:
        """Whether a task's vCPU is a limit or a share."""
        return "share" if self.compute == "EC2" else "hard"

    @property
    def needs_load_balancer(self) -> bool:
        """Requests are spread over its tasks."""
        return True

    @property
    def task_size(self) -> sizes.Size:
        """The size of each task, which is what is paid for: the container's own, unless told otherwise."""
        if self.bundle is not None:
            return LIGHTSAIL[self.compute][self.bundle].size
        return sizes.Size(self.task_vcpu or self.vcpu, self.task_memory_mb or self.memory_mb)

    @property
    def parallel(self) -> int:
        """How many containers work at once, at most."""
        return max(self.tasks, self.scaling.max_tasks if self.scaling else 0)

    @model_validator(mode="after")
    def _agrees(self) -> ServiceSettings:
        self._check_bundle()
        self._check_instances()
        size = self.task_size
        if self.vcpu > size.vcpu or self.memory_mb > size.memory_mb:
            raise ValueError(
                f"vcpu, memory_mb: got {sizes.Size(self.vcpu, self.memory_mb)}, allowed: no more than the task's {size}"
            )
        if self.compute == "FARGATE" and size not in sizes.FARGATE:
            first, second = sizes.nearest_fargate(size)
            raise ValueError(
                f"task_vcpu, task_memory_mb: Fargate has no {size}; the nearest are {first}, and {second}. "
                "The container's own limits (vcpu, memory_mb) may be lower than its task's"
            )
        if self.scaling is not None:
            self._check_scaling(self.scaling)
        self._check_deployments()
        self._check_idle_keys()
        return self

    def _check_deployments(self) -> None:
        least = math.ceil(self.tasks * self.min_healthy_percent / 100)
        most = self.tasks * self.max_percent // 100
        if self.deployments and least >= most:
            raise ValueError(
                f"min_healthy_percent, max_percent: got {self.min_healthy_percent} and {self.max_percent}, which with "
                f"{self.tasks} tasks are at least {least} and at most {most}: no deployment could ever begin; allowed "
                "are such that the first is less than the second"
            )

    def _check_idle_keys(self) -> None:
        """Keys that differ from their defaults and would do nothing."""
        for key, needed, there in (
            ("burst", "compute = 'LIGHTSAIL_INSTANCES'", self.compute == "LIGHTSAIL_INSTANCES"),
            ("time_scale", "scaling", self.scaling is not None),
            ("rollback", "circuit_breaker = true", self.circuit_breaker),
        ):
            if getattr(self, key) != type(self).model_fields[key].default and not there:
                raise ValueError(f"{key}: does nothing without {needed}")

    def _check_bundle(self) -> None:
        known = LIGHTSAIL.get(self.compute)
        if (known is None) != (self.bundle is None) or (known is not None and self.bundle not in known):
            allowed = "none" if known is None else f"one of {list(known)}"
            raise ValueError(
                f"bundle: got {self.bundle!r}, allowed with compute = {self.compute!r}: {allowed}"
            )
        if self.compute == "LIGHTSAIL_CONTAINERS" and self.tasks > LIGHTSAIL_NODES:
            raise ValueError(
                f"tasks: got {self.tasks}, allowed in a Lightsail service: 1 to {LIGHTSAIL_NODES}"
            )
        if known is not None and (self.task_vcpu or self.task_memory_mb):
            raise ValueError("task_vcpu, task_memory_mb: a Lightsail bundle has its size, and takes no other")

    def _check_instances(self) -> None:
        if (self.compute == "EC2") != bool(self.instances):
            wanted = "at least one" if self.compute == "EC2" else "none"
            raise ValueError(
                f"instances: got {len(self.instances)}, allowed with compute = {self.compute!r}: {wanted}"
            )
        size = self.task_size
        if self.instances and not any(
            each.vcpu >= size.vcpu and each.memory_mb >= size.memory_mb for each in self.instances
        ):
            raise ValueError(f"instances: none holds a task of {size}")

    def _check_scaling(self, scaling: ScalingSettings) -> None:
        if self.compute in LIGHTSAIL:
            raise ValueError(f"scaling: {self.compute} does not scale by itself; allowed: none")
        if not scaling.min_tasks <= self.tasks <= scaling.max_tasks:
            raise ValueError(
                f"tasks: got {self.tasks}, allowed: {scaling.min_tasks} to {scaling.max_tasks} (scaling)"
            )
