"""How many blocks a run takes: as the scenario says, or planned from a pilot, or as many as a time budget allows.

A search for the best size has a Sizing of its own, which also chooses the arms of each block.

The number is fixed before the main part from the spread of the pilot's ratios, never from their size, and a budget
ends a run between blocks, when every arm has had the same number: nobody stops because one arm looks good.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from harness import plan
from harness.analysis.planning import Plan, plan_blocks
from harness.engines.base import EngineError
from harness.runs import Run, RunWriter
from harness.scenario import Scenario

PILOT_BLOCKS = 5
MAX_BLOCKS = 1000


class Sizing:
    """Decides after each block whether there is another."""

    def __init__(self, scenario: Scenario, precision: float | None, budget_s: float | None) -> None:
        self._precision = precision
        self._budget_s = budget_s
        self._begun_s = time.monotonic()
        self._plan: Plan | None = None
        self._done = 0
        self.pilot_blocks = scenario.warmup_blocks if precision is None else PILOT_BLOCKS
        # Until the pilot has told, the scenario's number is the best guess.
        self.blocks = self.pilot_blocks + scenario.blocks

    def calibrated(self, arms: Sequence[plan.Arm]) -> Sequence[plan.Arm]:
        """Those whose own cost is measured before the first block."""
        return arms

    def chosen(self) -> Collection[str] | None:
        """The names of the arms that the next block has; None for all."""
        return None

    def could_not_run(self, arm: str, error: EngineError) -> None:
        """An arm could not be run at all, which ends the run here."""
        raise error

    def after_block(self, writer: RunWriter, done: int) -> None:
        """Note that `done` blocks are over; plan the main part when they are the pilot."""
        self._done = done
        if self._precision is not None and done == self.pilot_blocks:
            writer.flush()
            self._plan = plan_blocks(Run.load(writer.folder), self._precision)
            self.blocks = self.pilot_blocks + min(MAX_BLOCKS, self._plan.blocks)

    def out_of_time(self) -> bool:
        """Whether another block like those before would end beyond the budget; the first always runs."""
        if self._budget_s is None or not self._done:
            return False
        elapsed_s = time.monotonic() - self._begun_s
        return elapsed_s + elapsed_s / self._done > self._budget_s

    def told(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "precision": self._precision,
            "budget_s": self._budget_s,
            "pilot_blocks": self.pilot_blocks if self._precision is not None else 0,
            "planned_blocks": self.blocks - self.pilot_blocks,
            "blocks_run": max(0, self._done - self.pilot_blocks),
            "widest": self._plan.widest if self._plan else None,
        }

    def warnings(self) -> list[str]:
        """What a reader must know of the number of blocks."""
        if self._done < self.blocks:
            ran, planned = max(0, self._done - self.pilot_blocks), self.blocks - self.pilot_blocks
            return [f"the time budget of {self._budget_s:g} s ended the run after {ran} of {planned} blocks"]
        return []
