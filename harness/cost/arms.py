"""What is priced: the arms of a run with the settings that decide their bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.analysis.cells import arms
from harness.cost.fargate import smallest
from harness.cost.terms import MB_PER_GB
from harness.runs import Run
from harness.sizes import Size

LIGHTSAIL = {"LIGHTSAIL_CONTAINERS": "container", "LIGHTSAIL_INSTANCES": "instance"}

COMPUTE = {
    "FARGATE": "Fargate",
    "FARGATE_SPOT": "Fargate Spot",
    "SPOT": "EC2 Spot",
    "LIGHTSAIL_CONTAINERS": "a Lightsail container service",
    "LIGHTSAIL_INSTANCES": "Lightsail instances",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One placement as run; `settings` are the scenario's, empty where the manifest has none."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    vcpu: float
    memory_mb: float
    parallel: int
    architecture: str

    @property
    def memory_gb(self) -> float:
        """As AWS counts it: 1,024 MB."""
        return self.memory_mb / MB_PER_GB

    @property
    def compute(self) -> str:
        """FARGATE, EC2, SPOT, ...; LAMBDA of a function."""
        return "LAMBDA" if self.kind == "function" else str(self.settings.get("compute") or "FARGATE")

    @property
    def size(self) -> Size:
        """The Fargate size that is billed: the scenario's task size, else the smallest that holds the container."""
        vcpu = self.settings.get("task_vcpu") or self.vcpu
        return smallest(vcpu, self.settings.get("task_memory_mb") or self.memory_mb)

    def told(self) -> str:
        """Kind and size, for people."""
        if self.kind == "function":
            return f"Lambda function of {self.memory_mb:g} MB"
        noun = "Batch jobs" if self.kind == "batch" else "tasks"
        where = COMPUTE.get(self.compute, self.compute)
        if self.compute in LIGHTSAIL:
            return f"{noun} on {where} ({self.settings.get('bundle')})"
        billed = f", billed as {self.size}" if self.compute.startswith("FARGATE") else ""
        return f"{noun} of {self.vcpu:g} vCPU and {self.memory_mb:g} MB on {where}{billed}"


def arms_of(run: Run, *, duplicates: bool = False) -> list[Arm]:
    """Every arm in the manifest's order, without A/A duplicates unless they are asked for.

    Arms that the manifest does not know cannot be priced.
    """
    placements = (run.manifest.get("scenario") or {}).get("placements") or {}
    machine = (run.manifest.get("machine") or {}).get("architecture")
    return [
        Arm(
            name=name,
            kind=about["placement"],
            settings=placements.get(about.get("duplicate_of") or name) or {},
            vcpu=about["limits"]["vcpu"],
            memory_mb=about["limits"]["memory_bytes"] / 2**20,
            parallel=about["parallel"],
            architecture="arm" if machine in {"aarch64", "arm64"} else "x86",
        )
        for name, about in arms(run).items()
        if (duplicates or not about.get("duplicate_of")) and "limits" in about
    ]
