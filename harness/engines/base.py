"""The seam between placements and whatever runs containers.

A placement describes a container (`ContainerSpec`), and an engine makes it real. An engine knows nothing of
functions, jobs and services; a placement knows nothing of Docker. Every engine keeps host paths as they are inside
its containers, so a specification means the same under each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from harness.measure.usage import Usage

# Everything that the harness leaves on a machine carries this label, so that `doctor --clean` can find it.
LABEL = "placement-harness"
LABEL_RUN = f"{LABEL}.run"

# Whom a container may reach, and who may reach it: nobody; the harness; the harness and others that say `peers`.
Network = Literal["none", "harness", "peers"]


class EngineError(RuntimeError):
    """The engine could not do what was asked; the text says what and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one container may use.

    `vcpu` may be a fraction of one core. `cpu` tells whether it is a hard limit, in windows of `cpu_period_us`
    (Lambda throttles in windows of 20 ms), or a share that counts only when the cores are busy. Swap is off, so
    `memory_bytes` is all there is. `temporary_bytes` is the size of /tmp, which is disk and no memory; None is as
    much as the disk has. `open_files` is each process's limit of descriptors.
    """

    vcpu: float
    memory_bytes: int
    cpu_period_us: int = 20_000
    pids: int = 1024
    cpu: Literal["hard", "share"] = "hard"
    temporary_bytes: int | None = None
    open_files: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container to be made: non-root, with a read-only root and no capabilities.

    `image` is another one than the run's own; without a command or entry point it brings its own. `{host}` and
    `{port}` in the command stand for where to listen, when `port` is set: an engine that shares the host's network
    gives another port than the one asked for. `output` takes what the container writes, as it comes and from another
    thread, in place of keeping it for `Container.output`. `tmpfs` are folders in memory, with their sizes in bytes;
    `init` has a process of the engine's own reap what the command leaves behind.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    network: Network = "none"
    port: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    entry_point: tuple[str, ...] = ()
    output: Callable[[bytes], None] | None = None
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    shared_memory_bytes: int | None = None
    init: bool = False


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """A HAProxy that can be run: its version, its program, and the image that has it (None for this machine's own)."""

    version: str
    program: str
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a container ended. `code` is 128 + n when signal n ended it."""

    code: int
    out_of_memory: bool


class Container(Protocol):
    """One container, created and perhaps running.

    Every coroutine is safe to call at the same time as those of other containers. `usage` and `brief_usage` are quick
    synchronous reads, called from any thread; they return None once there is nothing left to read.
    """

    @property
    def name(self) -> str:
        """The name that rows carry."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Host and port at which the harness reaches `spec.port`; only after `start`."""
        ...

    @property
    def peer(self) -> str | None:
        """The address from which its requests come; only after `start`. None where others share it."""
        ...

    async def start(self) -> None:
        """Start it; returns when its process exists. EngineError if it cannot.

        One that has ended may be started again: its /tmp is as it was, and its counters go on.
        """
        ...

    async def wait(self) -> Exit:
        """Wait until it ends. May be awaited once for each start."""
        ...

    async def freeze(self) -> bool:
        """Stop all its processes where they are; returns when none runs. False if it has ended or does not stop."""
        ...

    async def thaw(self) -> None:
        """Let them go on. No error if they were not stopped, or have ended."""
        ...

    async def limit_cpu(self, vcpu: float) -> bool:
        """Change its hard limit while it runs; False where there is none."""
        ...

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after `grace_s`; no error if it has ended already."""
        ...

    async def output(self) -> str:
        """What it wrote to standard output and standard error so far."""
        ...

    async def remove(self) -> None:
        """Remove every trace of it, running or not."""
        ...

    def limits_in_force(self) -> dict[str, float | int | None]:
        """Limits as read back after `start`, by the names of `Limits`; empty where there are none."""
        ...

    def usage(self) -> Usage | None:
        """Its counters now, or as it ended where the engine can still tell."""
        ...

    def brief_usage(self) -> Usage | None:
        """As `usage`, but None for what is dear to read: at least CPU time and peak memory, for each attempt."""
        ...


class Engine(Protocol):
    """Runs containers of one image."""

    @property
    def name(self) -> str:
        """`docker`, `process`, ... as in `--engine`."""
        ...

    @property
    def host_address(self) -> str:
        """Address on which the harness can listen so that containers of the network `harness` reach it."""
        ...

    @property
    def load_balancer(self) -> LoadBalancer | None:
        """What can stand before services; None where there is none."""
        ...

    async def reserve(self, count: int, *, network: Network) -> None:
        """Make ready, before anything is measured, what `count` containers at once take that outlives them."""
        ...

    async def create(self, spec: ContainerSpec) -> Container:
        """Make a container without starting it. EngineError if it cannot."""
        ...

    async def default_command(self, image: str) -> tuple[str, ...]:
        """The command that an image brings. EngineError if there is no such image, or images mean nothing here."""
        ...

    def describe(self) -> dict[str, object]:
        """For the manifest: versions, image digest, and which limits are enforced, watched or absent."""
        ...

    async def close(self) -> None:
        """Remove what is left: containers, networks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """One pull of the run's image: `reference` is what a container is to be made of.

    Of its `layers`, `layers_cached` were here already; `compressed_bytes` are those of the others, as they travelled.
    `waited_s` passed before it began, while something of an earlier container was still being removed.
    """

    reference: str
    layers: int
    layers_cached: int
    compressed_bytes: int
    waited_s: float = 0.0


class Puller(Protocol):
    """Has the run's image pulled for each container."""

    async def pull(self) -> Pulled:
        """Pull it for one container. EngineError if that cannot be done."""
        ...

    def release(self, pulled: Pulled) -> None:
        """The container is gone, and what was pulled for it may go."""
        ...

    async def settle(self) -> list[str]:
        """Remove everything that was released; what could not be removed since the last time, and why."""
        ...
