"""One arm of one block: fresh containers, every phase driven, limits read back, and who used the processor."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness import plan
from harness.clock import RunClock
from harness.driver import Driver
from harness.engines.base import Container, Engine, Puller
from harness.measure.load import between, read_load
from harness.measure.sampler import Sampler
from harness.placements import attempts, registry
from harness.placements.base import Bench, Placement, Recorder

# A limit that reads back further off than this is not the one that was asked for.
LIMIT_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Stage:
    """What every arm of a run shares."""

    run: str
    engine: Engine
    clock: RunClock
    driver: Driver
    recorder: Recorder
    sampler: Sampler
    store_in: Path
    puller: Puller | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One arm with its phases: what to run, on which workload, and where results go."""

    block: int
    warmup: bool
    arm: plan.Arm
    phases: Sequence[plan.PlannedPhase]
    workload: str
    settings: dict[str, Any]
    store_out: Path
    seed: int
    logs: Path


@dataclass(frozen=True, slots=True)
class Findings:
    """The limits of one container as the kernel has them, and what was wrong with those of any."""

    limits_in_force: dict[str, float | int | None]
    warnings: list[str]


async def run_arm(stage: Stage, job: Job) -> Findings:
    """Run it, from fresh containers to none."""
    watcher = Watcher(stage.sampler)
    bench = make_bench(stage, job, watcher)
    placement = registry.build(bench, job.arm.settings)
    bench.event("arm_started")
    # A collection of all objects stops every thread for milliseconds: it happens between arms instead.
    gc.collect()
    gc.disable()
    try:
        await placement.open()
        bench.event("arm_ready")
        for phase in job.phases:
            await _drive(stage.driver, bench, placement, phase, job.arm.settings.kind)
    finally:
        gc.enable()
        await placement.close()
        bench.event("arm_ended")
        left = await stage.puller.settle() if stage.puller else []
    found = findings(job.arm, watcher)
    return replace(found, warnings=[*found.warnings, *left])


def make_bench(stage: Stage, job: Job, watcher: Watcher) -> Bench:
    """What the placement of this job is given."""
    return Bench(
        run=stage.run,
        block=job.block,
        warmup=job.warmup,
        arm=job.arm.name,
        workload=job.workload,
        engine=stage.engine,
        clock=stage.clock,
        recorder=stage.recorder,
        watcher=watcher,
        store_in=stage.store_in,
        store_out=job.store_out,
        settings=job.settings,
        seed=plan.arm_seed(job.seed, job.block, job.arm.name),
        logs=job.logs,
        puller=stage.puller,
    )


def findings(arm: plan.Arm, watcher: Watcher) -> Findings:
    """What is known of an arm's limits after it has run."""
    return Findings(next(iter(watcher.limits(arm.name)), {}), _limit_warnings(arm, watcher))


async def _drive(
    driver: Driver, bench: Bench, placement: Placement, phase: plan.PlannedPhase, kind: str
) -> None:
    """One phase, between two readings of who used the processor."""
    before = read_load()
    bench.event("phase_started", phase=phase.name, planned=len(phase.items))
    limit = driver.max_in_flight
    start_ns = await driver.drive(phase, placement, lambda work: attempts.drop(bench, work, kind, limit))
    ended_ns = bench.clock.now_ns()
    load = between(before, read_load())
    bench.event(
        "phase_ended",
        phase=phase.name,
        at_ns=ended_ns,
        first_due_ns=start_ns,
        planned=len(phase.items),
        **asdict(load),
    )


class Watcher:
    """Hands containers to the sampler, and keeps their limits."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._limits: dict[tuple[str, str], dict[str, float | int | None]] = {}

    def watch(self, container: Container, arm: str, block: int) -> None:
        """Sample it from now on."""
        self._limits[arm, container.name] = container.limits_in_force()
        self._sampler.watch(container, arm, block)

    def unwatch(self, container: Container) -> None:
        """Take a last reading and stop."""
        self._sampler.unwatch(container)

    def limits(self, arm: str) -> list[dict[str, float | int | None]]:
        """Those of each container of an arm that could be read."""
        return [found for (of, _), found in self._limits.items() if of == arm and found]


def _limit_warnings(arm: plan.Arm, watcher: Watcher) -> list[str]:
    """Limits that read back otherwise than asked for, of any container."""
    asked = registry.limits(arm.settings)
    wanted = {
        "memory_bytes": asked.memory_bytes,
        "vcpu": asked.vcpu if asked.cpu == "hard" else None,
        "temporary_bytes": asked.temporary_bytes,
    }
    told = [
        f"{arm.name}: {name} was asked to be {value} and reads back as {found[name]}"
        for found in watcher.limits(arm.name)
        for name, value in wanted.items()
        if value is not None and name in found and not _close(value, found[name])
    ]
    return list(dict.fromkeys(told))


def _close(asked: float, found: float | None) -> bool:
    return found is not None and abs(found / asked - 1) <= LIMIT_TOLERANCE
