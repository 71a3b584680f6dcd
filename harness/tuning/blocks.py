"""Cost and time of every size in each block, and which sizes can be told apart by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.analysis.cells import valid_items
from harness.analysis.comparison import why_no_claim
from harness.runs import Run
from harness.statistics import Interval, jackknife_interval, paired_ratio
from harness.tuning.prices import usd_per_million
from harness.tuning.question import Goal, Question

TIME_COLUMN = {"latency": "latency_s", "handler": "handler_s"}


@dataclass(frozen=True, slots=True)
class Figures:
    """One row a block, one column an arm (A/A duplicates too), NaN where an arm has nothing in a block.

    `time_s` is the median time of an item, `usd` the cost per million; `whole_*` are those of all blocks together.
    """

    time_s: pd.DataFrame
    usd: pd.DataFrame
    whole_time_s: dict[str, float]
    whole_usd: dict[str, float]

    def value(self, goal: Goal, weight: float, among: list[str]) -> pd.DataFrame:
        """What is to be made small, in each block. `among` are the sizes that bound the balance."""
        if goal == "balanced":
            most_usd, most_s = self._most(among)
            return weight * self.usd / most_usd + (1 - weight) * self.time_s / most_s
        return self.usd if goal == "cost" else self.time_s

    def whole(self, goal: Goal, weight: float, among: list[str]) -> dict[str, float]:
        """The same of all blocks together, for the arms of `among`."""
        if goal == "balanced":
            most_usd, most_s = self._most(among)
            return {
                arm: weight * self.whole_usd[arm] / most_usd + (1 - weight) * self.whole_time_s[arm] / most_s
                for arm in among
                if arm in self.whole_usd and arm in self.whole_time_s
            }
        if goal == "cost":
            return {arm: self.whole_usd[arm] for arm in among if arm in self.whole_usd}
        return {arm: self.whole_time_s[arm] for arm in among if arm in self.whole_time_s}

    def _most(self, among: list[str]) -> tuple[float, float]:
        """The highest cost and the longest time: AWS Lambda Power Tuning divides by these (lambda/analyzer.js)."""
        usd = [self.whole_usd[arm] for arm in among if arm in self.whole_usd]
        time_s = [self.whole_time_s[arm] for arm in among if arm in self.whole_time_s]
        return max(usd, default=math.nan), max(time_s, default=math.nan)


def figures(run: Run, question: Question, known: Figures | None = None) -> Figures:
    """Of the good items of the deciding phase, in valid cells. `known` are those of the blocks until now, if any."""
    items = valid_items(run)
    good = items[items["ok"] & (items["phase"] == question.phase)]
    column = TIME_COLUMN[question.time]
    good = good[["block", "arm", column]].astype({"arm": str, column: "float64"})
    time_s = good.groupby(["block", "arm"])[column].median().unstack("arm")
    before = known.usd if known is not None else pd.DataFrame()
    new = [int(block) for block in time_s.index if block not in before.index]
    usd = [usd_per_million(run, question.phase, question.basis, [block]) for block in new]
    return Figures(
        time_s.astype("float64"),
        pd.concat([before, pd.DataFrame(usd, index=new, dtype="float64")]),
        {str(arm): float(value) for arm, value in good.groupby("arm")[column].median().items()},
        usd_per_million(run, question.phase, question.basis),
    )


def usd_intervals(run: Run, question: Question, found: Figures) -> dict[str, Interval]:
    """Cost of all blocks of each arm, with the interval that objectives have.

    A cost is a ratio of sums over blocks, so it is jackknifed: a bootstrap of such a ratio needs no fewer evaluations
    for the same answer.
    """
    blocks = list(found.usd.index)
    without = [
        usd_per_million(run, question.phase, question.basis, [each for each in blocks if each != block])
        for block in blocks
    ]
    table = pd.DataFrame(without, index=blocks, dtype="float64")
    intervals = {}
    for arm, value in found.whole_usd.items():
        own = table.reindex(columns=[arm])[arm][found.usd[arm].notna()].dropna()
        interval = jackknife_interval(own.to_numpy(), value)
        intervals[arm] = Interval(value, float(np.maximum(interval.low, 0.0)), interval.high)
    return intervals


@dataclass(frozen=True, slots=True)
class Comparison:
    """One size against another: the ratio of the figure in each block, and why no difference may be claimed, if so."""

    ratio: Interval
    blocks: int
    reason: str


def compare_sizes(values: pd.DataFrame, arm: str, other: str, floor: float, seed: int) -> Comparison:
    """`arm` / `other`, by the blocks in which both were measured."""
    pair = values.reindex(columns=[arm, other]).dropna()
    pair = pair[(pair > 0).all(axis=1)]
    found = paired_ratio(pair[arm], pair[other], seed) or Interval(math.nan, math.nan, math.nan)
    reason = (
        why_no_claim(found, len(pair), floor)
        if len(pair)
        else "there is no block in which both were measured and valid"
    )
    return Comparison(found, len(pair), reason)


def noise_floor(run: Run, values: pd.DataFrame) -> float:
    """The factor, less 1, by which two identical arms may have differed in this figure; NaN without such arms."""
    for arm, about in (run.manifest.get("arms") or {}).items():
        original = about.get("duplicate_of")
        if original in values and arm in values:
            pair = values[[arm, original]].dropna()
            found = paired_ratio(pair[arm], pair[original], int(run.manifest.get("seed") or 0))
            if found is not None:
                return max(found.high, 1 / found.low) - 1
    return math.nan
