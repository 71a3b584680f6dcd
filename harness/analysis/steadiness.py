"""Whether an arm had come to a steady state: warm-up is looked for, marked and kept; where there is none, it is said.

Source: Barrett, Bolz-Tereick, Killick, Mount and Tratt, Virtual Machine Warmup Blows Hot and Cold (OOPSLA 2017).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.analysis.cells import arms, block_medians, phases, valid_items
from harness.analysis.once import once
from harness.runs import Run
from harness.statistics import course

COLUMNS = ["phase", "arm", "along", "points", "verdict", "steady_from"]


@once
def steadiness(run: Run) -> pd.DataFrame:
    """Two rows for each phase and arm: `along` items and along blocks; COLUMNS.

    Along items: how long the workload took on the first, second, ... warm item of a block, each relative to what the
    same item takes at the median, then the median over blocks. Along blocks: the block medians of latency in the
    order in which they ran, which shows a machine that drifts. `verdict`: flat, warm-up, slow-down, not steady, or
    too few; `steady_from` is the first position of the last steady stretch.
    """
    frame = valid_items(run)
    warm = frame[frame["ok"] & ~frame["cold"]]
    groups = warm.groupby(["phase", "arm"], observed=True).indices
    cells = block_medians(run)
    names = run.attempts["item"]
    rows = []
    for phase in phases(run):
        for arm in arms(run):
            part = warm.iloc[groups.get((phase, arm), [])]
            own = cells[(cells["phase"] == phase) & (cells["arm"] == arm) & cells["valid"]]
            along = {
                "items": _along_items(part, names.loc[part.index]),
                "blocks": own.sort_values("block")["latency_p50_s"].dropna().to_numpy(),
            }
            for name, series in along.items():
                found = course(series)
                rows.append((phase, arm, name, len(series), found.verdict, found.steady_from))
    return pd.DataFrame(rows, columns=COLUMNS)


def _along_items(part: pd.DataFrame, names: pd.Series) -> np.ndarray:
    """Relative handler time by position in the phase: items differ in size, and that is no course."""
    usual_s = part.groupby(names.to_numpy(), observed=True)["handler_s"].transform("median")
    relative = (part["handler_s"] / usual_s.where(usual_s > 0)).astype("float64")
    by_position = relative.groupby(part["sequence"]).median().dropna()
    return by_position[by_position > 0].sort_index().to_numpy()
