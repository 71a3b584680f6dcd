"""A pull is part of a launch: an event, a part of the cold start, and given back whatever becomes of the container."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from harness.clock import LoopClock
from harness.engines.base import Container, ContainerSpec, Engine, EngineError, Exit, Limits, Pulled
from harness.placements.attempts import ColdParts
from harness.placements.base import Bench, Launched
from tests import virtual
from tests.fakes import Ledger, a_bench

PULL_S, CREATE_S, START_S = 3.0, 0.5, 0.25
WAITED_S = 2.0
PULLED = Pulled(
    reference="registry/image:twin-0", layers=4, layers_cached=1, compressed_bytes=1000, waited_s=WAITED_S
)


@dataclass
class FakePuller:
    """Takes its time, and counts who uses the image."""

    error: str = ""
    users: int = 0

    async def pull(self) -> Pulled:
        await asyncio.sleep(WAITED_S + PULL_S)
        if self.error:
            raise EngineError(self.error)
        self.users += 1
        return PULLED

    def release(self, pulled: Pulled) -> None:
        assert pulled == PULLED
        self.users -= 1

    async def settle(self) -> list[str]:
        return []


@dataclass
class FakeContainer:
    name: str
    error: str = ""
    removed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        await asyncio.sleep(START_S)
        if self.error:
            raise EngineError(self.error)

    async def wait(self) -> Exit:
        await self.ended.wait()
        return Exit(code=0, out_of_memory=False)

    def usage(self) -> None: ...

    async def stop(self, grace_s: float) -> None:
        self.ended.set()

    async def remove(self) -> None:
        self.removed = True


@dataclass
class FakeEngine:
    """Makes containers that do nothing, or cannot; keeps what it was asked for."""

    create_error: str = ""
    start_error: str = ""
    asked: list[ContainerSpec] = field(default_factory=list)

    async def create(self, spec: ContainerSpec) -> Container:
        self.asked.append(spec)
        await asyncio.sleep(CREATE_S)
        if self.create_error:
            raise EngineError(self.create_error)
        return cast(Container, FakeContainer(spec.name, self.start_error))


def spec(**changes: Any) -> ContainerSpec:
    limits = Limits(vcpu=1, memory_bytes=1)
    environment: Mapping[str, str] = {}
    return replace(ContainerSpec(name="c", command=(), environment=environment, limits=limits), **changes)


def bench(ledger: Ledger, engine: FakeEngine, puller: FakePuller | None) -> Bench:
    return replace(a_bench(ledger, LoopClock()), engine=cast(Engine, engine), puller=puller)


def launched(engine: FakeEngine, puller: FakePuller | None, **changes: Any) -> tuple[Ledger, Launched]:
    """A container that is launched and removed, on virtual time."""
    ledger = Ledger()

    async def main() -> Launched:
        own = bench(ledger, engine, puller)
        found = await own.launch(spec(**changes))
        if puller is not None and found.pulled:
            assert puller.users == 1
        await own.remove(found)
        return found

    return ledger, virtual.run(main())


def test_a_container_that_cannot_be_stopped_is_removed_and_its_image_given_back() -> None:
    engine, puller, ledger = FakeEngine(), FakePuller(), Ledger()

    async def main() -> Launched:
        own = bench(ledger, engine, puller)
        found = await own.launch(spec())

        async def refuse(grace_s: float) -> None:
            raise EngineError("it cannot be stopped")

        found.container.stop = refuse  # type: ignore[method-assign]
        with pytest.raises(EngineError, match="cannot be stopped"):
            await own.remove(found)
        return found

    found = virtual.run(main())
    assert cast(FakeContainer, found.container).removed
    assert puller.users == 0
    assert len(ledger.kinds("container_removed")) == 1


def test_the_pull_comes_first_and_is_a_part_of_its_own() -> None:
    engine, puller = FakeEngine(), FakePuller()
    ledger, found = launched(engine, puller)
    assert [asked.image for asked in engine.asked] == [PULLED.reference]
    parts = ColdParts.of(found, found.started_ns + 1_000_000_000)
    assert (parts.pull_s, parts.create_s, parts.start_s, parts.init_s) == (PULL_S, CREATE_S, START_S, 1.0)
    assert parts.total_s == PULL_S + CREATE_S + START_S + 1.0
    (event,) = ledger.kinds("image_pulled")
    assert (event.container, event.duration_s) == ("c", PULL_S)
    assert event.at_ns - found.begun_ns == PULL_S * 1e9, "to wait for a twin is no part of it"
    assert json.loads(event.detail) == {
        "reference": PULLED.reference, "layers": 4, "layers_cached": 1, "compressed_bytes": 1000,
        "waited_s": WAITED_S,
    }  # fmt: skip
    assert [event.duration_s for event in ledger.kinds("container_created")] == [CREATE_S]
    assert puller.users == 0, "the container is gone, and may not keep the image"


@pytest.mark.parametrize(("puller", "image"), [(None, None), (FakePuller(), "mine:latest")])
def test_nothing_is_pulled_without_a_registry_or_for_an_image_of_ones_own(
    puller: FakePuller | None, image: str | None
) -> None:
    engine = FakeEngine()
    ledger, found = launched(engine, puller, image=image)
    assert [asked.image for asked in engine.asked] == [image]
    assert ColdParts.of(found, found.started_ns).pull_s == 0
    assert found.pulled is None
    assert ledger.kinds("image_pulled") == []


@pytest.mark.parametrize(
    "engine", [FakeEngine(create_error="no room"), FakeEngine(start_error="no room")], ids=["create", "start"]
)
def test_a_container_that_cannot_be_gives_its_image_back(engine: FakeEngine) -> None:
    puller = FakePuller()
    with pytest.raises(EngineError, match="no room"):
        launched(engine, puller)
    assert puller.users == 0


def test_without_the_image_there_is_no_container() -> None:
    engine = FakeEngine()
    with pytest.raises(EngineError, match="no registry"):
        launched(engine, FakePuller(error="no registry"))
    assert engine.asked == []


def test_a_launch_that_is_cancelled_gives_its_image_back() -> None:
    puller = FakePuller()

    async def main() -> None:
        launching = asyncio.create_task(bench(Ledger(), FakeEngine(), puller).launch(spec()))
        await asyncio.sleep(WAITED_S + PULL_S + CREATE_S / 2)
        assert puller.users == 1
        launching.cancel()
        await asyncio.gather(launching, return_exceptions=True)

    virtual.run(main())
    assert puller.users == 0


def test_a_restart_pulls_nothing_and_keeps_the_image() -> None:
    ledger, puller = Ledger(), FakePuller()

    async def main() -> None:
        own = bench(ledger, FakeEngine(), puller)
        first = await own.launch(spec())
        await first.container.stop(0)
        await first.ended
        again = await own.restart(first)
        assert ColdParts.of(again, again.started_ns).pull_s == 0
        assert puller.users == 1
        await own.remove(again)

    virtual.run(main())
    assert len(ledger.kinds("image_pulled")) == 1
    assert puller.users == 0
