"""The Docker engine: every container locked down, limited, measured from its control group, and removed.

docker-py blocks, so its calls run in threads; creating and starting containers is then parallel as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.images import Image as DockerImage
from docker.models.networks import Network as DockerNetwork
from docker.types import LogConfig, Ulimit

from harness.engines import disks
from harness.engines.base import LABEL, LABEL_RUN, ContainerSpec, EngineError, Exit, LoadBalancer, Network
from harness.engines.freezer import Freezer
from harness.engines.image import Image
from harness.engines.ownership import container_user
from harness.engines.sandboxes import Sandbox, Sandboxes
from harness.measure import cgroup, limits
from harness.measure.processes import NOTHING, network_bytes
from harness.measure.usage import Usage

P = ParamSpec("P")
T = TypeVar("T")

API_THREADS = 16
# One thread waits for each running container.
WAIT_THREADS = 256
# A container's last words may still be on their way through the daemon when it has ended.
PUMP_PATIENCE_S = 1.0
UNPAUSE_TRIES = 5
# Always on disk: a tmpfs would count against the memory limit.
TEMPORARY = "/tmp"  # noqa: S108


def connect() -> docker.DockerClient:
    """A client of the machine's daemon. EngineError if none answers."""
    try:
        client = docker.from_env(timeout=120, max_pool_size=API_THREADS + WAIT_THREADS)
        client.ping()
    except DockerException as error:
        raise EngineError(f"no Docker engine answers: {error}") from None
    return client


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
        self._client = client
        self._image = image
        self._run = run
        self._labels = {LABEL: "1", LABEL_RUN: run}
        self._api = ThreadPoolExecutor(API_THREADS, "docker")
        self._waits = ThreadPoolExecutor(WAIT_THREADS, "docker-wait")
        self._info = client.info()
        self._containers: set[DockerContainer] = set()
        # Only where cgroups can be named freely and removed again: see measure/cgroup.py.
        self._own_parents = os.geteuid() == 0 and self._info.get("CgroupDriver") == "cgroupfs"
        self._disks = disks.Disks(run) if disks.available() else None
        self._network = self._make_network("harness")
        # Made when first asked for: few runs have containers that speak to one another.
        self._peers: DockerNetwork | None = None
        self._making_peers = threading.Lock()
        user = "{}:{}".format(*container_user())
        networks: dict[Network, str] = {"harness": str(self._network.name), "none": "none"}
        self._sandboxes = {
            kind: Sandboxes(client, image.id, name, user, self._labels) for kind, name in networks.items()
        }
        self.host_address: str = self._network.attrs["IPAM"]["Config"][0]["Gateway"].split("/")[0]

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking docker-py call in a thread; its errors become EngineError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._api, partial(function, *args, **kwargs))
        except (DockerException, requests.exceptions.RequestException) as error:
            raise EngineError(str(error)) from error

    async def wait(self, container_id: str, pump: threading.Thread | None) -> int:
        """Exit code of a container, when it has ended and `pump` has read all of its output."""

        def wait() -> int:
            try:
                answer = self._client.api.wait(container_id, timeout=None)
            except (DockerException, requests.exceptions.RequestException) as error:
                raise EngineError(f"the daemon went away while a container ran: {error}") from error
            if pump is not None:
                pump.join(PUMP_PATIENCE_S)
            return int(answer["StatusCode"])

        return await asyncio.get_running_loop().run_in_executor(self._waits, wait)

    async def default_command(self, image: str) -> tuple[str, ...]:
        """The command that an image brings."""
        found = await self.call(find_image, self._client, image)
        return tuple(found.attrs["Config"].get("Cmd") or ())

    async def reserve(self, count: int, *, network: Network) -> None:
        """Make ready the network namespaces of `count` containers; those of peers are made with them."""
        if network in self._sandboxes:
            await self.call(self._sandboxes[network].reserve, count)

    async def create(self, spec: ContainerSpec) -> DockerContainer:
        """Create a container of the run's image, or of another."""
        sandboxes = self._sandboxes.get(spec.network)
        sandbox = sandboxes.take() if sandboxes else None
        if spec.network == "peers":
            await self.call(self._join_peers)
        try:
            return await self._create(spec, sandbox)
        except BaseException:
            if sandboxes is not None and sandbox is not None:
                sandboxes.give_back(sandbox)
            raise

    async def _create(self, spec: ContainerSpec, sandbox: Sandbox | None) -> DockerContainer:
        command = [word.format(host="0.0.0.0", port=spec.port) for word in spec.command]  # noqa: S104
        own_disk = self._disks is not None and spec.limits.temporary_bytes is not None
        creating = self.call(
            self._client.api.create_container,
            image=spec.image or self._image.id,
            command=command or None,
            entrypoint=list(spec.entry_point) or None,
            name=spec.name,
            environment=dict(spec.environment),
            user="{}:{}".format(*container_user()),
            labels=self._labels | dict(spec.labels),
            host_config=self._host_config(spec, sandbox),
            volumes=[] if own_disk else [TEMPORARY],
        )
        # The folder is looked at when the container is started, so both can be made at once.
        created, *_ = await asyncio.gather(creating, *([self._make_disk(spec)] if own_disk else []))
        container = DockerContainer(
            self, self._client.api, created["Id"], spec, sandbox, own_parent=self._own_parents
        )
        self._containers.add(container)
        return container

    async def _make_disk(self, spec: ContainerSpec) -> None:
        assert self._disks is not None
        assert spec.limits.temporary_bytes is not None
        await self.call(self._disks.make, spec.name, spec.limits.temporary_bytes, container_user())

    async def remove_disk(self, name: str) -> None:
        """Remove the container's own disk, if it has one."""
        if self._disks is not None:
            await self.call(self._disks.remove, name)

    def forget(self, container: DockerContainer, spec: ContainerSpec, sandbox: Sandbox | None) -> None:
        """It has been removed."""
        if container in self._containers:
            self._containers.remove(container)
            if sandbox is not None:
                self._sandboxes[spec.network].give_back(sandbox)

    def _network_mode(self, spec: ContainerSpec, sandbox: Sandbox | None) -> str:
        if sandbox is not None:
            return f"container:{sandbox.container_id}"
        if spec.network == "none":
            return "none"
        return str((self._peers if spec.network == "peers" and self._peers else self._network).name)

    def _host_config(self, spec: ContainerSpec, sandbox: Sandbox | None) -> dict[str, Any]:
        asked = spec.limits
        if asked.cpu == "hard":
            quota_us = quota(asked.vcpu, asked.cpu_period_us)
            cpu: dict[str, Any] = {"cpu_period": asked.cpu_period_us, "cpu_quota": quota_us}
        else:
            cpu = {"cpu_shares": max(2, round(asked.vcpu * 1024))}
        binds: dict[str, Mapping[str, str]] = {
            str(path): {"bind": str(path), "mode": "ro"} for path in spec.readable
        }
        binds |= {str(path): {"bind": str(path), "mode": "rw"} for path in spec.writable}
        if self._disks is not None and asked.temporary_bytes is not None:
            binds[str(self._disks.path(spec.name))] = {"bind": TEMPORARY, "mode": "rw"}
        return self._client.api.create_host_config(
            mem_limit=asked.memory_bytes,
            memswap_limit=asked.memory_bytes,
            pids_limit=asked.pids,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            binds=binds,
            network_mode=self._network_mode(spec, sandbox),
            cgroup_parent=f"/{cgroup.PARENT}/{spec.name}" if self._own_parents else None,
            tmpfs={path: f"size={size}" for path, size in spec.tmpfs.items()},
            shm_size=spec.shared_memory_bytes,
            init=spec.init or None,
            ulimits=[Ulimit(name="nofile", soft=asked.open_files, hard=asked.open_files)],
            # What is taken as it comes need not be kept as well.
            log_config=LogConfig(type="none")
            if spec.output
            else LogConfig(type="json-file", config={"max-size": "100m"}),
            **cpu,
        )

    def _make_network(self, kind: Network) -> DockerNetwork:
        """A network that leads nowhere but to the harness, and from one container to another for peers alone."""
        network = self._client.networks.create(
            f"{LABEL}-{self._run}{'' if kind == 'harness' else f'-{kind}'}".lower(),
            driver="bridge",
            internal=True,
            labels=self._labels,
            options={"com.docker.network.bridge.enable_icc": "true" if kind == "peers" else "false"},
        )
        network.reload()
        return network

    def _join_peers(self) -> None:
        with self._making_peers:
            self._peers = self._peers or self._make_network("peers")

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
        await asyncio.to_thread(self._api.shutdown, cancel_futures=True)
        await asyncio.to_thread(remove_run, self._client, self._run)
        if self._disks is not None:
            await asyncio.to_thread(self._disks.close)
        self._waits.shutdown(wait=False, cancel_futures=True)
        for container in list(self._containers):
            container.let_go()


def find_image(client: docker.DockerClient, reference: str) -> DockerImage:
    """An image of a user's own, pulled if it is not here. EngineError if it is nowhere."""
    try:
        return client.images.get(reference)
    except ImageNotFound:
        try:
            return client.images.pull(reference)
        except (DockerException, OSError) as error:
            raise EngineError(
                f"image {reference!r} is not on this machine and cannot be pulled ({error}); "
                "build or `docker load` it first"
            ) from error


def remove_run(client: docker.DockerClient, run: str) -> None:
    """Remove every container and network that carries the run's label."""
    label: dict[str, Any] = {"label": f"{LABEL_RUN}={run}"}
    for container in client.containers.list(all=True, filters=label, ignore_removed=True):
        container.remove(force=True, v=True)
        cgroup.remove_parent(str(container.name))
    for network in client.networks.list(filters=label):
        network.remove()


class DockerContainer:
    """One Docker container."""

    def __init__(
        self,
        engine: DockerEngine,
        api: docker.APIClient,
        container_id: str,
        spec: ContainerSpec,
        sandbox: Sandbox | None,
        *,
        own_parent: bool,
    ) -> None:
        self._engine = engine
        self._api = api
        self._id = container_id
        self._spec = spec
        self._sandbox = sandbox
        self._own_parent = own_parent
        self._group: cgroup.ContainerGroup | None = None
        self._folders: dict[str, Path] = {}
        self._freezer: Freezer | None = None
        self._frozen = False
        self._pump: threading.Thread | None = None
        self._ip = sandbox.address if sandbox else ""
        self._in_force: dict[str, float | int | None] = {}

    @property
    def name(self) -> str:
        """The container's name."""
        return self._spec.name

    @property
    def address(self) -> tuple[str, int]:
        """The container's own address on the run's network."""
        if not self._ip or self._spec.port is None:
            raise EngineError(f"{self.name}: has no address: not started, no network, or no port")
        return self._ip, self._spec.port

    @property
    def peer(self) -> str | None:
        """Its own address on the run's network."""
        return self._ip or None

    async def start(self) -> None:
        """Start it and find its control group."""
        earlier = self._group.usage() if self._group else None
        network_before = network_bytes(self._sandbox.pid) if self._sandbox else NOTHING
        self._frozen = False
        if self._spec.output:
            chunks = await self._engine.call(self._api.attach, self._id, stream=True, logs=False)
            self._pump = threading.Thread(target=_pump, args=(chunks, self._spec.output), daemon=True)
        await self._engine.call(self._api.start, self._id)
        if self._pump and not self._pump.is_alive():
            self._pump.start()
        state = await self._engine.call(self._api.inspect_container, self._id)
        pid = int(state["State"]["Pid"])
        networks = state["NetworkSettings"]["Networks"].values()
        self._ip = next((n["IPAddress"] for n in networks if n.get("IPAddress")), self._ip)
        self._folders = cgroup.folders_of(pid, self._id)
        parents = cgroup.parent_folders(self.name) if self._own_parent else {}
        if self._group:
            self._group.close()
        if self._folders or parents:
            self._group = cgroup.ContainerGroup(
                self._folders, parents, pid, earlier=earlier, network_before=network_before
            )
        if self._spec.limits.cpu == "share":
            limits.pass_on_share(self._folders, parents)
        self._freezer = Freezer.of(self._folders)
        self._in_force = limits.in_force(self._folders)
        size_bytes = limits.disk_bytes(pid, TEMPORARY) if self._folders else None
        if self._spec.limits.temporary_bytes is not None and size_bytes is not None:
            self._in_force["temporary_bytes"] = size_bytes

    async def wait(self) -> Exit:
        """Exit code, and whether the kernel killed it for its memory."""
        code = await self._engine.wait(self._id, self._pump)
        state = (await self._engine.call(self._api.inspect_container, self._id))["State"]
        return Exit(code=code, out_of_memory=bool(state["OOMKilled"]))

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL."""
        await self.thaw()
        try:
            if grace_s > 0:
                await self._engine.call(self._api.kill, self._id, "SIGTERM")
                if await self._ends_within(grace_s):
                    return
            await self._engine.call(self._api.kill, self._id)
        except EngineError as error:
            if not _is_gone(error):
                raise

    async def _ends_within(self, seconds: float) -> bool:
        # None of the few threads that create and start others is held meanwhile.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._engine.wait(self._id, None)
                return True
        return False

    async def freeze(self) -> bool:
        """By the control group's file where it may be written, by Docker's pause elsewhere."""
        if self._freezer is not None:
            self._frozen = self._freezer.freeze()
        else:
            self._frozen = await self._engine.call(_pause, self._api, self._id)
        return self._frozen

    async def thaw(self) -> None:
        """Undo `freeze`."""
        if not self._frozen:
            return
        self._frozen = False
        if self._freezer is not None:
            self._freezer.thaw()
        else:
            await self._engine.call(_unpause, self._api, self._id)

    async def limit_cpu(self, vcpu: float) -> bool:
        """By the control group's file where it may be written, by Docker elsewhere."""
        if self._spec.limits.cpu != "hard":
            return False
        period_us = self._spec.limits.cpu_period_us
        quota_us = quota(vcpu, period_us)
        if not limits.set_quota(self._folders, quota_us, period_us):
            await self._engine.call(self._api.update_container, self._id, cpu_quota=quota_us)
        return True

    async def output(self) -> str:
        """Both output streams."""
        logs: bytes = await self._engine.call(self._api.logs, self._id)
        return logs.decode(errors="replace")

    async def remove(self) -> None:
        """Kill and remove it with its volume and control group."""
        await self.thaw()
        try:
            await self._engine.call(self._api.remove_container, self._id, force=True, v=True)
        except EngineError as error:
            if not _is_gone(error):
                raise
        await self._engine.remove_disk(self.name)
        self.let_go()

    def let_go(self) -> None:
        """Close and remove its control group, once the container is gone."""
        self._engine.forget(self, self._spec, self._sandbox)
        if self._group:
            self._group.close()
        if self._own_parent:
            cgroup.remove_parent(self.name)

    def limits_in_force(self) -> dict[str, float | int | None]:
        """As the kernel has them, not as Docker was asked."""
        return self._in_force

    def usage(self) -> Usage | None:
        """From its control group; from Docker's stats where that cannot be read."""
        if self._group:
            return self._group.usage()
        try:
            return _from_stats(self._api.stats(self._id, stream=False, one_shot=True))
        except (APIError, KeyError):
            return None

    def brief_usage(self) -> Usage | None:
        """At half the cost of `usage`; None where its control group cannot be read, for Docker takes milliseconds."""
        return self._group.brief_usage() if self._group else None


def quota(vcpu: float, period_us: int) -> int:
    """CPU time in each period, at least what the kernel takes: 1 ms."""
    return max(1000, round(vcpu * period_us))


def _pump(chunks: Iterable[bytes], output: Callable[[bytes], None]) -> None:
    for chunk in chunks:
        output(chunk)


def _pause(api: docker.APIClient, container_id: str) -> bool:
    """Docker's pause, which may fail although it has worked, and the other way round: its state decides."""
    try:
        api.pause(container_id)
    except APIError:
        return _is_paused(api, container_id)
    return True


def _unpause(api: docker.APIClient, container_id: str) -> None:
    for _ in range(UNPAUSE_TRIES):
        try:
            api.unpause(container_id)
        except APIError:
            if _is_paused(api, container_id):
                continue
        return
    raise EngineError(f"{container_id[:12]}: Docker does not unpause it")


def _is_paused(api: docker.APIClient, container_id: str) -> bool:
    try:
        return bool(api.inspect_container(container_id)["State"]["Paused"])
    except NotFound:
        return False


def _is_gone(error: EngineError) -> bool:
    """Whether Docker refused because the container has ended or been removed already."""
    cause = error.__cause__
    return isinstance(cause, NotFound) or (isinstance(cause, APIError) and cause.status_code in {304, 409})


def _from_stats(stats: dict[str, Any]) -> Usage:
    """Docker's own reading; KeyError for a container that has ended."""
    cpu, memory = stats["cpu_stats"], stats["memory_stats"]
    throttling = cpu["throttling_data"]
    parts = memory.get("stats", {})  # as memory.stat of either version of control groups
    networks = stats.get("networks", {}).values()
    return Usage(
        cpu_s=cpu["cpu_usage"]["total_usage"] / 1e9,
        cpu_user_s=cpu["cpu_usage"]["usage_in_usermode"] / 1e9,
        cpu_system_s=cpu["cpu_usage"]["usage_in_kernelmode"] / 1e9,
        cpu_throttled_s=throttling["throttled_time"] / 1e9,
        cpu_periods=throttling["periods"],
        cpu_throttled_periods=throttling["throttled_periods"],
        memory_bytes=memory["usage"],
        memory_anonymous_bytes=parts.get("total_rss", parts.get("anon")),
        memory_file_bytes=parts.get("total_cache", parts.get("file")),
        memory_peak_bytes=memory.get("max_usage"),
        network_in_bytes=sum(n["rx_bytes"] for n in networks),
        network_out_bytes=sum(n["tx_bytes"] for n in networks),
    )
