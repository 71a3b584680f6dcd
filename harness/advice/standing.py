"""How placements stand to the objectives at the speed that AWS is taken to have.

Times were measured here. An objective is about AWS: latencies and CPU seconds count times the speed factor, and what
has no such rule (throughput, and cost on other terms than the scenario's) is left open at any speed but the measured
one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.cells import valid_items
from harness.analysis.records import records
from harness.cost.model import CostModel, cost_model
from harness.judgement import judge, overall
from harness.objectives import Objective, objectives_of

Standing = Literal["met", "undecided", "missed", "none"]
OTHER_SPEED = "it was judged at another speed than is taken here"
# Per block a sum and how many it is the sum of; their ratio is the figure.
Sums = tuple["pd.Series[Any]", "pd.Series[Any]"]


def verdicts(model: CostModel, slower: float = 1.0) -> pd.DataFrame:
    """As `judge` has them, where AWS takes `slower` times as long as the model's terms say."""
    speed_factor = model.terms.speed_factor * slower
    wanted = objectives_of(model.run.manifest)
    here = {at_speed(each, speed_factor).expect: each for each in wanted}
    table = judge(model.run, [at_speed(each, speed_factor) for each in wanted])
    timed = np.array([_timed(here[expect]) for expect in table["objective"]], dtype=bool)
    table.loc[timed, ["value", "low", "high"]] *= speed_factor
    open_ = np.array(
        [_unknown(model, here[expect], speed_factor) for expect in table["objective"]], dtype=bool
    )
    table.loc[open_, ["verdict", "reason"]] = ["undecided", OTHER_SPEED]
    return table.assign(objective=[here[expect].expect for expect in table["objective"]])


def standing(table: pd.DataFrame, arm: str) -> Standing:
    """The worst of an arm's verdicts."""
    return overall(table[table["arm"] == arm])


def at_speed(objective: Objective, speed_factor: float) -> Objective:
    """What has to hold of this machine's seconds for the objective to hold of AWS's."""
    if speed_factor == 1 or not _timed(objective):
        return objective
    figure, operator, bound = objective.parts
    expect = f"{figure} {operator} {bound / speed_factor!r}"
    return Objective(expect=expect, placement=objective.placement, phase=objective.phase)


def passes(model: CostModel, table: pd.DataFrame, arm: str) -> NDArray[np.bool_]:
    """Whether the arm meets its objectives in each of the model's draws over blocks."""
    numbers, weights = model.weights
    found = np.ones(len(weights), dtype=bool)
    known = {
        each.expect: at_speed(each, model.terms.speed_factor) for each in objectives_of(model.run.manifest)
    }
    items = valid_items(model.run)
    items = items[(items["arm"] == arm).to_numpy()]
    for row in records(table[table["arm"] == arm]):
        objective = known[row.objective]
        own = items[(items["phase"] == row.phase).to_numpy()]
        sums = _sums(objective, own)
        if sums is None:
            # It has no figure for blocks drawn anew: what was found of all of them stands.
            found &= row.verdict == "met"
            continue
        above, below = (
            weights @ each.reindex(numbers, fill_value=0).to_numpy(dtype=np.float64) for each in sums
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            found &= _holds(objective)(above / below)
    return found


def _sums(objective: Objective, items: pd.DataFrame) -> Sums | None:
    figure, operator, bound = objective.parts
    good = items[items["ok"].to_numpy(dtype=bool)]
    if objective.quantile is not None:
        within = good["latency_s"] < bound if operator in {"<", ">="} else good["latency_s"] <= bound
        return within.groupby(good["block"]).sum(), good.groupby("block").size()
    if figure == "error_rate":
        return (~items["ok"].astype(bool)).groupby(items["block"]).sum(), items.groupby("block").size()
    columns = {"latency_mean_s": "latency_s", "cold_fraction": "cold"}
    if figure not in columns:
        return None
    return good.groupby("block")[columns[figure]].sum(), good.groupby("block").size()


def _holds(objective: Objective) -> Callable[[NDArray[np.float64]], NDArray[np.bool_]]:
    """Of the ratios of `_sums`. A quantile lies below a bound where at least so many of the items do."""
    quantile, (_, operator, bound) = objective.quantile, objective.parts
    if quantile is not None:
        return (
            (lambda share: share >= quantile) if operator in {"<", "<="} else (lambda share: share < quantile)
        )
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[operator]
    return lambda value: np.asarray(compare(value, bound))


def _timed(objective: Objective) -> bool:
    return objective.parts[0].startswith("latency_") or objective.parts[0] == "cpu_s_per_item"


def _unknown(model: CostModel, objective: Objective, speed_factor: float) -> bool:
    if objective.parts[0] == "throughput_items_per_s":
        return speed_factor != 1
    return (
        objective.parts[0] == "cost_usd_per_million"
        and speed_factor != cost_model(model.run).terms.speed_factor
    )
