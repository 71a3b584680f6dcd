"""Where the cheaper of two placements changes: by load, by how long an item takes, and by memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from harness.cost.curve import Crossing, Curve, crossings, levels, total
from harness.cost.model import CostModel, Option
from harness.cost.quantity import Proportional
from harness.cost.service import steps
from harness.cost.terms import MONTH_H, MONTH_S
from harness.sizes import FARGATE

FEWEST, MOST = 1.0, 1e10
SHORTEST, LONGEST = 0.001, 1000.0
LEAST_MB, MOST_MB = 128.0, 10_240.0
COLUMNS = [
    "first", "second", "axis", "at", "low", "high", "share", "usd", "equal", "below", "above", "crossings", "items",
    "utilisation",
]  # fmt: skip
PLOT_POINTS = 161


@dataclass(frozen=True, slots=True)
class _Axis:
    name: str
    low: float
    high: float


LOAD = _Axis("items a month", FEWEST, MOST)
DURATION = _Axis("duration", SHORTEST, LONGEST)
MEMORY = _Axis("memory_mb", LEAST_MB, MOST_MB)


def break_even(model: CostModel, items: float) -> pd.DataFrame:
    """One row for each pair of options and axis on which the cheaper one changes: COLUMNS.

    `at` is the first crossing and `crossings` how many there are (steps make several where costs are close), `below`
    and `above` who is cheaper before the first and after the last. `low` and `high` hold 95 % of the first crossings
    over blocks drawn anew, `share` is how many of these draws cross at all. `equal`: both cost the same at `at`, to
    the cent; else one steps over the other there. Duration is a multiple of the run's and memory is in MB, both at
    `items` a month. `utilisation` is how busy the tasks of the pair's service are at `at` (load only).
    """
    rows = [
        row
        for axis in (LOAD, DURATION, MEMORY)
        for first, second in combinations(model.options, 2)
        for row in _row(model, axis, first, second, items)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def load_crossings(model: CostModel, first: Option, second: Option) -> list[Crossing]:
    """Every load from 1 to 10 billion items a month at which the cheaper of two changes."""
    return crossings(model.curve(first), model.curve(second), FEWEST, MOST)


def plot_data(model: CostModel) -> pd.DataFrame:
    """arm, items, usd, low, high: each option's cost over load, both axes for logarithms."""
    loads = np.geomspace(FEWEST, MOST, PLOT_POINTS)
    frames = []
    for option in model.options:
        drawn = np.array([curve(loads) for curve in model.drawn_curves[option.name]])
        usd = model.curve(option)(loads)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0) if len(drawn) else (usd, usd)
        frames.append(
            pd.DataFrame({"arm": option.name, "items": loads, "usd": usd, "low": low, "high": high})
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["arm", "items", "usd"])


def memory_curve(model: CostModel, option: Option, items: float) -> Curve:
    """US dollars a month over the memory that an item needs, in MB, with times as measured.

    A function's GB-seconds grow with it; Fargate's tasks and jobs grow by its sizes, of the same vCPU where there is
    one; what has a fixed size stays as it is.
    """
    arm = option.arm
    if arm.kind == "function":
        demands = [
            replace(each, quantity=_by_memory(each.quantity, items, arm.memory_mb))
            if each.part in {"duration", "provisioned concurrency"}
            else replace(each, quantity=Proportional(fixed=each.units(items)))
            for each in model.demands(option)
        ]
        return total([each.over_items(model.terms) for each in demands])
    if not arm.compute.startswith("FARGATE"):
        return levels([0.0], [float(model.curve(option)(items))])
    sizes = sorted(
        {size.memory_mb for size in FARGATE if size.vcpu >= arm.vcpu - 0.01 and size.memory_mb <= MOST_MB}
    )
    settings = {key: value for key, value in arm.settings.items() if key != "task_memory_mb"}
    bills = []
    for memory_mb in sizes:
        own = replace(arm, memory_mb=float(memory_mb), settings=settings)
        bills.append(
            sum(float(each.over_items(model.terms)(items)) for each in model.demands(option, arm=own))
        )
    return levels([0.0, *sizes[:-1]], bills)


def _by_memory(quantity: object, items: float, memory_mb: float) -> Proportional:
    assert isinstance(quantity, Proportional)
    return Proportional(each=(quantity.fixed + items * (quantity.each + quantity.each_timed)) / memory_mb)


def _row(
    model: CostModel, axis: _Axis, first: Option, second: Option, items: float
) -> Iterator[tuple[object, ...]]:
    found = _crossings(model, axis, first, second, items)
    if not found:
        return
    drawn = _drawn(model, axis, first, second, items)
    hits = [each[0].at for each in drawn if each]
    low, high = np.quantile(hits, [0.025, 0.975]) if hits else (np.nan, np.nan)
    names = (second.name, first.name)
    yield (
        first.name, second.name, axis.name, found[0].at, float(low), float(high),
        len(hits) / len(drawn) if drawn else np.nan, found[0].usd, found[0].equal,
        names[not found[0].first_is_lower_after], names[found[-1].first_is_lower_after], len(found),
        np.nan if axis is LOAD else items,
        utilisation_at(model, first, second, found[0].at) if axis is LOAD else np.nan,
    )  # fmt: skip


def utilisation_at(model: CostModel, first: Option, second: Option, items: float) -> float:
    """The share of what the tasks of a service could do, of the one service of the two; NaN where there is none."""
    services = [each for each in (first, second) if each.arm.kind == "service"]
    if len(services) != 1 or services[0].utilisation is None:
        return float("nan")
    (option,) = services
    usable_per_s = option.figures.rate_per_s * services[0].utilisation.share
    tasks = steps(option.arm, 1 / MONTH_H, usable_per_s, 1, model.terms.shape).over_items()
    return items / (float(tasks(items)) * option.figures.rate_per_s * MONTH_S)


def _crossings(model: CostModel, axis: _Axis, first: Option, second: Option, items: float) -> list[Crossing]:
    if axis is LOAD:
        return load_crossings(model, first, second)
    if axis is DURATION:
        pair = [model.duration_curve(each, items) for each in (first, second)]
    else:
        pair = [memory_curve(model, each, items) for each in (first, second)]
    return crossings(pair[0], pair[1], axis.low, axis.high)


def _drawn(
    model: CostModel, axis: _Axis, first: Option, second: Option, items: float
) -> list[list[Crossing]]:
    """The crossings of each draw; none over memory, where sizes decide more than the spread does."""
    if axis is MEMORY:
        return []
    drawn = model.drawn_curves if axis is LOAD else model.drawn_duration_curves(items)
    pairs = zip(drawn[first.name], drawn[second.name], strict=True)
    return [crossings(one, two, axis.low, axis.high) for one, two in pairs]
