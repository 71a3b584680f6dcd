"""A specification in Docker's words: what a container is given, and all that it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
from docker.types import LogConfig, Ulimit

from harness.engines.base import ContainerSpec, Limits
from harness.measure import cgroup

# Always on disk: a tmpfs would count against the memory limit.
TEMPORARY = "/tmp"  # noqa: S108


def quota(vcpu: float, period_us: int) -> int:
    """CPU time in each period, at least what the kernel takes: 1 ms."""
    return max(1000, round(vcpu * period_us))


def host_config(
    api: docker.APIClient, spec: ContainerSpec, *, network_mode: str, disk: Path | None, own_parent: bool
) -> dict[str, Any]:
    """Limits, folders and network; `disk` is mounted at /tmp, and `own_parent` is a control group for it alone."""
    asked = spec.limits
    return api.create_host_config(
        mem_limit=asked.memory_bytes,
        memswap_limit=asked.memory_bytes,
        pids_limit=asked.pids,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        binds=_binds(spec, disk),
        network_mode=network_mode,
        cgroup_parent=f"/{cgroup.PARENT}/{spec.name}" if own_parent else None,
        tmpfs={path: f"size={size}" for path, size in spec.tmpfs.items()},
        shm_size=spec.shared_memory_bytes,
        init=spec.init or None,
        ulimits=[Ulimit(name="nofile", soft=asked.open_files, hard=asked.open_files)],
        # What is taken as it comes need not be kept as well.
        log_config=LogConfig(type="none")
        if spec.output
        else LogConfig(type="json-file", config={"max-size": "100m"}),
        **_cpu(asked),
    )


def _cpu(asked: Limits) -> dict[str, Any]:
    if asked.cpu == "hard":
        return {"cpu_period": asked.cpu_period_us, "cpu_quota": quota(asked.vcpu, asked.cpu_period_us)}
    return {"cpu_shares": max(2, round(asked.vcpu * 1024))}


def _binds(spec: ContainerSpec, disk: Path | None) -> dict[str, Mapping[str, str]]:
    binds: dict[str, Mapping[str, str]] = {
        str(path): {"bind": str(path), "mode": "ro"} for path in spec.readable
    }
    binds |= {str(path): {"bind": str(path), "mode": "rw"} for path in spec.writable}
    if disk is not None:
        binds[str(disk)] = {"bind": TEMPORARY, "mode": "rw"}
    return binds
