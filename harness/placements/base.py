"""What the driver asks of a placement, and what a placement is given.

The driver knows nothing of environments, jobs and tasks: it hands over an item at its intended time. The placement
ends every item it was handed in exactly one final `Attempt`, whatever happens to its containers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.clock import Clock
from harness.engines.base import Container, ContainerSpec, Engine, EngineError, Exit, Pulled, Puller
from harness.rows import Attempt, Event
from harness.scenario import WORKLOADS


class Recorder(Protocol):
    """Where rows go: the run folder's writer, or a list in a test."""

    def attempt(self, row: Attempt) -> None:
        """Record one attempt."""
        ...

    def event(self, row: Event) -> None:
        """Record one event."""
        ...


class Watcher(Protocol):
    """Whoever samples containers while they live."""

    def watch(self, container: Container, arm: str, block: int) -> None:
        """Sample this container from now on, until it is gone."""
        ...

    def unwatch(self, container: Container) -> None:
        """Take a last reading and stop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One item as the driver hands it over."""

    item: str
    sequence: int
    phase: str
    due_ns: int
    sent_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A started container with the moments of its making (UTC ns) and, in time, its end.

    `pulled` is the image that was pulled for it; None, and `pulled_ns` the same as `begun_ns`, where none was.
    """

    container: Container
    begun_ns: int
    pulled_ns: int
    created_ns: int
    started_ns: int
    ended: asyncio.Task[Exit]
    pulled: Pulled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything around a placement: one for each arm of each block.

    `seed` is that of its own random choices; `logs` is the folder for what its containers write, where that is kept.
    With a `puller` each container of the run's own image is made of one that was pulled for it.
    """

    run: str
    block: int
    warmup: bool
    arm: str
    workload: str
    engine: Engine
    clock: Clock
    recorder: Recorder
    watcher: Watcher
    store_in: Path
    store_out: Path
    settings: Mapping[str, Any]
    seed: int = 0
    logs: Path | None = None
    puller: Puller | None = None

    def log_file(self, name: str) -> Path | None:
        """Where the output of the container `name` is to be written; None where none is kept."""
        short = name.removeprefix(self.container_name("").removesuffix(f"b{self.block}-{self.arm}-".lower()))
        return self.logs / f"{short}.log" if self.logs else None

    def keep(self, name: str, record: dict[str, Any]) -> None:
        """Add a record to this arm's file called `name`, one JSON object a line, where logs are kept."""
        if self.logs is not None:
            with (self.logs / f"{self.arm}-{name}").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def container_name(self, suffix: str) -> str:
        """Unique on this machine: run, block, arm and suffix."""
        return f"{self.run}-b{self.block}-{self.arm}-{suffix}".replace(".", "").lower()

    def command(self, kind: Literal["job", "service"]) -> tuple[str, ...]:
        """The command of the workload's own module of this name, or the kit's where it has none."""
        if (WORKLOADS / self.workload / f"{kind}.py").is_file():
            return "python3", "-m", f"workloads.{self.workload}.{kind}"
        return "python3", "-m", "workloads.kit", kind, self.workload

    def handler(self) -> str:
        """The Lambda handler in the workload's own module `function`, or the kit's where it has none."""
        if (WORKLOADS / self.workload / "function.py").is_file():
            return f"workloads.{self.workload}.function.handler"
        return f"workloads.kit.handlers.{self.workload}"

    def environment(self) -> dict[str, str]:
        """What the workload's entry points read, the same in every placement."""
        return {
            "STORE_IN": f"file://{self.store_in}",
            "STORE_OUT": f"file://{self.store_out}",
            "TABLE": f"sqlite:///{self.store_out / 'metadata.sqlite'}",
            "WORKLOAD_SETTINGS": json.dumps(dict(self.settings), sort_keys=True),
        }

    def event(
        self,
        kind: str,
        container: str = "",
        *,
        phase: str = "",
        duration_s: float | None = None,
        at_ns: int | None = None,
        **detail: Any,
    ) -> None:
        """Record an event of this arm, now or at `at_ns`."""
        self.recorder.event(
            Event(
                run=self.run,
                block=self.block,
                arm=self.arm,
                phase=phase,
                at_ns=self.clock.now_ns() if at_ns is None else at_ns,
                kind=kind,
                container=container,
                duration_s=duration_s,
                detail=json.dumps(detail) if detail else "",
            )
        )

    async def launch(self, spec: ContainerSpec) -> Launched:
        """Create and start a container, with events, sampled from its first moment. EngineError if it cannot.

        Its image is pulled first where the run has a registry.
        """
        begun_ns = self.clock.now_ns()
        pulled = await self._pull(spec)
        if pulled:  # to wait for the harness's own tidying is queueing, and no part of a cold start
            begun_ns += round(pulled.waited_s * 1e9)
        pulled_ns = self.clock.now_ns() if pulled else begun_ns
        try:
            container = await self.engine.create(replace(spec, image=pulled.reference) if pulled else spec)
            created_ns = self.clock.now_ns()
            self.event("container_created", spec.name, duration_s=(created_ns - pulled_ns) / 1e9)
            try:
                await container.start()
            except EngineError:
                await container.remove()
                raise
        except BaseException:
            self._release(pulled)
            raise
        started_ns = self.clock.now_ns()
        self.watcher.watch(container, self.arm, self.block)
        self.event("container_started", spec.name, duration_s=(started_ns - created_ns) / 1e9)
        return Launched(
            container=container,
            begun_ns=begun_ns,
            pulled_ns=pulled_ns,
            created_ns=created_ns,
            started_ns=started_ns,
            ended=asyncio.create_task(self._see_end(container)),
            pulled=pulled,
        )

    async def restart(self, launched: Launched) -> Launched:
        """Start a container that has ended once more. EngineError if that cannot be done."""
        container = launched.container
        begun_ns = self.clock.now_ns()
        await container.start()
        started_ns = self.clock.now_ns()
        self.event("container_started", container.name, duration_s=(started_ns - begun_ns) / 1e9, again=True)
        return Launched(
            container=container,
            begun_ns=begun_ns,
            pulled_ns=begun_ns,
            created_ns=begun_ns,
            started_ns=started_ns,
            ended=asyncio.create_task(self._see_end(container)),
            pulled=launched.pulled,
        )

    async def _see_end(self, container: Container) -> Exit:
        end = await container.wait()
        self.event("container_ended", container.name, exit_code=end.code, out_of_memory=end.out_of_memory)
        return end

    async def remove(self, launched: Launched, grace_s: float = 0.0) -> None:
        """Stop a container if it still runs, and remove it, whether or not it could be stopped."""
        try:
            if not launched.ended.done():
                # What its group alone has is lost with its end; the engine keeps this reading.
                launched.container.usage()
                await launched.container.stop(grace_s)
            # One whose end was lost from sight is removed all the same.
            with contextlib.suppress(EngineError):
                await launched.ended
        finally:
            self.watcher.unwatch(launched.container)
            try:
                await self._remove(launched.container)
            finally:
                self._release(launched.pulled)

    async def _remove(self, container: Container) -> None:
        begun_ns = self.clock.now_ns()
        await container.remove()
        self.event("container_removed", container.name, duration_s=(self.clock.now_ns() - begun_ns) / 1e9)

    async def _pull(self, spec: ContainerSpec) -> Pulled | None:
        """The image for a container of the run's own; None where there is nothing to be pulled."""
        if self.puller is None or spec.image is not None:
            return None
        begun_ns = self.clock.now_ns()
        pulled = await self.puller.pull()
        took_s = (self.clock.now_ns() - begun_ns) / 1e9 - pulled.waited_s
        self.event("image_pulled", spec.name, duration_s=took_s, **asdict(pulled))
        return pulled

    def _release(self, pulled: Pulled | None) -> None:
        if self.puller is not None and pulled is not None:
            self.puller.release(pulled)


class Placement(Protocol):
    """The life cycle of one kind of placement for one arm of one block."""

    async def open(self) -> None:
        """Bring up what stands before the first item: nothing for a function, healthy tasks for a service."""
        ...

    async def run(self, work: Work) -> None:
        """See one item through to its recorded attempt. Raises nothing for an item's failure.

        Cancelled, as it is where a run is cut short, it records none: nobody has seen how the item ends. The run is
        marked interrupted then, and each phase's first event says how many items were planned.
        """
        ...

    async def close(self) -> None:
        """End everything that still runs, and remove it."""
        ...
