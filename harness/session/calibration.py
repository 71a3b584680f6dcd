"""What each placement costs an attempt by itself, and whether containers share our clock; both measured, every run.

Before the first block each placement does nothing to a few items: the no-op workload in the run's own image, under
the scenario's own limits. The rows are kept, in block -1, and are left out of everything else.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness import plan
from harness.engines.ownership import give_to_containers
from harness.measure import offset
from harness.placements.base import Recorder
from harness.rows import NO_BLOCK, OVERHEAD, Attempt, Event, Outcome
from harness.session.arm import Job, Stage, run_arm

WORKLOAD = "noop"
ITEMS = 30
RATE_PER_S = 40.0


@dataclass(slots=True)
class _Tee:
    """Records, and keeps the attempts."""

    recorder: Recorder
    attempts: list[Attempt] = field(default_factory=list)

    def attempt(self, row: Attempt) -> None:
        """Record one attempt."""
        self.attempts.append(row)
        self.recorder.attempt(row)

    def event(self, row: Event) -> None:
        """Record one event."""
        self.recorder.event(row)


async def calibrate(
    stage: Stage, arms: Sequence[plan.Arm], item: str, folder: Path, seed: int
) -> dict[str, Any]:
    """Run the no-op through every placement; sets the clock's remote offset, and returns the manifest's `clock`."""
    tee = _Tee(stage.recorder)
    store_out = folder / "calibration"
    make_store(store_out)
    paced = plan.PlannedPhase(OVERHEAD, (item,) * ITEMS, np.arange(ITEMS) / RATE_PER_S)
    # Nothing is pulled for it: that is no part of what the harness adds.
    own = Stage(stage.run, stage.engine, stage.clock, stage.driver, tee, stage.sampler, stage.store_in)
    for arm in arms:
        if arm.duplicate_of is None and arm.settings.runs_workload:
            # Whatever is cold becomes warm first, or the others would wait for it.
            count = arm.settings.parallel
            first = plan.PlannedPhase(OVERHEAD, (item,) * count, np.zeros(count))
            job = Job(
                block=NO_BLOCK,
                warmup=True,
                arm=arm,
                phases=[first, paced],
                workload=WORKLOAD,
                settings={},
                store_out=store_out,
                seed=seed,
                logs=store_out,
            )
            await run_arm(own, job)
    shutil.rmtree(store_out)
    return _check_clock(stage, tee.attempts)


def make_store(folder: Path) -> None:
    """An output folder that containers may write to."""
    folder.mkdir()
    give_to_containers(folder)


def _check_clock(stage: Stage, rows: Sequence[Attempt]) -> dict[str, Any]:
    """Bounds of the containers' clock; where it is not ours, the run's clock is told of the difference."""
    # Where the answer took no time the end was told by the container alone (a batch item), so it bounds nothing.
    good = [row for row in rows if row.outcome == Outcome.OK and row.answer_s]
    found = offset.bound(
        [row.sent_ns for row in good],
        [row.started_ns for row in good],
        [row.done_ns - round(row.answer_s * 1e9) for row in good],
        [row.done_ns for row in good],
    )
    if found is None:
        return {"shared": None}
    if not found.shared:
        stage.clock.remote_offset_ns = found.value_ns
    error_ns = 0 if found.shared else found.error_ns
    return asdict(found) | {
        "shared": found.shared,
        "consistent": found.consistent,
        "remote_offset_ns": stage.clock.remote_offset_ns,
        "remote_offset_error_ns": error_ns,
    }
