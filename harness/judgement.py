"""Judges a run by its scenario's objectives: each figure with its interval, as met, missed or undecided."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from harness.analysis.cells import arms, block_cpu, block_medians, phases, valid_items
from harness.cost.model import cost_model
from harness.cost.per_million import cost_per_million
from harness.objectives import Objective, objectives_of
from harness.runs import Run
from harness.statistics import Interval, jackknife_interval, min_count, proportion_interval, quantile_interval

Verdict = Literal["met", "missed", "undecided"]
COLUMNS = ["objective", "arm", "phase", "value", "low", "high", "verdict", "reason"]


@dataclass(frozen=True, slots=True)
class _Part:
    """One phase of one arm: its items in valid cells."""

    run: Run
    arm: str
    phase: str
    items: pd.DataFrame

    @property
    def good(self) -> pd.DataFrame:
        """Those that were done."""
        return self.items[self.items["ok"]]

    def blocks(self) -> list[int]:
        """The blocks that it has items in."""
        return [int(block) for block in self.items["block"].unique()]


def judge(run: Run, objectives: Sequence[Objective] | None = None) -> pd.DataFrame:
    """One row for each objective and each arm and phase that it is demanded of: COLUMNS; A/A duplicates have none.

    Met when the whole 95 % interval satisfies it, missed when none of it does, else undecided; without data it is
    missed, not met. `objectives` are the scenario's unless given.
    """
    valid = valid_items(run)
    rows = []
    for objective in objectives_of(run.manifest) if objectives is None else objectives:
        for arm, about in arms(run).items():
            for phase in phases(run):
                if about.get("duplicate_of") or objective.placement not in {None, arm}:
                    continue
                if objective.phase not in {None, phase}:
                    continue
                own = valid[(valid["arm"] == arm) & (valid["phase"] == phase)]
                rows.append((objective.expect, arm, phase, *_judge(objective, _Part(run, arm, phase, own))))
    return pd.DataFrame(rows, columns=COLUMNS)


def overall(table: pd.DataFrame) -> Literal["met", "missed", "undecided", "none"]:
    """The worst verdict; "none" without an objective."""
    found = set(table["verdict"])
    if "missed" in found:
        return "missed"
    if "undecided" in found:
        return "undecided"
    return "met" if found else "none"


def _judge(objective: Objective, part: _Part) -> tuple[float, float, float, Verdict, str]:
    figure = objective.parts[0]
    if part.items.empty:
        return math.nan, math.nan, math.nan, "missed", "no item was planned here, or no cell is valid"
    if figure not in {"error_rate", "memory_peak_bytes"} and part.good.empty:
        return math.nan, math.nan, math.nan, "missed", "no item was finished"
    if objective.quantile is not None:
        found, reason = _quantile(part, objective.quantile)
    else:
        found, reason = ESTIMATES[figure](part)
    return found.value, found.low, found.high, *_verdict(objective, found, reason)


def _verdict(objective: Objective, found: Interval, reason: str) -> tuple[Verdict, str]:
    if math.isnan(found.value):
        return "missed", reason or "there is no such figure"
    if math.isnan(found.low):
        return "undecided", reason or "one block has no interval"
    low, high = objective.satisfied_by(found.low), objective.satisfied_by(found.high)
    if low and high:
        return "met", reason
    return (
        ("undecided", reason or "the bound lies within the interval") if low or high else ("missed", reason)
    )


def _quantile(part: _Part, q: float) -> tuple[Interval, str]:
    good = part.good
    found = quantile_interval(good["latency_s"].to_numpy(), q, blocks=good["block"].to_numpy())
    if found is not None:
        return found, ""
    needed = min_count(q)
    if len(good) < needed:
        return _nothing(), f"p{q * 100:g} takes {needed} items, there are {len(good)}"
    return _nothing(), f"p{q * 100:g} takes more blocks than {good['block'].nunique()}"


def _errors(part: _Part) -> tuple[Interval, str]:
    by_block = part.items.groupby("block")["ok"]
    return proportion_interval((by_block.size() - by_block.sum()).to_numpy(), by_block.size().to_numpy()), ""


def _memory(part: _Part) -> tuple[Interval, str]:
    value = float(part.items["memory_peak_bytes"].max())
    return Interval(value, value, value), "the highest seen, which has no interval"


def _jackknifed(figure: Callable[[_Part], float]) -> Callable[[_Part], tuple[Interval, str]]:
    """An estimate by leaving out each block in turn."""

    def estimate(part: _Part) -> tuple[Interval, str]:
        blocks = part.blocks()
        without = [figure(replace(part, items=part.items[part.items["block"] != block])) for block in blocks]
        return jackknife_interval(without if len(blocks) > 1 else [], figure(part)), ""

    return estimate


def _mean_latency_s(part: _Part) -> float:
    return float(part.good["latency_s"].astype("float64").mean())


def _cold_fraction(part: _Part) -> float:
    return float(part.good["cold"].mean())


def _throughput(part: _Part) -> float:
    cells = block_medians(part.run)
    own = cells[
        (cells["arm"] == part.arm) & (cells["phase"] == part.phase) & cells["block"].isin(part.blocks())
    ]
    return float(own["throughput_items_per_s"].mean())


def _cpu_s_per_item(part: _Part) -> float:
    table = block_cpu(part.run)
    own = table[(table["arm"] == part.arm) & table["block"].isin(part.blocks())]
    items = float(own["items"].sum())
    return float(own["cpu_s"].sum(min_count=1)) / items if items else math.nan


def _usd_per_million(part: _Part) -> float:
    """The cost as run, of the blocks that the part has."""
    table = cost_per_million(cost_model(part.run), part.blocks())
    found = table[(table["arm"] == part.arm) & (table["phase"] == part.phase) & (table["basis"] == "as run")]
    return float(found["usd_per_million"].iloc[0]) if len(found) else math.nan


def _nothing() -> Interval:
    return Interval(math.nan, math.nan, math.nan)


ESTIMATES: dict[str, Callable[[_Part], tuple[Interval, str]]] = {
    "error_rate": _errors,
    "memory_peak_bytes": _memory,
    "latency_mean_s": _jackknifed(_mean_latency_s),
    "cold_fraction": _jackknifed(_cold_fraction),
    "throughput_items_per_s": _jackknifed(_throughput),
    "cpu_s_per_item": _jackknifed(_cpu_s_per_item),
    "cost_usd_per_million": _jackknifed(_usd_per_million),
}
