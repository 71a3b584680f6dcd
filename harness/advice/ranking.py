"""The options in the order of their cost at one load, and how sure the first place is."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.advice.standing import Standing, passes, standing
from harness.cost.model import CostModel, Option
from harness.statistics import Interval

TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Ranked:
    """An option at the load that was asked for, in US dollars a month; `common_usd` is what any placement needs.

    `met_share` is in how many of the draws over blocks it meets its objectives: NaN with fewer than two blocks.
    """

    arm: str
    placement: str
    told: str
    usd: float
    low: float
    high: float
    common_usd: float
    met_share: float

    @property
    def own_usd(self) -> float:
        """Without what any placement needs."""
        return self.usd - self.common_usd


@dataclass(frozen=True, slots=True)
class Confidence:
    """In how many of the draws over blocks the first is the cheapest that meets the objectives; `share` is NaN with
    fewer than two blocks.
    """

    share: float
    draws: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Field:
    """The placements that nothing rules out. `ranked` have the best standing that there is, `undecided` may meet the
    objectives where those of `ranked` are shown to: names in the model's order.
    """

    standing: Standing
    ranked: tuple[str, ...]
    undecided: tuple[str, ...]

    @classmethod
    def of(cls, model: CostModel, table: pd.DataFrame, out: Collection[str]) -> Field:
        """By their verdicts; `out` are ruled out."""
        left = {each.name: standing(table, each.name) for each in model.options if each.name not in out}
        shown = tuple(name for name, each in left.items() if each != "undecided")
        open_ = tuple(name for name, each in left.items() if each == "undecided")
        if not shown:
            return cls("undecided" if open_ else "none", open_, ())
        return cls("met" if "met" in left.values() else "none", shown, open_)


def ranking(model: CostModel, table: pd.DataFrame, names: Collection[str], items: float) -> list[Ranked]:
    """The named options, cheapest first; `table` has the verdicts."""
    found = []
    for option in model.options:
        if option.name in names:
            usd, own = _interval(model, option, items), option.arm
            common_usd = sum(
                float(each.over_items(model.terms)(items)) for each in model.demands(option) if each.common
            )
            met = passes(model, table, own.name)
            share = float(met.mean()) if met.size else math.nan
            found.append(
                Ranked(own.name, own.kind, own.told(), usd.value, usd.low, usd.high, common_usd, share)
            )
    return sorted(found, key=lambda each: each.usd)


def confidence(model: CostModel, table: pd.DataFrame, ranked: list[Ranked], items: float) -> Confidence:
    """How often the first of `ranked` meets its objectives (`table`) and is the cheapest of them that do.

    The same blocks are drawn for all.
    """
    blocks = max((option.sums.blocks.size for option in model.options), default=0)
    count = len(model.drawn)
    if not count or not ranked:
        return Confidence(math.nan, 0, blocks)
    usd = np.array([
        np.where(passes(model, table, each.arm), _drawn(model, each.arm, items), np.inf) for each in ranked
    ])  # fmt: skip
    first = np.isfinite(usd[0]) & (usd[0] <= usd.min(axis=0))
    return Confidence(float(first.mean()), count, blocks)


def cheapest(model: CostModel, names: Collection[str], items: float, slower: float = 1.0) -> str:
    """The cheapest of the named, where every second is `slower` times as long; empty where none can do it."""
    options = [model.slower(each, slower) for each in model.options if each.name in names]
    usd = {each.name: float(model.curve(each)(items)) for each in options if not each.infeasible}
    return min(usd, key=lambda name: usd[name]) if usd else ""


def _drawn(model: CostModel, name: str, items: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([float(curve(items)) for curve in model.drawn_curves[name]])


def _interval(model: CostModel, option: Option, items: float) -> Interval:
    value = float(model.curve(option)(items))
    drawn = _drawn(model, option.name, items)
    if not len(drawn):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return Interval(value, float(low), float(high))
