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
    low_s: Annotated[float, Field(ge=0)]
    high_s: Annotated[float, Field(gt=0)]


class ExponentialIdle(Strict):
    """Idle times drawn from an exponential distribution."""

    distribution: Literal["exponential"]
    mean_s: Annotated[float, Field(gt=0)]


Idle = (
    Annotated[float, Field(ge=0)]
    | Literal["never"]
    | Annotated[UniformIdle | ExponentialIdle, Field(discriminator="distribution")]
)


class FunctionSettings(Sized):
    """A Lambda-style function: memory sets its CPU share, one environment serves one invocation at a time.

    - `cap_s` is the longest timeout that is allowed, and the timeout if none is given.
    - `max_environments` is this machine's limit: what finds it reached waits. Lambda's own are `reserved_concurrency`,
      `account_concurrency` and `environments_per_10_s`, and what finds one of them reached is throttled.
    - `idle_s`: an environment that nobody needs for so long is evicted; 0 for a cold start each time, "never", or a
      distribution to draw from.
    - `invocation`: items are asynchronous events (queued, retried) or synchronous requests (throttled means failed).
    - `time_scale` shortens the delays between retries, and the age that events may reach: 0.01 is a hundredth.
    - `image`, `command`, `entry_point`: a Lambda container image of the user's own, in place of the workload.
    - `payload`: what it is invoked with, in place of an S3 notification about the item.
    - `init_vcpu`: what INIT may use, where more than the memory's share; AWS does not document any.
    - `shutdown_s`: from SIGTERM to SIGKILL at the end; without extensions Lambda gives none.
    """

    kind: Literal["function"]
    memory_mb: Annotated[int, Field(ge=MEMORY_MB[0], le=MEMORY_MB[1])]
    cap_s: Annotated[float, Field(ge=1, le=CAP_S)] = CAP_S
    timeout_s: Annotated[float, Field(ge=1, le=CAP_S)] = CAP_S
    tmp_mb: Annotated[int, Field(ge=TMP_MB[0], le=TMP_MB[1])] = TMP_MB[0]
    environment: dict[str, str] = Field(default_factory=dict)
    max_environments: Annotated[int, Field(ge=1, le=1000)] = 2
    reserved_concurrency: Annotated[int, Field(ge=0)] | None = None
    account_concurrency: Annotated[int, Field(ge=1)] = CONCURRENCY
    provisioned_concurrency: Annotated[int, Field(ge=0, le=1000)] = 0
    environments_per_10_s: Annotated[int, Field(ge=1)] = 1000
    idle_s: Idle = 300.0
    invocation: Literal["event", "request"] = "event"
    retries: Annotated[int, Field(ge=0, le=2)] = 2
    max_event_age_s: Annotated[float, Field(ge=60, le=21_600)] = 21_600
    time_scale: Annotated[float, Field(gt=0, le=1)] = 0.01
    image: str | None = None
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    payload: dict[str, Any] | None = None
    init_vcpu: Annotated[float, Field(gt=0, le=6)] | None = None
    shutdown_s: Annotated[float, Field(ge=0, le=2)] = 0.0

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
