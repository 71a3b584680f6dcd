"""Looks at the Docker engine: whether it is there, what it enforces, and whether its images can be had."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import psutil

from harness.doctor.cleaning import leftovers
from harness.doctor.finding import Finding, good, judged, missing
from harness.engines import base_image, disks, load_balancer, obtain
from harness.engines.base import EngineError
from harness.engines.proof import Proof, prove
from harness.engines.registry import local
from harness.engines.registry.twins import LABEL_TWIN

ENGINE_PATIENCE_S = 3
REGISTRY_PATIENCE_S = 1.0


def connect_impatiently() -> docker.DockerClient:
    """A client that gives up early; DockerException if nothing answers."""
    return docker.from_env(timeout=ENGINE_PATIENCE_S, version="auto")


def absent(error: Exception) -> Finding:
    """Why no engine answers, and what to do, so that a person need not find out."""
    host = os.environ.get("DOCKER_HOST", "")
    socket = Path(urlsplit(host or "unix:///var/run/docker.sock").path)
    program = "dockerd" if sys.platform == "linux" else "docker"
    if host and not host.startswith("unix:"):
        value, mend = f"nothing answers at DOCKER_HOST={host}", "start that engine, or `unset DOCKER_HOST`"
    elif socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
        value = f"this user may not use {socket}"
        mend = "`sudo usermod -aG docker $USER`, then log in again"
    elif shutil.which(program):
        value = f"installed but does not answer ({_short(error)})"
        mend = "`sudo systemctl start docker`; where there is no systemd, as root: `scripts/docker.sh`"
    elif sys.platform == "linux":
        value = "not installed"
        mend = "`sudo apt-get install docker.io mmdebstrap`; as root, `make setup` does it"
    else:
        value, mend = "not installed", "install Docker Desktop or colima, and start it"
    return missing("Docker engine", f"{value}: only `--engine process` works", mend)


def look(client: docker.DockerClient) -> Iterator[Finding]:
    """The engine, its limits, its base image, and leftovers of earlier runs."""
    info = client.info()
    containers, networks = leftovers(client)
    runs, twins = disks.leftovers(), client.images.list(filters={"label": LABEL_TWIN})
    base = base_image.present_base(client)
    driver, version = str(info.get("Driver")), str(info.get("CgroupVersion", "unknown"))
    yield good("Docker engine", str(info.get("ServerVersion")))
    yield judged(
        "storage driver",
        driver,
        driver.startswith("overlay") or driver in {"btrfs", "zfs"},
        'set "storage-driver": "overlay2" in /etc/docker/daemon.json and restart Docker: this one is slow',
    )
    yield judged(
        "control groups",
        f"version {version}, {info.get('CgroupDriver')} driver",
        version in {"1", "2"},
        "use Docker 20.10 or newer, on a kernel with control groups (`mount | grep cgroup`)",
    )
    yield from _abilities(client, info, base)
    yield _base(client, base)
    yield balancer(client)
    found = local.program()
    yield judged(
        "local registry",
        f"{found} is here"
        if found
        else "none: scenarios that pull their image from a local registry cannot run",
        found is not None,
        local.MEND,
    )
    yield judged(
        "leftovers",
        f"{len(containers)} containers, {len(networks)} networks, {len(runs)} folders of disks and {len(twins)} pulled "
        "images of earlier runs",
        not containers and not networks and not runs and not twins,
        "`harness doctor --clean`, when no run is in progress",
    )


def _abilities(
    client: docker.DockerClient, info: dict[str, Any], base: obtain.Obtained | None
) -> Iterator[Finding]:
    """Shown by a container, where one can be run and read; else what the daemon says."""
    proof = Proof()
    if base:
        try:
            proof = prove(client, base.reference)
        except EngineError as error:
            mend = "look into the daemon's log: .cache/dockerd.log, or `journalctl -u docker`"
            yield missing("containers", _short(error), mend)
    for topic, proven, said, mend in _limits(info, proof):
        kernel_has_it = proven if proof.readable else said
        source = "read back from a container" if proof.readable else "as `docker info` says"
        yield judged(topic, f"enforced, {source}" if kernel_has_it else "not enforced", kernel_has_it, mend)
    # Without a base image there was nothing to try them on: that is not this machine's fault.
    mend = (
        "run as root on the Linux machine that runs Docker"
        if base
        else "`harness run quick`, then look again"
    )
    yield judged(
        "freeze",
        "by the freezer file, 1 ms" if proof.freezer else "by `docker pause`, some 25 ms",
        proof.freezer,
        mend,
    )
    yield judged(
        "size of /tmp",
        "enforced, by a disk for each environment" if disks.available() else "not limited",
        disks.available(),
        "run as root on the Linux machine that runs Docker, with e2fsprogs and mount",
    )
    yield judged(
        "peak memory",
        "read from the control group" if proof.peak else "only Docker's stats, once a second",
        proof.peak,
        f"{mend}, with kernel 5.19 or newer" if base else mend,
    )


def _limits(info: dict[str, Any], proof: Proof) -> Iterator[tuple[str, bool, bool, str]]:
    """Topic, whether a container showed it, whether the daemon says it, and what mends it."""
    mend = "boot a kernel with this controller (`docker info` names it), or use `--engine process`"
    yield "CPU limit", proof.cpu, bool(info.get("CpuCfsQuota")), mend
    yield "memory limit", proof.memory, bool(info.get("MemoryLimit")), mend
    yield "process limit", proof.pids, bool(info.get("PidsLimit")), mend
    if psutil.swap_memory().total:
        mend = "`sudo swapoff -a`, or boot with swapaccount=1: containers could swap past their memory limit"
        yield "swap limit", proof.swap_off, bool(info.get("SwapLimit")), mend


def _base(client: docker.DockerClient, base: obtain.Obtained | None) -> Finding:
    if base:
        return good("base image", f"{base.reference} is here")
    if obtain.registry_answers(client, base_image.PULLED, REGISTRY_PATIENCE_S):
        return good("base image", f"{base_image.PULLED} will come from the registry")
    if shutil.which("mmdebstrap"):
        return good("base image", "no registry answers: mmdebstrap will build it")
    return missing(
        "base image",
        "not here, no registry answers, and there is no mmdebstrap to build it",
        f"`sudo apt-get install mmdebstrap debian-archive-keyring`, or `docker load` {base_image.PULLED}",
    )


def balancer(client: docker.DockerClient | None) -> Finding:
    """What can stand before services, with an engine or without."""
    topic = "load balancer"
    if client is not None:
        here = obtain.present(client, load_balancer.PULLED, load_balancer.RECIPE)
        return good(
            topic, f"HAProxy: {here.reference} is here" if here else "HAProxy's image is made when needed"
        )
    installed = load_balancer.installed()
    if installed is not None:
        return good(topic, f"HAProxy {installed.version} of this machine")
    return missing(
        topic,
        "none: requests are spread by the harness itself",
        "`sudo apt-get install haproxy`, 2.5 or newer",
    )


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
