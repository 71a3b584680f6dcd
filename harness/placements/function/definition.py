"""What one function is: its code, its size and its limits, and the container that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.engines.base import ContainerSpec, Limits
from harness.placements.base import Bench
from harness.placements.function.runtime_api import ACCOUNT, REGION
from harness.scenario import FunctionSettings

MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A function as its environments need to know it. `environment` is complete but for what is each one's own."""

    name: str
    memory_mb: int
    timeout_s: float
    limits: Limits
    command: tuple[str, ...]
    environment: Mapping[str, str]
    image: str | None = None
    entry_point: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    init_vcpu: float | None = None
    shutdown_s: float = 0.0

    def spec(self, container: str, runtime_api: str, output: Callable[[bytes], None]) -> ContainerSpec:
        """The container of one environment."""
        own = {"AWS_LAMBDA_RUNTIME_API": runtime_api, "AWS_LAMBDA_LOG_STREAM_NAME": container}
        return ContainerSpec(
            name=container,
            command=self.command,
            environment={**self.environment, **own},
            limits=self.limits,
            readable=self.readable,
            writable=self.writable,
            network="harness",
            image=self.image,
            entry_point=self.entry_point,
            output=output,
        )


def limits(settings: FunctionSettings) -> Limits:
    """Lambda's limits for this memory."""
    return Limits(
        vcpu=settings.vcpu, memory_bytes=settings.memory_mb * MB, temporary_bytes=settings.tmp_mb * MB
    )


async def define(bench: Bench, settings: FunctionSettings) -> Definition:
    """The function of a bench. EngineError if its image is not to be had."""
    handler = await _handler(bench, settings)
    common = bench.environment() if settings.runs_workload else {}
    return Definition(
        name=bench.arm,
        memory_mb=settings.memory_mb,
        timeout_s=settings.timeout_s,
        limits=limits(settings),
        command=settings.command if settings.image else ("python3", "-m", "awslambdaric", handler),
        environment={**common, **_lambda_environment(bench.arm, settings, handler), **settings.environment},
        image=settings.image,
        entry_point=settings.entry_point,
        readable=(bench.store_in,) if settings.runs_workload else (),
        writable=(bench.store_out,) if settings.runs_workload else (),
        init_vcpu=settings.init_vcpu,
        shutdown_s=settings.shutdown_s,
    )


async def _handler(bench: Bench, settings: FunctionSettings) -> str:
    """What runtimes find in _HANDLER: for an image, the last word of its command."""
    if settings.image is None:
        return bench.handler()
    command = settings.command or await bench.engine.default_command(settings.image)
    return command[-1] if command else ""


def _lambda_environment(name: str, settings: FunctionSettings, handler: str) -> dict[str, str]:
    """The variables that Lambda sets in every environment.

    Source: AWS Lambda Developer Guide, "Working with Lambda environment variables", read 2026-11-23.
    """
    provisioned = settings.provisioned_concurrency > 0
    return {
        "_HANDLER": handler,
        "AWS_ACCOUNT_ID": ACCOUNT,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if provisioned else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": REGION,
        "LAMBDA_TASK_ROOT": "/var/task",
        "TZ": ":UTC",
    }
