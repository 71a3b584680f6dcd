"""What a scenario says of a batch placement.

Source of limits: AWS Batch User Guide and API Reference, read 2026-11-24.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.scenario.placements import InstanceSettings, LaunchSettings, Sized, Strict


class RuleSettings(Strict):
    """One rule of `evaluate_on_exit`: a condition may end in an asterisk, and all have to hold."""

    action: Literal["RETRY", "EXIT"]
    """What is done when the rule applies."""
    on_status_reason: Annotated[str, Field(pattern=r"^[^*]*\*?$", max_length=512)] | None = None
    """Pattern for the status reason, such as `Host EC2*`."""
    on_reason: Annotated[str, Field(pattern=r"^[^*]*\*?$", max_length=512)] | None = None
    """Pattern for the reason that the container gives."""
    on_exit_code: Annotated[str, Field(pattern=r"^[0-9]*\*?$", max_length=512)] | None = None
    """Pattern for the exit code, in digits."""


class StepSettings(Strict):
    """A job of a chain: a module of the workload."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    """Module of the workload."""
    each: bool = False
    """A child for each child of the step before, which waits for that one alone."""


class BatchSettings(Sized):
    """A Batch-style array job: items are split over at most `array_size` jobs, on a compute environment."""

    kind: Literal["batch"]
    """The placement."""
    memory_mb: Annotated[int, Field(ge=4, le=250_000)]
    """Memory of each job in MiB: a hard limit."""
    vcpu: Annotated[float, Field(gt=0, le=192)]
    """vCPUs of each job: a hard limit on Fargate, a share on EC2 and Spot."""
    vcpu_budget: Annotated[float, Field(gt=0, le=10_000)]
    """vCPUs of the compute environment, at most."""
    array_size: Annotated[int, Field(ge=1, le=10_000)]
    """Jobs that one array is split into, at most."""
    window_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Items that arrive within so many seconds of the first go into one array job; 0 takes those of one instant."""
    compute: Literal["FARGATE", "EC2", "SPOT"] = "FARGATE"
    """FARGATE gives each job room of its own. EC2 and SPOT launch `instances`, fill them, and shut them down when
    idle; idle CPU may be used there.
    """
    instances: tuple[InstanceSettings, ...] = ()
    """[Types](#instances) that may be launched; with EC2 and SPOT alone."""
    allocation: Literal[
        "BEST_FIT", "BEST_FIT_PROGRESSIVE", "SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED"
    ] = "BEST_FIT"
    """Which of the types is launched; the smallest that holds a job, unless told otherwise."""
    min_vcpu: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """vCPUs of instances that are never shut down."""
    idle_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """Seconds after which an idle instance is shut down."""
    launch: LaunchSettings = LaunchSettings()
    """What [launching](#launch) takes, which is assumed."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 1
    """How often a job is tried."""
    evaluate_on_exit: Annotated[tuple[RuleSettings, ...], Field(max_length=5)] = ()
    """For what it is tried again: [rules](#evaluate_on_exit), the first that applies."""
    timeout_s: Annotated[float, Field(ge=60, le=10_000_000)] | None = None
    """Seconds for each attempt; a timed-out job is not tried again. None if not given."""
    interruption_mean_s: Annotated[float, Field(gt=0)] | None = None
    """Each Spot instance is interrupted after a time drawn from an exponential distribution of this mean."""
    time_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Multiplies timeouts, the 30 s from SIGTERM to SIGKILL, and the two minutes of a Spot notice."""
    steps: Annotated[tuple[StepSettings, ...], Field(max_length=10)] = ()
    """Further [jobs](#steps), each of which waits for the one before (`dependsOn`), the first for the items'
    own.
    """
    image: str | None = None
    """A container image of the user's own, in any language, in place of the workload. It is told the items of its job
    in ITEMS, a JSON list, and has done them all if it ends with 0; it has no network and no store.
    """
    command: tuple[str, ...] = ()
    """What `image` runs; its own command if not given."""

    @property
    def own_images(self) -> tuple[str, ...]:
        """That which it runs in place of the workload, if there is one."""
        return () if self.image is None else (self.image,)

    @property
    def cpu(self) -> Literal["hard", "share"]:
        """Whether a job's vCPU is a limit or a share."""
        return "hard" if self.compute == "FARGATE" else "share"

    @property
    def parallel(self) -> int:
        """How many containers work at once, at most."""
        return max(1, int(self.vcpu_budget / self.vcpu + 1e-9))

    @model_validator(mode="after")
    def _agrees(self) -> BatchSettings:
        if self.vcpu > self.vcpu_budget:
            raise ValueError(
                f"vcpu {self.vcpu} exceeds vcpu_budget {self.vcpu_budget}: no job could ever start"
            )
        if self.min_vcpu > self.vcpu_budget:
            raise ValueError(
                f"min_vcpu: got {self.min_vcpu:g}, allowed: 0 to {self.vcpu_budget:g} (vcpu_budget)"
            )
        if (self.compute == "FARGATE") != (not self.instances):
            wanted = "none with" if self.compute == "FARGATE" else "at least one with"
            raise ValueError(
                f"instances: got {len(self.instances)}, allowed: {wanted} compute = {self.compute!r}"
            )
        if self.instances and not any(self._holds(each) for each in self.instances):
            raise ValueError(
                f"instances: none within vcpu_budget holds a job of {self.vcpu:g} vCPU and {self.memory_mb} MB"
            )
        if self.interruption_mean_s is not None and self.compute != "SPOT":
            raise ValueError(f"interruption_mean_s: goes with compute = 'SPOT', got {self.compute!r}")
        if self.min_vcpu and self.compute == "FARGATE":
            raise ValueError("min_vcpu: Fargate has no instances that could stand by")
        if self.image is None and self.command:
            raise ValueError("command: goes with an image, and there is none")
        if self.image is not None and self.steps:
            raise ValueError("steps: these are modules of the workload, and image stands in its place")
        return self

    def _holds(self, each: InstanceSettings) -> bool:
        fits = each.vcpu >= self.vcpu and each.memory_mb >= self.memory_mb
        return fits and each.vcpu <= self.vcpu_budget
