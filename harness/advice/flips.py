"""Where another placement becomes the cheaper one: over load, duration, memory, prices, and the speed of AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.advice.ranking import Ranked, cheapest
from harness.analysis import units
from harness.cost.breakeven import FEWEST, LEAST_MB, LONGEST, MOST, MOST_MB, SHORTEST, memory_curve
from harness.cost.curve import Curve, crossings
from harness.cost.model import CostModel

SPEEDS = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Flip:
    """`to` becomes cheaper than the best at `at` (with bounds where blocks give any): in items a month, times the
    duration or the price of now, MB, or local seconds of one AWS second.
    """

    over: str
    at: float
    low: float
    high: float
    to: str
    text: str


def flips(model: CostModel, ranked: list[Ranked], items: float) -> list[Flip]:
    """Those nearest to the present on either side, and each speed at which another wins; none without a second."""
    if len(ranked) < 2:
        return []
    return [
        *_load(model, ranked, items),
        *_duration(model, ranked, items),
        *_memory(model, ranked, items),
        *_price(ranked),
        *_speed(model, ranked, items),
    ]


def _load(model: CostModel, ranked: list[Ranked], items: float) -> Iterator[Flip]:
    best = ranked[0].arm
    curves = {each.arm: model.curve(model.option(each.arm)) for each in ranked}
    drawn = model.drawn_curves
    for above, at, to in _nearest(curves, best, items, FEWEST, MOST):
        pairs = list(zip(drawn[best], drawn[to], strict=True))
        low, high = _bounds(pairs, at, FEWEST, MOST)
        side = "more" if above else "fewer"
        text = f"at {side} than {at:,.0f}{_span(low, high, ',.0f')} items a month {to} is cheaper than {best}"
        yield Flip("load", at, low, high, to, text)


def _duration(model: CostModel, ranked: list[Ranked], items: float) -> Iterator[Flip]:
    best = ranked[0].arm
    curves = {each.arm: model.duration_curve(model.option(each.arm), items) for each in ranked}
    for above, at, to in _nearest(curves, best, 1.0, SHORTEST, LONGEST):
        drawn = model.drawn_duration_curves(items)
        low, high = _bounds(list(zip(drawn[best], drawn[to], strict=True)), at, SHORTEST, LONGEST)
        side = "longer" if above else "less"
        text = f"if an item took {at:.3g}{_span(low, high, '.3g')} times as long as here, or {side}, {to} is cheaper"
        yield Flip("duration", at, low, high, to, text)


def _memory(model: CostModel, ranked: list[Ranked], items: float) -> Iterator[Flip]:
    best = ranked[0].arm
    curves = {each.arm: memory_curve(model, model.option(each.arm), items) for each in ranked}
    now_mb = model.option(best).arm.memory_mb
    for above, at, to in _nearest(curves, best, now_mb, LEAST_MB, MOST_MB):
        side = "more" if above else "less"
        text = f"if an item needed {at:,.0f} MB or {side} and took as long, {to} is cheaper"
        yield Flip("memory", at, np.nan, np.nan, to, text)


def _price(ranked: list[Ranked]) -> Iterator[Flip]:
    """What is common to both does not count: its price changes for both."""
    best, second = ranked[:2]
    if best.own_usd > 0:
        at = (second.usd - best.common_usd) / best.own_usd
        times = f"{units.digits(at)} times those of now"
        less = units.percent((best.usd - second.common_usd) / second.own_usd)
        text = (
            f"if the prices of {best.arm} alone rose to {times}, or those of {second.arm} fell to {less} of now, "
            f"{second.arm} is cheaper"
        )
        yield Flip("price", at, np.nan, np.nan, second.arm, text)


def _speed(model: CostModel, ranked: list[Ranked], items: float) -> Iterator[Flip]:
    names = [each.arm for each in ranked]
    for factor in SPEEDS:
        to = cheapest(model, names, items, factor)
        if to != names[0]:
            speed = model.terms.speed_factor * factor
            what = "half" if factor > 1 else "twice"
            text = f"if AWS is {what} as fast as taken here (speed factor {speed:g}), {to} is cheaper"
            yield Flip("speed", speed, np.nan, np.nan, to, text)


def _nearest(
    curves: dict[str, Curve], best: str, now: float, low: float, high: float
) -> Iterator[tuple[bool, float, str]]:
    """The nearest point below and above `now` at which another is cheaper than the best: (above, at, which)."""
    below, above = [], []
    for name, curve in curves.items():
        if name == best:
            continue
        for each in crossings(curves[best], curve, low, high):
            if each.at < now and each.first_is_lower_after:
                below.append((each.at, name))
            elif each.at >= now and not each.first_is_lower_after:
                above.append((each.at, name))
    if below:
        yield (False, *max(below))
    if above:
        yield (True, *min(above))


def _bounds(pairs: list[tuple[Curve, Curve]], at: float, low: float, high: float) -> tuple[float, float]:
    """Where 95 % of the draws have their crossing that is nearest to `at`; NaN if a twentieth has none."""
    hits = []
    for first, second in pairs:
        found = crossings(first, second, low, high)
        if found:
            hits.append(min((each.at for each in found), key=lambda place: abs(np.log(place / at))))
    if len(hits) < 0.95 * len(pairs) or not hits:
        return np.nan, np.nan
    bounds = np.quantile(hits, [0.025, 0.975])
    return float(bounds[0]), float(bounds[1])


def _span(low: float, high: float, how: str) -> str:
    return "" if np.isnan(low) or f"{low:{how}}" == f"{high:{how}}" else f" ({low:{how}} to {high:{how}})"
