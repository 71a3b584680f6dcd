"""Where another placement becomes the cheaper one: over load, duration, memory, prices, and the speed of AWS."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from harness.advice.exclusions import exclusions
from harness.advice.limits import Limit, limit
from harness.advice.ranking import Field, Ranked, cheapest
from harness.advice.standing import verdicts
from harness.analysis import units
from harness.cost.breakeven import (
    FEWEST,
    LEAST_MB,
    LONGEST,
    MOST,
    MOST_MB,
    SHORTEST,
    bounds,
    memory_curve,
)
from harness.cost.curve import Curve, crossings
from harness.cost.model import CostModel

SLOWER = {"twice": 0.5, "half": 2.0}
HALVINGS = 7
BEYOND = 1.02
# Ranges that are told one by one where costs cross often.
TOLD = 3
SURE = 0.95
NAN = float("nan")

Curves = Mapping[str, Curve]
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Flip:
    """`to` takes the best one's place at `at` (with bounds where blocks give any): in items a month, times the duration
    or the price of now, MB, or local seconds of one AWS second.

    Where costs cross often it does so off and on, and for good from `stays` on: NaN if it does not stay to the end of
    what is looked at. With `limit` the best cannot go on at `at`; then `to` is empty where nothing else is left.
    """

    over: str
    at: float
    stays: float
    low: float
    high: float
    to: str
    text: str
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Over `over` the advice does not change within the range that the text names."""

    over: str
    text: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """What is asked along, from where to where, what holds now, and how it is told."""

    over: str
    low: float
    high: float
    now: float
    number: Callable[[float], str]
    lead: str
    fewer: str
    trail: Callable[[float], str]
    holds: str


def flips(
    model: CostModel, ranked: Collection[Ranked], table: pd.DataFrame, items: float
) -> tuple[list[Flip], list[Hold]]:
    """By load, duration, memory, price, speed and free tier; a hold for each of them along which nothing turns.

    `ranked` are of one standing, cheapest first, `table` has the verdicts. Nothing without a second.
    """
    if len(ranked) < 2:
        return [], []
    names = [each.arm for each in ranked]
    found = [
        *_load(model, names, items),
        *_duration(model, names, table, items),
        *_memory(model, names, items),
        *_price(*list(ranked)[:2]),
        *_speed(model, names[0], items),
        *_free_tier(model, names, items),
    ]
    return [each for each in found if isinstance(each, Flip)], [
        each for each in found if isinstance(each, Hold)
    ]


def _load(model: CostModel, names: list[str], items: float) -> Iterator[Flip | Hold]:
    axis = _Axis(
        "load", FEWEST, MOST, items, units.count, "at", "fewer", lambda at: " items a month",
        f"from 1 to 10 billion items a month {names[0]} stays the cheapest",
    )  # fmt: skip
    curves = {name: model.curve(model.option(name)) for name in names}
    yield from _along(axis, names[0], curves, model.drawn_curves, {})


def _duration(model: CostModel, names: list[str], table: pd.DataFrame, items: float) -> Iterator[Flip | Hold]:
    item_s = model.option(names[0]).figures.item_s
    axis = _Axis(
        "duration", SHORTEST, LONGEST, 1.0, _times, "if an item took", "less",
        lambda at: f" times as long as here ({units.duration(at * item_s)} at the mean),",
        f"for items a thousand times as short or long {names[0]} stays the cheapest",
    )  # fmt: skip
    curves = {name: model.duration_curve(model.option(name), items) for name in names}
    limits = {name: limit(model, model.option(name), table) for name in names}
    found = {name: each for name, each in limits.items() if each is not None}
    demanded = not table.empty
    for each in _along(axis, names[0], curves, model.drawn_duration_curves(items), found):
        # Along the curves tasks are as busy as now, which an objective may forbid where items take longer.
        if isinstance(each, Hold) or each.limit or not demanded or _confirmed(model, items, each):
            yield each


def _memory(model: CostModel, names: list[str], items: float) -> Iterator[Flip | Hold]:
    best = model.option(names[0]).arm
    axis = _Axis(
        "memory", LEAST_MB, MOST_MB, best.memory_mb, "{:,.0f}".format, "if an item needed", "less",
        lambda at: " MB and took as long,",
        f"from 128 to 10,240 MB, if it takes as long, {best.name} stays the cheapest",
    )  # fmt: skip
    curves = {name: memory_curve(model, model.option(name), items) for name in names}
    most = Limit(MOST_MB, f"a function has {MOST_MB:,.0f} MB at the most")
    yield from _along(axis, best.name, curves, {}, {best.name: most} if best.kind == "function" else {})


def _along(
    axis: _Axis, best: str, curves: Curves, drawn: Mapping[str, list[Curve]], limits: Mapping[str, Limit]
) -> Iterator[Flip | Hold]:
    """On either side of now the placement that is the first to be cheaper, with all ranges in which it is; and a limit
    of the best one.
    """
    own = limits.get(best)
    high = min(axis.high, own.at) if own else axis.high
    told = 0
    for above in (False, True):
        sides = {
            name: _away(axis, above, _cheaper(curves[best], curve, axis.low, min(high, _most(limits, name))))
            for name, curve in curves.items()
            if name != best
        }
        sides = {name: spans for name, spans in sides.items() if spans}
        if not sides:
            continue
        to = min(sides, key=lambda name: abs(math.log(sides[name][0][0] / axis.now)))
        spans = sides[to]
        at = spans[0][0]
        span = _span_of_draws(axis, best, to, drawn, at, above)
        ends = {axis.low, high, _most(limits, to)}
        told += 1
        text = f"{_where(axis, above, spans, ends, span)} {to} is cheaper than {best}"
        stays = spans[-1][0] if spans[-1][1] in ends else NAN
        yield Flip(axis.over, at, stays, *span, to, text)
    if own and own.at <= axis.high:
        yield _limited(axis, best, own, curves, limits)
    elif not told:
        yield Hold(axis.over, axis.holds)


def _span_of_draws(
    axis: _Axis, best: str, to: str, drawn: Mapping[str, list[Curve]], at: float, above: bool
) -> Span:
    """Where 95 % of the draws have this change; NaN if a twentieth has none."""
    if not drawn:
        return NAN, NAN
    draws = [
        crossings(one, two, axis.low, axis.high) for one, two in zip(drawn[best], drawn[to], strict=True)
    ]
    low, high, share = bounds(draws, at, first_is_lower_after=not above)
    return (low, high) if share >= SURE else (NAN, NAN)


def _limited(axis: _Axis, best: str, own: Limit, curves: Curves, limits: Mapping[str, Limit]) -> Flip:
    left = [name for name in curves if name != best and _most(limits, name) > own.at]
    to = min(left, key=lambda name: float(curves[name].after(own.at)), default="")
    then = f"then {to} is the cheapest" if to else "then nothing else of this run is left"
    where = f"{axis.lead} more than {axis.number(own.at)}{axis.trail(own.at)}"
    return Flip(
        axis.over, own.at, own.at, NAN, NAN, to, f"{where} {best} is ruled out: {own.why}; {then}", True
    )


def _most(limits: Mapping[str, Limit], name: str) -> float:
    return limits[name].at if name in limits else math.inf


def _cheaper(best: Curve, other: Curve, low: float, high: float) -> list[Span]:
    """Where the other costs less: ranges from left to right."""
    found, begun = [], low
    for each in crossings(best, other, low, high):
        if each.first_is_lower_after:
            found.append((begun, each.at))
        else:
            begun = each.at
    is_open = bool(float(other(high)) < float(best(high)))
    return [*found, (begun, high)] if is_open else found


def _away(axis: _Axis, above: bool, spans: list[Span]) -> list[Span]:
    """Those on one side of now, from the nearest on, each from its nearer end to its farther one."""
    if above:
        return [span for span in spans if span[0] >= axis.now]
    return [(end, start) for start, end in reversed(spans) if end <= axis.now]


def _where(axis: _Axis, above: bool, spans: list[Span], ends: set[float], span: Span) -> str:
    """At more than 3 (2 to 4) items a month; at 3 to 4, 6 to 7 or more than 20; at 3 to 19 off and on (7 ranges)."""
    more = "more" if above else axis.fewer
    told = []
    for at, until in spans:
        near = axis.number(at) + (_told_span(span, axis.number) if at == spans[0][0] else "")
        closed = f"{near} to {axis.number(until)}" if above else f"{axis.number(until)} to {near}"
        told.append(f"{more} than {near}" if until in ends else closed)
    if len(told) > TOLD:
        ranges = [span for span in spans if span[1] not in ends]
        low, high = sorted([spans[0][0], ranges[-1][1]])
        told[: len(ranges)] = [f"{axis.number(low)} to {axis.number(high)} off and on ({len(ranges)} ranges)"]
    return f"{axis.lead} {', '.join(told[:-1])}{' or ' * (len(told) > 1)}{told[-1]}{axis.trail(spans[0][0])}"


def _times(at: float) -> str:
    """Three digits, and as many as it takes to tell it from 1."""
    found = (f"{at:.{count}g}" for count in range(3, 9))
    return next((text for text in found if text != "1"), "1")


def _price(best: Ranked, second: Ranked) -> Iterator[Flip]:
    """What is common to both does not count: its price changes for both."""
    if best.own_usd > 0:
        at = (second.usd - best.common_usd) / best.own_usd
        times = f"{units.digits(at)} times those of now"
        less = units.percent((best.usd - second.common_usd) / second.own_usd)
        text = (
            f"if the prices of {best.arm} alone rose to {times}, or those of {second.arm} fell to {less} of now, "
            f"{second.arm} is cheaper"
        )
        yield Flip("price", at, at, NAN, NAN, second.arm, text)


def _speed(model: CostModel, best: str, items: float) -> Iterator[Flip | Hold]:
    """At half and at twice the speed: who is advised then, and from where on; else what it costs."""
    holds = []
    for word, factor in SLOWER.items():
        there = _advised(model, items, factor)
        if there == best:
            usd = float(model.curve(model.slower(model.option(best), factor))(items))
            holds.append(f"{word} as fast it costs {units.money(usd)} a month")
            continue
        same, other, to = 1.0, factor, there
        for _ in range(HALVINGS):
            middle = math.sqrt(same * other)
            if (found := _advised(model, items, middle)) == best:
                same = middle
            else:
                other, to = middle, found
        speed = model.terms.speed_factor * other
        then = "slower" if factor > 1 else "faster"
        text = (
            f"the advice turns to {to or 'none of them'} at speed factor {_times(speed)} (AWS "
            f"{_times(max(other, 1 / other))} times {then} than taken here), and with AWS {word} as fast it is "
            f"{there or 'none of them'}"
        )
        yield Flip("speed", speed, NAN, NAN, NAN, to, text)
    if holds:
        yield Hold("speed", f"{best} stays the advice if AWS is of another speed: {', '.join(holds)}")


def _confirmed(model: CostModel, items: float, flip: Flip) -> bool:
    """Whether a little beyond the place the other one is advised indeed."""
    return _advised(model, items, flip.at * (BEYOND if flip.at > 1 else 1 / BEYOND)) == flip.to


def _advised(model: CostModel, items: float, slower: float) -> str:
    """What is advised of an AWS that takes so many times as long; empty if nothing is."""
    table = verdicts(model, slower)
    field = Field.of(model, table, {each.arm for each in exclusions(model, table, slower)})
    return cheapest(model, field.ranked, items, slower)


def _free_tier(model: CostModel, names: list[str], items: float) -> Iterator[Flip]:
    to = cheapest(model.on(free_tier=not model.terms.free_tier), names, items)
    if to != names[0]:
        which = "without" if model.terms.free_tier else "with"
        yield Flip("free tier", NAN, NAN, NAN, NAN, to, f"{which} the free tier {to} is cheaper")


def _told_span(span: Span, number: Callable[[float], str]) -> str:
    low, high = (number(each) for each in span)
    return "" if math.isnan(span[0]) or low == high else f" ({low} to {high})"
