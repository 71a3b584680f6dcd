"""What a scenario says of a function.

Source of limits and defaults: AWS Lambda Developer Guide, "Lambda quotas", "Configure Lambda function memory", "Using
environment variables" and "Configuring error handling settings for asynchronous invocations", read 2026-11-23.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.scenario.placements import Sized, Strict

MEMORY_MB = (128, 10_240)
MB_PER_VCPU = 1769
CAP_S = 900
TMP_MB = (512, 10_240)
CONCURRENCY = 1000
ENVIRONMENT_BYTES = 4096
# Lambda sets these itself, and refuses a function that would.
RESERVED = (
    "AWS_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_", "AWS_REGION", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER", "_X_AMZN_TRACE_ID",
)  # fmt: skip


class UniformIdle(Strict):
    """Idle times drawn evenly between two bounds."""

    distribution: Literal["uniform"]
    """Its name."""
    low_s: Annotated[float, Field(ge=0)]
    """Seconds, at least."""
    high_s: Annotated[float, Field(gt=0)]
    """Seconds, at most."""


class ExponentialIdle(Strict):
    """Idle times drawn from an exponential distribution."""

    distribution: Literal["exponential"]
    """Its name."""
    mean_s: Annotated[float, Field(gt=0)]
    """Seconds, at the mean."""


Idle = (
    Annotated[float, Field(ge=0)]
    | Literal["never"]
    | Annotated[UniformIdle | ExponentialIdle, Field(discriminator="distribution")]
)


class FunctionSettings(Sized):
    """A Lambda-style function: memory sets its CPU share, one environment serves one invocation at a time."""

    kind: Literal["function"]
    """The placement."""
    memory_mb: Annotated[int, Field(ge=MEMORY_MB[0], le=MEMORY_MB[1])]
    """Memory in MB: a hard limit. It sets the CPU share: 1,769 MB have one vCPU."""
    cap_s: Annotated[float, Field(ge=1, le=CAP_S)] = CAP_S
    """The longest timeout that is allowed. Lower, it makes the cap's effect visible in a short run."""
    timeout_s: Annotated[float, Field(ge=1, le=CAP_S)] = CAP_S
    """Seconds for each invocation; `cap_s` if not given."""
    tmp_mb: Annotated[int, Field(ge=TMP_MB[0], le=TMP_MB[1])] = TMP_MB[0]
    """Size of /tmp in MB; it is a disk, and no memory."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables, 4,096 bytes of names and values at most; those that Lambda sets are refused."""
    max_environments: Annotated[int, Field(ge=1, le=1000)] = 2
    """This machine's limit: what finds it reached waits."""
    reserved_concurrency: Annotated[int, Field(ge=0)] | None = None
    """Lambda's limit for the function: what finds it reached is throttled. None if not given."""
    account_concurrency: Annotated[int, Field(ge=1)] = CONCURRENCY
    """Lambda's limit for the account: what finds it reached is throttled."""
    provisioned_concurrency: Annotated[int, Field(ge=0, le=1000)] = 0
    """Environments that are up before the first item."""
    environments_per_10_s: Annotated[int, Field(ge=1)] = 1000
    """Environments that may be added in 10 s: what finds it reached is throttled."""
    idle_s: Idle = 300.0
    """Seconds after which an environment that nobody needs is evicted; 0 for a cold start each time, "never", or a
    [distribution](#idle_s).
    """
    invocation: Literal["event", "request"] = "event"
    """`event`: asynchronous, queued and retried. `request`: synchronous; throttled means failed."""
    retries: Annotated[int, Field(ge=0, le=2)] = 2
    """How often a failed event is tried again."""
    max_event_age_s: Annotated[float, Field(ge=60, le=21_600)] = 21_600
    """Seconds after which an event is given up."""
    time_scale: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Multiplies the delays between retries (1 and 2 minutes) and the age that events may reach."""
    image: str | None = None
    """A Lambda container image of your own, in place of the workload."""
    command: tuple[str, ...] = ()
    """Its command, in place of the image's."""
    entry_point: tuple[str, ...] = ()
    """Its entry point, in place of the image's."""
    payload: dict[str, Any] | None = None
    """What it is invoked with, in place of an S3 notification about the item."""
    init_vcpu: Annotated[float, Field(gt=0, le=6)] | None = None
    """vCPUs that INIT may use, where more than the memory's share; AWS does not document any."""
    shutdown_s: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Seconds from SIGTERM to SIGKILL at the end; without extensions Lambda gives none."""

    @property
    def vcpu(self) -> float:
        """CPU share: 1,769 MB have one vCPU."""
        return self.memory_mb / MB_PER_VCPU

    @property
    def parallel(self) -> int:
        """How many containers work at once, at most."""
        limits = (self.max_environments, self.account_concurrency, self.reserved_concurrency)
        return max(1, min(limit for limit in limits if limit is not None))

    @property
    def own_images(self) -> tuple[str, ...]:
        """That which it runs in place of the workload, if there is one."""
        return () if self.image is None else (self.image,)

    @model_validator(mode="before")
    @classmethod
    def _cap_is_the_timeout(cls, data: Any) -> Any:
        if isinstance(data, dict) and "cap_s" in data and "timeout_s" not in data:
            return data | {"timeout_s": data["cap_s"]}
        return data

    @model_validator(mode="after")
    def _agrees(self) -> FunctionSettings:
        if self.timeout_s > self.cap_s:
            raise ValueError(f"timeout_s: got {self.timeout_s:g}, allowed: 1 to {self.cap_s:g} (cap_s)")
        for name in ("max_environments", "account_concurrency"):
            most = getattr(self, name)
            if self.provisioned_concurrency > most:
                raise ValueError(
                    f"provisioned_concurrency: got {self.provisioned_concurrency}, allowed: 0 to {most} ({name})"
                )
        if (self.reserved_concurrency or 0) > self.account_concurrency:
            raise ValueError(
                f"reserved_concurrency: got {self.reserved_concurrency}, "
                f"allowed: 0 to {self.account_concurrency} (account_concurrency)"
            )
        if self.image is None and (self.command or self.entry_point or self.payload is not None):
            raise ValueError("command, entry_point, payload: these go with an image, and there is none")
        self._check_environment()
        return self

    def _check_environment(self) -> None:
        reserved = sorted(name for name in self.environment if name.startswith(RESERVED))
        if reserved:
            raise ValueError(f"environment: {reserved[0]} is set by Lambda and cannot be given")
        size_bytes = sum(len(f"{name}{value}".encode()) for name, value in self.environment.items())
        if size_bytes > ENVIRONMENT_BYTES:
            raise ValueError(
                f"environment: got {size_bytes} bytes of names and values, allowed: {ENVIRONMENT_BYTES} (4 KB)"
            )
