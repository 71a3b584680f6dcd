"""The Docker engine itself: makes the containers of one run, and removes all that is left of them."""

from __future__ import annotations

import asyncio
import os

import docker

from harness.engines import disks
from harness.engines.base import LABEL, LABEL_RUN, ContainerSpec, LoadBalancer, Network
from harness.engines.docker.container import DockerContainer
from harness.engines.docker.daemon import Daemon, find_image, remove_run
from harness.engines.docker.host_config import TEMPORARY, host_config
from harness.engines.docker.networks import Networks
from harness.engines.docker.sandboxes import Sandbox
from harness.engines.image import Image
from harness.engines.ownership import container_user


class DockerEngine:
    """Runs containers of one image on a network of the run's own, which leads nowhere but to the harness."""

    name = "docker"

    def __init__(
        self,
        client: docker.DockerClient,
        image: Image,
        run: str,
        load_balancer: LoadBalancer | None = None,
    ) -> None:
        self.load_balancer = load_balancer
        self._daemon = Daemon(client)
        self._image = image
        self._run = run
        self._labels = {LABEL: "1", LABEL_RUN: run}
        self._info = client.info()
        self._containers: set[DockerContainer] = set()
        # Only where cgroups can be named freely and removed again: see measure/cgroup.py.
        self._own_parents = os.geteuid() == 0 and self._info.get("CgroupDriver") == "cgroupfs"
        self._disks = disks.Disks(run) if disks.available() else None
        self._networks = Networks(client, image.id, run, self._labels)
        self.host_address: str = self._networks.gateway

    async def default_command(self, image: str) -> tuple[str, ...]:
        """The command that an image brings."""
        found = await self._daemon.call(find_image, self._daemon.client, image)
        return tuple(found.attrs["Config"].get("Cmd") or ())

    async def reserve(self, count: int, *, network: Network) -> None:
        """Make ready the network namespaces of `count` containers; those of peers are made with them."""
        await self._daemon.call(self._networks.reserve, count, network)

    async def create(self, spec: ContainerSpec) -> DockerContainer:
        """Create a container of the run's image, or of another."""
        sandbox = self._networks.take(spec.network)
        if spec.network == "peers":
            await self._daemon.call(self._networks.open_peers)
        try:
            return await self._create(spec, sandbox)
        except BaseException:
            self._networks.give_back(spec.network, sandbox)
            raise

    async def _create(self, spec: ContainerSpec, sandbox: Sandbox | None) -> DockerContainer:
        command = [word.format(host="0.0.0.0", port=spec.port) for word in spec.command]  # noqa: S104
        disk = (
            self._disks.path(spec.name) if self._disks and spec.limits.temporary_bytes is not None else None
        )
        creating = self._daemon.call(
            self._daemon.api.create_container,
            image=spec.image or self._image.id,
            command=command or None,
            entrypoint=list(spec.entry_point) or None,
            name=spec.name,
            environment=dict(spec.environment),
            user="{}:{}".format(*container_user()),
            labels=self._labels | dict(spec.labels),
            host_config=host_config(
                self._daemon.api,
                spec,
                network_mode=self._networks.mode(spec.network, sandbox),
                disk=disk,
                own_parent=self._own_parents,
            ),
            volumes=[TEMPORARY] if disk is None else [],
        )
        # The folder is looked at when the container is started, so both can be made at once.
        created, *_ = await asyncio.gather(creating, *([] if disk is None else [self._make_disk(spec)]))
        container = DockerContainer(
            self._daemon, created["Id"], spec, sandbox=sandbox, disks=self._disks,
            own_parent=self._own_parents, released=self._forget,
        )  # fmt: skip
        self._containers.add(container)
        return container

    async def _make_disk(self, spec: ContainerSpec) -> None:
        assert self._disks is not None
        assert spec.limits.temporary_bytes is not None
        await self._daemon.call(self._disks.make, spec.name, spec.limits.temporary_bytes, container_user())

    def _forget(self, container: DockerContainer) -> None:
        """It has been removed, maybe for the second time."""
        if container in self._containers:
            self._containers.remove(container)
            self._networks.give_back(container.spec.network, container.sandbox)

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        info = self._info
        enforced = {
            "cpu": "enforced" if info.get("CpuCfsQuota") else "absent",
            "memory": "enforced" if info.get("MemoryLimit") else "absent",
            "swap": "off" if info.get("SwapLimit") else "not limited",
            "pids": "enforced" if info.get("PidsLimit") else "absent",
            "tmp": "enforced" if self._disks else "absent",
        }
        return {
            "name": self.name,
            "version": info.get("ServerVersion"),
            "cgroup_version": info.get("CgroupVersion"),
            "cgroup_driver": info.get("CgroupDriver"),
            "storage_driver": info.get("Driver"),
            "enforced": enforced,
            "load_balancer": f"HAProxy {self.load_balancer.version}, in a container"
            if self.load_balancer
            else None,
            "note": "real containers with limits set by the kernel",
        }

    async def close(self) -> None:
        """Remove the run's containers and network."""
        # A call that was cancelled goes on in its thread, and may make a container yet: let it end first.
        await self._daemon.drain()
        await asyncio.to_thread(remove_run, self._daemon.client, self._run)
        if self._disks is not None:
            await asyncio.to_thread(self._disks.close)
        self._daemon.close()
        for container in list(self._containers):
            container.let_go()
