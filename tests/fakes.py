"""A bench without containers, and what a placement on it recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from harness.clock import Clock, LoopClock
from harness.driver import Driver
from harness.engines.base import Container
from harness.engines.process import ProcessEngine
from harness.pacer import LoopPacer
from harness.placements import attempts
from harness.placements.base import Bench, Placement, Work
from harness.placements.fake import KIND
from harness.plan import PlannedPhase
from harness.rows import Attempt, Event
from tests import virtual

NO_LIMIT = 1_000_000


@dataclass
class Ledger:
    """Keeps rows in lists, and samples nothing."""

    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def attempt(self, row: Attempt) -> None:
        self.attempts.append(row)

    def event(self, row: Event) -> None:
        self.events.append(row)

    def watch(self, container: Container, arm: str, block: int) -> None: ...

    def unwatch(self, container: Container) -> None: ...

    def kinds(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def frame(self) -> pd.DataFrame:
        """The attempts as columns."""
        names = Attempt.__dataclass_fields__
        return pd.DataFrame({name: [getattr(row, name) for row in self.attempts] for name in names})


def refuse(work: Work) -> None:
    """For drivers that have nothing to drop."""
    raise AssertionError(f"dropped: {work}")


def a_bench(ledger: Ledger, clock: Clock, block: int = 0, arm: str = KIND) -> Bench:
    nowhere = Path()
    return Bench(
        run="r", block=block, warmup=False, arm=arm, workload="noop", engine=ProcessEngine(), clock=clock,
        recorder=ledger, watcher=ledger, store_in=nowhere, store_out=nowhere, settings={},
    )  # fmt: skip


def a_phase(offsets_s: np.ndarray | list[float], name: str = "steady") -> PlannedPhase:
    return PlannedPhase(name, tuple(f"{n}.jpg" for n in range(len(offsets_s))), np.asarray(offsets_s))


def in_virtual_time(
    make: Callable[[Bench], Placement], offsets_s: np.ndarray, max_in_flight: int = NO_LIMIT
) -> pd.DataFrame:
    """The attempts of one phase against a placement, on a loop with virtual time."""
    ledger = Ledger()

    async def main() -> None:
        clock = LoopClock()
        bench = a_bench(ledger, clock)
        placement = make(bench)
        await placement.open()
        driver = Driver(clock, LoopPacer(clock), max_in_flight)
        await driver.drive(
            a_phase(offsets_s), placement, lambda work: attempts.drop(bench, work, KIND, max_in_flight)
        )
        await placement.close()

    virtual.run(main())
    return ledger.frame()
