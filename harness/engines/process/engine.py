"""The embedded engine itself: keeps what stands for containers, and says what it is not."""

from __future__ import annotations

import asyncio
import platform

from harness.engines import load_balancer
from harness.engines.base import ContainerSpec, EngineError, Network
from harness.engines.process.container import ProcessContainer


class ProcessEngine:
    """Runs each "container" as a process group of its own."""

    name = "process"
    host_address = "127.0.0.1"

    def __init__(self) -> None:
        self.load_balancer = load_balancer.installed()
        self._live: set[ProcessContainer] = set()

    async def reserve(self, count: int, *, network: Network) -> None:
        """There is nothing that could be made ahead."""

    async def create(self, spec: ContainerSpec) -> ProcessContainer:
        """Note what is to be run; a process is made at its start."""
        if spec.image is not None:
            await self.default_command(spec.image)
        container = ProcessContainer(spec)
        self._live.add(container)
        return container

    async def default_command(self, image: str) -> tuple[str, ...]:
        """There are no images here."""
        raise EngineError(f"image {image!r}: the process engine runs no images; use --engine docker")

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "name": self.name,
            "version": platform.python_version(),
            "enforced": {
                "cpu": "absent",
                "memory": "watched",
                "swap": "not limited",
                "pids": "absent",
                "tmp": "absent",
            },
            "load_balancer": f"HAProxy {self.load_balancer.version} of this machine"
            if self.load_balancer
            else None,
            "note": "plain processes of this machine, not containers: no CPU limit, memory only watched",
        }

    async def close(self) -> None:
        """Kill what is left."""
        await asyncio.gather(*(container.remove() for container in self._live))
        self._live.clear()
