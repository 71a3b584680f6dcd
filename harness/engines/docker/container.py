"""One container of the Docker engine."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.engines.base import ContainerSpec, EngineError, Exit
from harness.engines.disks import Disks
from harness.engines.docker.daemon import Daemon, is_gone
from harness.engines.docker.freezer import Freezer
from harness.engines.docker.host_config import TEMPORARY, quota
from harness.engines.docker.pausing import pause, unpause
from harness.engines.docker.sandboxes import Sandbox
from harness.engines.docker.stats import read_stats
from harness.measure import cgroup, limits
from harness.measure.processes import NOTHING, Pair, network_bytes
from harness.measure.usage import Usage


class DockerContainer:
    """A container that has been created; `released` is told once it is gone for good."""

    def __init__(
        self, daemon: Daemon, container_id: str, spec: ContainerSpec, *, sandbox: Sandbox | None,
        disks: Disks | None, own_parent: bool, released: Callable[[DockerContainer], None],
    ) -> None:  # fmt: skip
        self.spec = spec
        self.sandbox = sandbox
        self._daemon = daemon
        self._api = daemon.api
        self._id = container_id
        self._disks = disks
        self._own_parent = own_parent
        self._released = released
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
        return self.spec.name

    @property
    def address(self) -> tuple[str, int]:
        """The container's own address on the run's network."""
        if not self._ip or self.spec.port is None:
            raise EngineError(f"{self.name}: has no address: not started, no network, or no port")
        return self._ip, self.spec.port

    @property
    def peer(self) -> str | None:
        """Its own address on the run's network."""
        return self._ip or None

    async def start(self) -> None:
        """Start it and find its control group."""
        earlier = self._group.usage() if self._group else None
        network_before = network_bytes(self.sandbox.pid) if self.sandbox else NOTHING
        self._frozen = False
        if self.spec.output:
            chunks = await self._daemon.call(self._api.attach, self._id, stream=True, logs=False)
            self._pump = threading.Thread(target=_pump, args=(chunks, self.spec.output), daemon=True)
        await self._daemon.call(self._api.start, self._id)
        if self._pump and not self._pump.is_alive():
            self._pump.start()
        state = await self._daemon.call(self._api.inspect_container, self._id)
        pid = int(state["State"]["Pid"])
        networks = state["NetworkSettings"]["Networks"].values()
        self._ip = next((n["IPAddress"] for n in networks if n.get("IPAddress")), self._ip)
        self._follow(pid, earlier, network_before)

    def _follow(self, pid: int, earlier: Usage | None, network_before: Pair) -> None:
        """Find the control group of its new life: its counters, its freezer, and the limits that it has."""
        self._folders = cgroup.folders_of(pid, self._id)
        parents = cgroup.parent_folders(self.name) if self._own_parent else {}
        if self._group:
            self._group.close()
        if self._folders or parents:
            self._group = cgroup.ContainerGroup(
                self._folders, parents, pid, earlier=earlier, network_before=network_before
            )
        if self.spec.limits.cpu == "share":
            limits.pass_on_share(self._folders, parents)
        self._freezer = Freezer.of(self._folders)
        self._in_force = limits.in_force(self._folders)
        size_bytes = limits.disk_bytes(pid, TEMPORARY) if self._folders else None
        if self.spec.limits.temporary_bytes is not None and size_bytes is not None:
            self._in_force["temporary_bytes"] = size_bytes

    async def wait(self) -> Exit:
        """Exit code, and whether the kernel killed it for its memory."""
        code = await self._daemon.wait(self._id, self._pump)
        state = (await self._daemon.call(self._api.inspect_container, self._id))["State"]
        return Exit(code=code, out_of_memory=bool(state["OOMKilled"]))

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL."""
        await self.thaw()
        try:
            if grace_s > 0:
                await self._daemon.call(self._api.kill, self._id, "SIGTERM")
                if await self._ends_within(grace_s):
                    return
            await self._daemon.call(self._api.kill, self._id)
        except EngineError as error:
            if not is_gone(error):
                raise

    async def _ends_within(self, seconds: float) -> bool:
        # None of the few threads that create and start others is held meanwhile.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._daemon.wait(self._id, None)
                return True
        return False

    async def freeze(self) -> bool:
        """By the control group's file where it may be written, by Docker's pause elsewhere."""
        if self._freezer is not None:
            self._frozen = self._freezer.freeze()
        else:
            self._frozen = await self._daemon.call(pause, self._api, self._id)
        return self._frozen

    async def thaw(self) -> None:
        """Undo `freeze`."""
        if not self._frozen:
            return
        self._frozen = False
        if self._freezer is not None:
            self._freezer.thaw()
        else:
            await self._daemon.call(unpause, self._api, self._id)

    async def limit_cpu(self, vcpu: float) -> bool:
        """By the control group's file where it may be written, by Docker elsewhere."""
        if self.spec.limits.cpu != "hard":
            return False
        period_us = self.spec.limits.cpu_period_us
        quota_us = quota(vcpu, period_us)
        if not limits.set_quota(self._folders, quota_us, period_us):
            await self._daemon.call(self._api.update_container, self._id, cpu_quota=quota_us)
        return True

    async def output(self) -> str:
        """Both output streams."""
        logs: bytes = await self._daemon.call(self._api.logs, self._id)
        return logs.decode(errors="replace")

    async def remove(self) -> None:
        """Kill and remove it with its volume and control group."""
        await self.thaw()
        try:
            await self._daemon.call(self._api.remove_container, self._id, force=True, v=True)
        except EngineError as error:
            if not is_gone(error):
                raise
        if self._disks is not None:
            await self._daemon.call(self._disks.remove, self.name)
        self.let_go()

    def let_go(self) -> None:
        """Close and remove its control group, once the container is gone."""
        self._released(self)
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
        return read_stats(self._api, self._id)

    def brief_usage(self) -> Usage | None:
        """At half the cost of `usage`; None where its control group cannot be read, for Docker takes milliseconds."""
        return self._group.brief_usage() if self._group else None


def _pump(chunks: Iterable[bytes], output: Callable[[bytes], None]) -> None:
    for chunk in chunks:
        output(chunk)
