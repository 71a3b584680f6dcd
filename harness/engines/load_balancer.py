"""HAProxy, which stands before services: in an image of its own for Docker, as it is installed for processes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache

import docker
from docker.errors import DockerException

from harness.engines import debian, obtain
from harness.engines.base import LABEL, EngineError, LoadBalancer

PROGRAM = "haproxy"
# The version that Debian 12 has, so that both are the same.
PULLED = "haproxy:2.6"
# `env` hands it its address, and is the one other program in there.
RECIPE = debian.Recipe(
    name="haproxy",
    variant="extract",
    packages=(PROGRAM, "coreutils"),
    changes=(f"LABEL {LABEL}=haproxy", f'CMD ["{PROGRAM}"]'),
    instead=PULLED,
)
# Of the folder with its configuration and its socket: a socket's path may have 107 bytes at most.
FOLDER_PREFIX = "placement-harness-lb-"
# It takes servers away through its runtime API from here on.
OLDEST = (2, 5)


def ensure_image(client: docker.DockerClient, architecture: str, say: Callable[[str], None]) -> LoadBalancer:
    """HAProxy's image on this machine: one that is here, else a pulled one, else one made from Debian's package."""
    image = obtain.ensure(client, PULLED, RECIPE, architecture, say)
    try:
        told = client.containers.run(
            image.id,
            ["-v"],
            entrypoint=[PROGRAM],
            remove=True,
            network_mode="none",
            labels={LABEL: "1"},
            user="10001:10001",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit="64m",
            pids_limit=16,
        )
    except DockerException as error:
        raise EngineError(f"{image.reference} does not run: {error}") from error
    version = version_of(told.decode(errors="replace"))
    if version is None:
        raise EngineError(f"{image.reference} has no HAProxy of version {OLDEST[0]}.{OLDEST[1]} or newer")
    return LoadBalancer(version, PROGRAM, image.id)


def installed() -> LoadBalancer | None:
    """The HAProxy of this machine; None where there is none, or an older one than is needed."""
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin:/usr/local/sbin")
    version = _version_at(program) if program else None
    return LoadBalancer(version, program) if program and version else None


@cache
def _version_at(program: str) -> str | None:
    try:
        told = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    return version_of(told)


def version_of(told: str) -> str | None:
    """The version in what `haproxy -v` prints; None where it is too old, or none."""
    found = re.search(r"version (\d+)\.(\d+)[^ ]*", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        return None
    return found[0].removeprefix("version ")
