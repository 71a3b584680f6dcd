"""Finds and removes what runs left behind when they could not clean up after themselves."""

from __future__ import annotations

import docker
from docker.models.containers import Container
from docker.models.networks import Network

from harness.engines.base import LABEL_RUN
from harness.measure import cgroup


def leftovers(client: docker.DockerClient) -> tuple[list[Container], list[Network]]:
    """Containers and networks of any run.

    Found by the run's label: the images carry the other one, and with it every container that a person made of them.
    """
    containers = client.containers.list(all=True, filters={"label": LABEL_RUN}, ignore_removed=True)
    return containers, client.networks.list(filters={"label": LABEL_RUN})


def clean(client: docker.DockerClient) -> list[str]:
    """Remove the leftovers and nothing else; returns their names.

    A run in progress loses its containers too. Images stay, for they are reused.
    """
    containers, networks = leftovers(client)
    for container in containers:
        container.remove(force=True, v=True)
        cgroup.remove_parent(str(container.name))
    for network in networks:
        network.remove()
    return [f"container {c.name}" for c in containers] + [f"network {n.name}" for n in networks]
