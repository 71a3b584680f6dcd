"""What an item takes, from the cells of an arm: once over all blocks, and over blocks drawn again and again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.cost.arms import Arm
from harness.cost.measured import SUMS

# A bootstrap over blocks. Each draw prices every placement anew, so they are fewer than for a plain ratio.
DRAWS = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """Means for each finished item; seconds are AWS's.

    `item_s` is the handler's time and `start_s` a job's life without it, for each job. `rate_per_s` is what one task
    (or container) does while it is never idle, with `at_once` items in hand: items over the seconds in which tasks were
    at work in the phase that kept them so, and where none did, one item after another as fast as handler and CPU share
    allow. NaN where an arm has none of it.
    """

    invocations: float
    billed_s: float
    item_s: float
    start_s: float
    cpu_s: float
    cold: float
    bytes_out: float
    instance_s: float
    busy_instance_s: float
    rate_per_s: float
    at_once: float

    @property
    def rounding_s(self) -> float:
        """What of `billed_s` is rounding up: half a millisecond of each invocation at the mean."""
        return min(0.0005 * self.invocations, self.billed_s)

    def slower(self, factor: float) -> Figures:
        """The same with each second times `factor`; what is rounding stays."""
        return replace(
            self,
            billed_s=(self.billed_s - self.rounding_s) * factor + self.rounding_s,
            item_s=self.item_s * factor,
            start_s=self.start_s * factor,
            cpu_s=self.cpu_s * factor,
            instance_s=self.instance_s * factor,
            busy_instance_s=self.busy_instance_s * factor,
            rate_per_s=self.rate_per_s / factor,
        )


@dataclass(frozen=True, slots=True, eq=False)
class BlockSums:
    """SUMS of an arm, a row a block (`blocks` gives their numbers), over all phases and over the busiest one."""

    arm: Arm
    blocks: NDArray[np.int64]
    every: NDArray[np.float64]
    busiest: NDArray[np.float64]
    phase: str
    saturated: bool

    def figures(self, weights: NDArray[np.float64] | None = None) -> Figures:
        """Over all blocks; with `weights` (one a block) over each so many times."""
        drawn = np.ones(self.blocks.size) if weights is None else weights
        sums = dict(zip(SUMS, drawn @ self.every, strict=True))
        full = dict(zip(SUMS, drawn @ self.busiest, strict=True))
        items = sums["ok"]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate_per_s, at_once = self._capacity(sums, full)
            return Figures(
                **{name: float(sums[name] / items) for name in (
                    "invocations", "billed_s", "cpu_s", "cold", "bytes_out", "instance_s", "busy_instance_s")},
                item_s=float(sums["handler_s"] / items),
                start_s=float(np.maximum(0.0, sums["job_s"] - sums["handler_s"]) / sums["jobs"]),
                rate_per_s=rate_per_s,
                at_once=at_once,
            )  # fmt: skip

    def _capacity(self, sums: dict[str, float], full: dict[str, float]) -> tuple[float, float]:
        """Items a second of a task that is never idle, and how many of them it has in hand.

        The time of all tasks while a phase lasts is no measure of that: they do not all end with its last item.
        """
        if self.saturated and full["busy_s"] > 0:
            return float(full["ok"] / full["busy_s"]), float(max(1.0, full["handler_s"] / full["busy_s"]))
        seen_per_s = full["ok"] / (full["task_s"] or full["span_s"] * self.arm.parallel)
        if self.saturated or not sums["handler_s"] or not sums["cpu_s"]:
            return float(seen_per_s), 1.0
        most_per_s = min(1 / sums["handler_s"], self.arm.vcpu / sums["cpu_s"]) * sums["ok"]
        return float(max(seen_per_s, most_per_s)), 1.0


def block_sums(arm: Arm, cells: pd.DataFrame, bursts: Collection[str]) -> BlockSums | None:
    """Of an arm's valid cells (`measured.cell_sums`); None where it finished nothing.

    `bursts` are the phases whose items come faster than they can be done.
    """
    own = cells[cells["arm"] == arm.name]
    done = own.groupby("phase")[["ok", "span_s"]].sum()
    done = done[done["ok"] > 0]
    if done.empty:
        return None
    phase = str((done["ok"] / done["span_s"]).idxmax())
    blocks = np.sort(own["block"].unique()).astype(np.int64)

    def summed(part: pd.DataFrame) -> NDArray[np.float64]:
        return part.groupby("block")[SUMS].sum().reindex(blocks, fill_value=0.0).to_numpy(dtype=np.float64)

    return BlockSums(arm, blocks, summed(own), summed(own[own["phase"] == phase]), phase, phase in bursts)


def draws(blocks: int, seed: int, count: int = DRAWS) -> NDArray[np.float64]:
    """How often each block is drawn, shape (count, blocks): with replacement, as many as there are."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=count).astype(np.float64)
