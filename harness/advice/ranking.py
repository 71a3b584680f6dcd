"""The options in the order of their cost at one load, and how sure the first place is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.cost.model import CostModel, Option
from harness.statistics import Interval

TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Ranked:
    """An option at the load that was asked for, in US dollars a month; `common_usd` is what any placement needs."""

    arm: str
    placement: str
    told: str
    usd: float
    low: float
    high: float
    common_usd: float

    @property
    def own_usd(self) -> float:
        """Without what any placement needs."""
        return self.usd - self.common_usd


@dataclass(frozen=True, slots=True)
class Confidence:
    """In how many of the draws over blocks the first is cheapest; `share` is NaN with fewer than two blocks."""

    share: float
    draws: int
    blocks: int


def ranking(model: CostModel, names: list[str], items: float) -> list[Ranked]:
    """The named options, cheapest first."""
    found = []
    for option in model.options:
        if option.name in names:
            usd, own = _interval(model, option, items), option.arm
            common_usd = sum(
                float(each.over_items(model.terms)(items)) for each in model.demands(option) if each.common
            )
            found.append(Ranked(option.name, own.kind, own.told(), usd.value, usd.low, usd.high, common_usd))
    return sorted(found, key=lambda each: each.usd)


def confidence(model: CostModel, ranked: list[Ranked], items: float) -> Confidence:
    """How often the first of `ranked` is the cheapest of them. The same blocks are drawn for all."""
    blocks = max((option.sums.blocks.size for option in model.options), default=0)
    drawn = {each.arm: _drawn(model, each.arm, items) for each in ranked}
    count = len(model.drawn)
    if not count or not ranked:
        return Confidence(np.nan, 0, blocks)
    least = np.min(list(drawn.values()), axis=0)
    return Confidence(float(np.mean(drawn[ranked[0].arm] <= least)), count, blocks)


def cheapest(model: CostModel, names: list[str], items: float, slower: float = 1.0) -> str:
    """The cheapest of the named, where every second is `slower` times as long."""
    options = [model.slower(each, slower) for each in model.options if each.name in names]
    return min(options, key=lambda each: float(model.curve(each)(items))).name


def _drawn(model: CostModel, name: str, items: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([float(curve(items)) for curve in model.drawn_curves[name]])


def _interval(model: CostModel, option: Option, items: float) -> Interval:
    value = float(model.curve(option)(items))
    drawn = _drawn(model, option.name, items)
    if not len(drawn):
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return Interval(value, float(low), float(high))
