"""How much longer an item may take before a placement cannot do it, or surely misses an objective."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from harness.analysis import units
from harness.analysis.records import records
from harness.cost.function import cap_s
from harness.cost.model import CostModel, Option
from harness.objectives import objectives_of


@dataclass(frozen=True, slots=True)
class Limit:
    """`at` times as long as here is the most; `why` goes on "beyond that ..."."""

    at: float
    why: str


def limit(model: CostModel, option: Option, table: pd.DataFrame) -> Limit | None:
    """The one that comes first; `table` has the verdicts."""
    return min(_limits(model, option, table), key=lambda each: each.at, default=None)


def _limits(model: CostModel, option: Option, table: pd.DataFrame) -> Iterator[Limit]:
    arm, speed_factor = option.arm, model.terms.speed_factor
    if arm.kind == "function":
        most = units.duration(cap_s(arm))
        why = f"its longest item takes more than {most}, the most that a function may run"
        yield Limit(model.most_times(option), why)
    known = {each.expect: each for each in objectives_of(model.run.manifest)}
    for row in records(table[table["arm"] == arm.name]):
        figure, operator, bound = known[row.objective].parts
        if figure.startswith("latency_") and operator in {"<", "<="} and row.low > 0:
            yield Limit(bound / row.low, f"it surely misses {row.objective} in phase {row.phase}")
            if option.task is not None and (quantile := known[row.objective].quantile) is not None:
                idle_s = option.task.quantile_s(quantile, 0.0) * speed_factor
                yield Limit(bound / idle_s, f"even an idle task misses {row.objective}")
