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

# The scale of a Lightsail container service, as in botocore's model (ContainerServiceScale), read 2026-11-24.
LIGHTSAIL_NODES = 20
LIGHTSAIL = {
    "LIGHTSAIL_CONTAINERS": sizes.LIGHTSAIL_CONTAINERS,
    "LIGHTSAIL_INSTANCES": sizes.LIGHTSAIL_INSTANCES,
}


class HealthSettings(Strict):
    """The container's own health check."""

    interval_s: Annotated[float, Field(gt=0, le=300)] = 1.0
    """Seconds between checks; AWS's default is 30."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Seconds after which a check has failed; AWS's default is 5."""
    retries: Annotated[int, Field(ge=1, le=10)] = 3
    """Failures in a row that make it unhealthy; AWS's default is 3."""
    start_period_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    """Seconds in which failures do not count; AWS's default is 0."""


class TargetSettings(Strict):
    """The load balancer's health check, and how it lets go of a task."""

    interval_s: Annotated[float, Field(gt=0, le=300)] = 1.0
    """Seconds between checks; AWS's default is 30."""
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    """Seconds after which a check has failed; AWS's default is 5."""
    unhealthy_threshold: Annotated[int, Field(ge=2, le=10)] = 2
    """Failures in a row that make it unhealthy; AWS's default is 2."""
    deregistration_delay_s: Annotated[float, Field(ge=0, le=3600)] = 300.0
    """Seconds in which a task that is deregistered may finish its requests; AWS's default is 300."""


class ScalingSettings(Strict):
    """Target tracking, as Application Auto Scaling does it."""

    metric: Literal["cpu", "memory", "requests"]
    """CPU or memory as a share of the limit, or requests a minute for each task."""
    target: Annotated[float, Field(gt=0)]
    """What is kept to: 0.7 is 70 %; with `requests`, requests a minute."""
    min_tasks: Annotated[int, Field(ge=1, le=1000)] = 1
    """Tasks, at least."""
    max_tasks: Annotated[int, Field(ge=1, le=1000)]
    """Tasks, at most."""
    period_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds of one reading."""
    out_periods: Annotated[int, Field(ge=1, le=60)] = 3
    """Readings above the target before tasks are added."""
    in_periods: Annotated[int, Field(ge=1, le=60)] = 15
    """Readings below 0.9 of the target before tasks are removed."""
    out_cooldown_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """Seconds after adding in which no more are added."""
    in_cooldown_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """Seconds after removing in which no more are removed."""

    @model_validator(mode="after")
    def _agrees(self) -> ScalingSettings:
        if self.min_tasks > self.max_tasks:
            raise ValueError(f"min_tasks: got {self.min_tasks}, allowed: 1 to {self.max_tasks} (max_tasks)")
        if self.metric != "requests" and self.target > 1:
            raise ValueError(f"target: got {self.target:g}, allowed: a share, 0.01 to 1 (0.7 is 70 %)")
        return self


class DeploymentSettings(Strict):
    """A new revision, deployed under load."""

    phase: str
    """The phase in which it begins."""
    after_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds after the first item of the phase was sent; less than it lasts."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables of the new revision; all else is the same image."""


class BurstSettings(Strict):
    """How a Lightsail instance bursts, which is assumed."""

    start_vcpu_s: Annotated[float, Field(ge=0)] = 1800.0
    """vCPU-seconds in hand at the start."""
    most_vcpu_s: Annotated[float, Field(ge=0)] = 86_400.0
    """vCPU-seconds that it can save, at most."""


class ServiceSettings(Sized):
    """A persistent service: `tasks` containers kept running behind a load balancer."""

    kind: Literal["service"]
    """The placement."""
    memory_mb: Annotated[int, Field(ge=4, le=250_000)]
    """Memory of each container in MiB: a hard limit."""
    vcpu: Annotated[float, Field(gt=0, le=192)]
    """vCPUs of each container: a share on EC2, else a hard limit."""
    compute: Literal["FARGATE", "EC2", "LIGHTSAIL_CONTAINERS", "LIGHTSAIL_INSTANCES"] = "FARGATE"
    """FARGATE tasks come in Fargate's sizes. EC2 launches `instances` and packs tasks on them. The Lightsail ones
    are the `bundle` of that name, one for each task.
    """
    task_vcpu: Annotated[float, Field(gt=0, le=192)] | None = None
    """vCPUs of the task that is paid for; those of the container if not given."""
    task_memory_mb: Annotated[int, Field(ge=4, le=250_000)] | None = None
    """Memory of the task that is paid for, in MiB; that of the container if not given."""
    bundle: str | None = None
    """Lightsail's bundle: nano, micro, small, medium, large or xlarge. None elsewhere."""
    instances: tuple[InstanceSettings, ...] = ()
    """[Types](#instances) that may be launched; with EC2 alone."""
    launch: LaunchSettings = LaunchSettings()
    """What [launching](#launch) a task or an instance takes, which is assumed. It is not waited for before the
    first item: the service is up by then.
    """
    tasks: Annotated[int, Field(ge=1, le=1000)] = 2
    """Tasks that are kept running; with scaling, those at the start."""
    min_healthy_percent: Annotated[int, Field(ge=0, le=100)] = 100
    """Share of the tasks that a rolling deployment leaves running, in percent."""
    max_percent: Annotated[int, Field(ge=100, le=400)] = 200
    """Share of the tasks that may run during a deployment, in percent."""
    circuit_breaker: bool = True
    """Whether a deployment is given up after half as many tasks in a row that do not come up as are wanted, at
    least 3 and at most 200.
    """
    rollback: bool = True
    """Whether a deployment that was given up is rolled back."""
    grace_period_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds after a task's start in which no failed health check ends it."""
    health: HealthSettings = HealthSettings()
    """The container's own [health check](#health)."""
    target: TargetSettings = TargetSettings()
    """The load balancer's [health check](#target), and how it lets go of a task."""
    stop_timeout_s: Annotated[float, Field(ge=0, le=120)] = 30.0
    """Seconds from SIGTERM to SIGKILL."""
    scaling: ScalingSettings | None = None
    """[Target tracking](#scaling); a fixed number of tasks if not given."""
    burst: BurstSettings = BurstSettings()
    """How a Lightsail instance [bursts](#burst)."""
    deployments: Annotated[tuple[DeploymentSettings, ...], Field(max_length=10)] = ()
    """New [revisions](#deployments) under load."""
    timeout_s: Annotated[float, Field(gt=0, le=4000)] = 60.0
    """Seconds that a request may take, at most."""
    queue: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Requests that may wait in a worker before it answers 503."""
    healthy_within_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds within which the service has to be up before the first item; else the run fails."""
    time_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Multiplies the periods and cooldowns of scaling, and nothing else."""

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
        """With each number of tasks that it may have when a deployment comes."""
        scaling = self.scaling
        counts = range(scaling.min_tasks, scaling.max_tasks + 1) if scaling else (self.tasks,)
        for tasks in counts if self.deployments else ():
            least = math.ceil(tasks * self.min_healthy_percent / 100)
            most = tasks * self.max_percent // 100
            if least >= most:
                raise ValueError(
                    f"min_healthy_percent, max_percent: got {self.min_healthy_percent} and {self.max_percent}, which "
                    f"with tasks = {tasks} are at least {least} and at most {most}: no deployment could ever begin; "
                    "allowed are such that the first is less than the second"
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
