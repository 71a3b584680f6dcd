"""Where the cheaper of two placements changes: by load, by how long an item takes, and by memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.cost.arms import Arm
from harness.cost.curve import Crossing, Curve, crossings, levels, total
from harness.cost.figures import Figures
from harness.cost.machines import fargate_parts
from harness.cost.model import CostModel, Option
from harness.cost.quantity import Proportional
from harness.cost.service import steps
from harness.cost.terms import MONTH_H, MONTH_S
from harness.sizes import FARGATE

FEWEST, MOST = 1.0, 1e10
SHORTEST, LONGEST = 0.001, 1000.0
LEAST_MB, MOST_MB = 128.0, 10_240.0
COLUMNS = [
    "first", "second", "axis", "number", "crossings", "at", "low", "high", "share", "usd", "equal", "below", "above",
    "items", "utilisation",
]  # fmt: skip
# Of a pair whose steps cross more often these many first changes are told, and the last.
FIRST_FEW = 7
PLOT_POINTS = 161
PLOT_COLUMNS = ["arm", "at", "usd", "low", "high"]
TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Axis:
    """What a month's cost is looked at over, from `low` to `high`.

    `curve` gives US dollars a month over it as measured, `drawn` of each option the curves of all draws of the blocks;
    both at a stated load, unless the axis is the load itself. Beyond its `limit` an option cannot do the work.
    """

    name: str
    low: float
    high: float
    curve: Callable[[CostModel, Option, float], Curve]
    drawn: Callable[[CostModel, float], dict[str, list[Curve]]]
    limit: Callable[[CostModel, Option], float] = lambda _model, _option: np.inf

    def end(self, model: CostModel, *options: Option) -> float:
        """How far all of these can go."""
        return min(self.high, *(self.limit(model, each) for each in options))


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A point at which the cheaper of two changes, the `number`th `of` so many of theirs."""

    first: Option
    second: Option
    number: int
    of: int
    crossing: Crossing

    @property
    def below(self) -> str:
        """Who is cheaper just below it."""
        return (self.second if self.crossing.first_is_lower_after else self.first).name

    @property
    def above(self) -> str:
        """Who is cheaper just above it."""
        return (self.first if self.crossing.first_is_lower_after else self.second).name


def break_even(model: CostModel, items: float) -> pd.DataFrame:
    """One row for each point at which the cheaper one of a pair of options changes: COLUMNS.

    Of `crossings` such points of a pair on an axis this is the `number`th, from 1. Steps make several where costs are
    close: of many there are the FIRST_FEW and the last. `below` and `above` are who is cheaper just below `at` and just
    above. Of each draw of the blocks the nearest crossing in the same direction counts: `low` and `high` hold 95 % of
    these, `share` is how many draws have one. `equal`: both cost the same at `at`, to the cent; else one steps over
    the other there. Duration is a multiple of the run's and memory is in MB, both at `items` a month. `utilisation` is
    how busy the tasks of the pair's service are at `at` (load only).
    """
    rows = [row for axis in AXES for row in _rows(model, axis, items)]
    return pd.DataFrame(rows, columns=COLUMNS)


def changes(model: CostModel, options: list[Option], curves: Mapping[str, Curve], axis: Axis) -> list[Change]:
    """Where the cheaper one of each pair changes, by their curves over an axis: the first few, and the last."""
    found = []
    for first, second in combinations(options, 2):
        end = axis.end(model, first, second)
        every = crossings(curves[first.name], curves[second.name], axis.low, end)
        numbered = list(enumerate(every, 1))
        told = numbered if len(numbered) <= FIRST_FEW + 1 else [*numbered[:FIRST_FEW], numbered[-1]]
        found += [Change(first, second, number, len(every), each) for number, each in told]
    return found


def plot_data(
    model: CostModel, axis: Axis, items: float, span: tuple[float, float] | None = None
) -> pd.DataFrame:
    """PLOT_COLUMNS: each option's cost over an axis (or the `span` of it), both for logarithms, with 95 % bounds.

    As far as the option can go.
    """
    low, high = span or (axis.low, axis.high)
    frames = []
    drawn = axis.drawn(model, items)
    for option in model.options:
        curve = axis.curve(model, option, items)
        at = np.geomspace(low, min(high, axis.end(model, option)), PLOT_POINTS)
        if axis is MEMORY:
            # There are few steps, and each is a size of a task: they stand where they are, upright.
            steps = curve.starts[(curve.starts > low) & (curve.starts < high)]
            at = np.unique(np.concatenate([at, steps, np.nextafter(steps, np.inf)]))
        usd = curve(at)
        every = np.array([each(at) for each in drawn[option.name]])
        bounds = np.quantile(every, [TAIL, 1 - TAIL], axis=0) if len(every) else (usd, usd)
        frames.append(
            pd.DataFrame({"arm": option.name, "at": at, "usd": usd, "low": bounds[0], "high": bounds[1]})
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=PLOT_COLUMNS)


def memory_curve(model: CostModel, option: Option, items: float, figures: Figures | None = None) -> Curve:
    """US dollars a month over the memory that an item needs, in MB, with times as measured.

    A function's GB-seconds grow with it; Fargate's tasks and jobs grow by its sizes, of the same vCPU where there is
    one; what has a fixed size stays as it is.
    """
    arm, demands = option.arm, model.demands(option, figures)
    if arm.kind == "function":
        return total([
            replace(each, quantity=_by_memory(each.quantity, items, arm.memory_mb)).over_items(model.terms)
            if each.part in {"duration", "provisioned concurrency"}
            else levels([0.0], [each.usd(model.terms, each.units(items))])
            for each in demands
        ])  # fmt: skip
    if not arm.compute.startswith("FARGATE"):
        return levels([0.0], [sum(float(each.usd(model.terms, each.units(items))) for each in demands)])
    sizes = sorted(
        {size.memory_mb for size in FARGATE if size.vcpu >= arm.vcpu - 0.01 and size.memory_mb <= MOST_MB}
    )
    larger = _times_as_large(arm, sizes)
    bills = sum(each.usd(model.terms, each.units(items) * larger.get(each.key, 1.0)) for each in demands)
    return levels([0.0, *sizes[:-1]], np.broadcast_to(bills, len(sizes)))


def _times_as_large(arm: Arm, memory_mb: list[int]) -> dict[str, NDArray[np.float64]]:
    """By the key of a price, how much more of it a task of each of these sizes takes than one of the arm's own."""
    settings = {key: value for key, value in arm.settings.items() if key != "task_memory_mb"}
    now = {key: per_hour for _, key, per_hour in fargate_parts(arm)}
    then = [fargate_parts(replace(arm, memory_mb=float(each), settings=settings)) for each in memory_mb]
    return {
        key: np.array([next(each for _, other, each in parts if other == key) for parts in then]) / per_hour
        for key, per_hour in now.items()
    }


def _by_memory(quantity: object, items: float, memory_mb: float) -> Proportional:
    assert isinstance(quantity, Proportional)
    return Proportional(each=(quantity.fixed + items * (quantity.each + quantity.each_timed)) / memory_mb)


def _rows(model: CostModel, axis: Axis, items: float) -> Iterator[tuple[object, ...]]:
    curves = {each.name: axis.curve(model, each, items) for each in model.options}
    every = changes(model, model.options, curves, axis)
    drawn = axis.drawn(model, items) if every else {}
    for pair, found in groupby(every, key=lambda each: (each.first, each.second)):
        both = zip(*(drawn[each.name] for each in pair), strict=True)
        end = axis.end(model, *pair)
        draws = [crossings(one, two, axis.low, end) for one, two in both]
        for each in found:
            place = each.crossing
            yield (
                pair[0].name, pair[1].name, axis.name, each.number, each.of, place.at,
                *bounds(draws, place.at, first_is_lower_after=place.first_is_lower_after),
                place.usd, place.equal, each.below, each.above, np.nan if axis is LOAD else items,
                utilisation_at(model, *pair, place.at) if axis is LOAD else np.nan,
            )  # fmt: skip


def bounds(
    draws: list[list[Crossing]], near: float, *, first_is_lower_after: bool
) -> tuple[float, float, float]:
    """Low and high of the draws' crossings in this direction that are nearest, and the share of draws that have one."""
    hits = []
    for drawn in draws:
        same = [each.at for each in drawn if each.first_is_lower_after == first_is_lower_after]
        if same:
            hits.append(min(same, key=lambda at: abs(np.log(at / near))))
    if not hits:
        return np.nan, np.nan, 0.0 if draws else np.nan
    low, high = np.quantile(hits, [TAIL, 1 - TAIL])
    return float(low), float(high), len(hits) / len(draws)


def utilisation_at(model: CostModel, first: Option, second: Option, items: float) -> float:
    """The share of what the tasks of a service could do, of the one service of the two; NaN where there is none."""
    services = [each for each in (first, second) if each.arm.kind == "service"]
    if len(services) != 1 or services[0].utilisation is None:
        return float("nan")
    (option,) = services
    usable_per_s = option.figures.rate_per_s * services[0].utilisation.share
    tasks = steps(option.arm, 1 / MONTH_H, usable_per_s, 1, model.terms.shape).over_items()
    return items / (float(tasks(items)) * option.figures.rate_per_s * MONTH_S)


def _drawn_memory_curves(model: CostModel, items: float) -> dict[str, list[Curve]]:
    return {
        option.name: [memory_curve(model, option, items, each[option.name]) for each in model.drawn]
        for option in model.options
    }


LOAD = Axis(
    "items a month", FEWEST, MOST,
    lambda model, option, _: model.curve(option), lambda model, _: model.drawn_curves,
)  # fmt: skip
DURATION = Axis(
    "duration", SHORTEST, LONGEST,
    lambda model, option, items: model.duration_curve(option, items),
    lambda model, items: model.drawn_duration_curves(items),
    lambda model, option: model.most_times(option),
)  # fmt: skip
MEMORY = Axis("memory_mb", LEAST_MB, MOST_MB, memory_curve, _drawn_memory_curves)
AXES = (LOAD, DURATION, MEMORY)
