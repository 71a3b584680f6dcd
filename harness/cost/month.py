"""What a month would cost at stated loads, with the interval that the spread of the blocks implies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.cost.model import CostModel
from harness.cost.terms import MONTH_S, Shape
from harness.runs import Run

LOADS = (10_000.0, 1e6, 1e7, 1e8, 1e9)
COLUMNS = ["arm", "items", "free_tier", "speed_factor", "usd", "low", "high", "common_usd", "shape"]
BILL_COLUMNS = ["arm", "items", "part", "quantity", "unit", "usd", "common", "label", "formula"]
TAIL = 0.025


def month(model: CostModel, loads: Sequence[float] = LOADS) -> pd.DataFrame:
    """One row for each option and load: COLUMNS, in US dollars a month; `common_usd` is what all placements have in
    common.

    Bounds are those of 95 % of the bootstrap over blocks, NaN with fewer than two blocks.
    """
    rows = []
    for option in model.options:
        usd = model.curve(option)(loads)
        shared = sum(
            (each.over_items(model.terms)(loads) for each in model.demands(option) if each.common),
            np.zeros(len(loads)),
        )
        drawn = np.array([curve(loads) for curve in model.drawn_curves[option.name]])
        nothing = np.full(len(loads), np.nan)
        low, high = np.quantile(drawn, [TAIL, 1 - TAIL], axis=0) if len(drawn) else (nothing, nothing)
        rows += [
            (option.name, items, model.terms.free_tier, model.terms.speed_factor, usd[n], low[n], high[n], shared[n],
             str(model.terms.shape))
            for n, items in enumerate(loads)
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def month_bill(model: CostModel, items: float) -> pd.DataFrame:
    """The month of one load part by part, with the sums written out: BILL_COLUMNS."""
    rows = [
        (
            option.name, items, each.part, each.units(items), each.price(model.terms).unit,
            float(each.over_items(model.terms)(items)), each.common, each.label, each.formula(model.terms, items),
        )
        for option in model.options
        for each in model.demands(option)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=BILL_COLUMNS)


def load_of(run: Run, shape: Shape | None = None) -> tuple[float, str]:
    """Items a month at which the run's fastest paced phase would go on, and what that rests on; else a million.

    With a `shape` of a day other than an even one that rate is the mean.
    """
    rates = {
        each["name"]: arrivals["rate_per_s"]
        for each in (run.manifest.get("scenario") or {}).get("phases") or []
        if "rate_per_s" in (arrivals := each.get("arrivals") or {})
    }
    if not rates:
        return 1e6, "a million items a month, since no phase of the run has a rate"
    name = max(rates, key=lambda phase: rates[phase])
    kept = "kept up all month" if shape in {None, Shape()} else "as the mean of the month"
    return rates[name] * MONTH_S, f"{rates[name]:g} items/s, the rate of phase {name}, {kept}"
