"""Finds and removes what runs left behind when they could not clean up after themselves."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network

from harness.engines import disks
from harness.engines.base import LABEL_RUN
from harness.engines.load_balancer import FOLDER_PREFIX
from harness.engines.registry.pulling import remove_twins
from harness.measure import cgroup

# Somebody else has removed it since, or is about to.
GOING = (404, 409)


def leftovers(client: docker.DockerClient) -> tuple[list[Container], list[Network]]:
    """Containers and networks of any run.

    Found by the run's label: the images carry the other one, and with it every container that a person made of them.
    """
    containers = client.containers.list(all=True, filters={"label": LABEL_RUN}, ignore_removed=True)
    return containers, client.networks.list(filters={"label": LABEL_RUN})


def clean(
    client: docker.DockerClient, disks_root: Path = disks.ROOT, temporary: Path | None = None
) -> list[str]:
    """Remove the leftovers and nothing else; returns their names.

    A run in progress loses its own too. Images stay, for they are reused, but for twins that were pulled.
    """
    containers, networks = leftovers(client)
    for container in containers:
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code not in GOING:
                raise
        cgroup.remove_parent(str(container.name))
    for network in networks:
        network.remove()
    runs = disks.leftovers(disks_root)
    for run in runs:
        disks.Disks(run, disks_root).close()
    folders = sorted((temporary or Path(tempfile.gettempdir())).glob(f"{FOLDER_PREFIX}*"))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        *(f"container {container.name}" for container in containers),
        *(f"network {network.name}" for network in networks),
        *(f"disks of {run}" for run in runs),
        *(f"folder {folder}" for folder in folders),
        *(f"image {name}" for name in remove_twins(client)),
    ]
