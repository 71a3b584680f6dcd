"""Proves on a tiny container what this Docker engine enforces, and what can be measured from here.

`docker info` tells what the daemon believes. The kernel's files, read while a container runs, tell what is so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from harness.engines.base import LABEL, LABEL_RUN, EngineError
from harness.measure import cgroup, limits

_MEMORY_BYTES = 64 * 1024**2
_VCPU = 0.5
_PERIOD_US = 20_000
_PIDS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What held for one container. All False where its control group cannot be read from here."""

    readable: bool = False
    cpu: bool = False
    memory: bool = False
    swap_off: bool = False
    pids: bool = False
    freezer: bool = False
    peak: bool = False


def prove(client: docker.DockerClient, image: str) -> Proof:
    """Run a container of `image`, which has `python3`, for an instant. EngineError if none can be run."""
    try:
        container = client.containers.create(
            image,
            ["python3", "-c", "import time; time.sleep(60)"],
            labels={LABEL: "1", LABEL_RUN: "doctor"},
            network_mode="none",
            read_only=True,
            mem_limit=_MEMORY_BYTES,
            memswap_limit=_MEMORY_BYTES,
            cpu_period=_PERIOD_US,
            cpu_quota=round(_VCPU * _PERIOD_US),
            pids_limit=_PIDS,
        )
        try:
            container.start()
            container.reload()
            return _look(str(container.id), int(container.attrs["State"]["Pid"]))
        finally:
            container.remove(force=True, v=True)
    except DockerException as error:
        raise EngineError(f"no container of {image} can be run: {error}") from error


def _look(container_id: str, pid: int) -> Proof:
    folders = cgroup.folders_of(pid, container_id)
    if not folders:
        return Proof()
    group = cgroup.ContainerGroup(folders, {}, pid)
    try:
        usage = group.usage()
    finally:
        group.close()
    found = limits.in_force(folders)
    return Proof(
        readable=True,
        cpu=found["vcpu"] == _VCPU,
        memory=found["memory_bytes"] == _MEMORY_BYTES,
        swap_off=found["swap_bytes"] == 0,
        pids=found["pids"] == _PIDS,
        freezer=_freezes(folders),
        peak=usage is not None and usage.memory_peak_bytes is not None,
    )


def _freezes(folders: dict[str, Path]) -> bool:
    """Whether the group's freezer file obeys: version 1 has a hierarchy for it."""
    if "" in folders:
        file, frozen, thawed = folders[""] / "cgroup.freeze", "1", "0"
    elif "freezer" in folders:
        file, frozen, thawed = folders["freezer"] / "freezer.state", "FROZEN", "THAWED"
    else:
        return False
    try:
        file.write_text(frozen)
        file.write_text(thawed)
    except OSError:
        return False
    return True
