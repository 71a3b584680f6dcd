"""Items a second over the time of a phase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.analysis.cells import CELL, valid_items
from harness.runs import Run

COLUMNS = ["phase", "arm", "at_s", "items_per_s", "low", "high"]
# With fewer items a step its height would be that of one item over a short time, not a rate that was kept up.
ITEMS_PER_BIN = 3
LEAST_BINS, MOST_BINS = 4, 80
# Ends a curve when hardly any block still has items to finish: a last straggler would stretch the axis of all.
LAST = 0.999


def rates(run: Run, arms: list[str]) -> pd.DataFrame:
    """Items finished a second, COLUMNS, in even steps of `at_s` from when the first item of a cell was due.

    `items_per_s` is the median over the valid blocks, `low` and `high` hold 80 % of them.
    """
    items = valid_items(run)
    wanted = items["ok"].to_numpy() & items["arm"].isin(arms).to_numpy()
    good = items.loc[wanted, [*CELL, "due_ns", "done_ns"]]
    first_ns = good.groupby(CELL, observed=True, sort=False)["due_ns"].transform("min")
    good = good.assign(at_s=(good["done_ns"] - first_ns) / 1e9)
    frames = [
        _phase(str(phase), own, arms) for phase, own in good.groupby("phase", observed=True, sort=False)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def _phase(phase: str, own: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    cells = own.groupby(["arm", "block"], observed=True, sort=False).ngroups
    count = int(np.clip(len(own) / cells / ITEMS_PER_BIN, LEAST_BINS, MOST_BINS))
    end_s = float(own.groupby("arm", observed=True)["at_s"].quantile(LAST).max())
    width_s = max(end_s, 1e-3) / count
    frames = []
    for arm in arms:
        part = own[own["arm"] == arm]
        if part.empty:
            continue
        blocks, number = np.unique(part["block"].to_numpy(), return_inverse=True)
        step = np.minimum((part["at_s"].to_numpy() / width_s).astype(int), count)
        done = np.bincount(number * (count + 1) + step, minlength=blocks.size * (count + 1))
        per_s = done.reshape(blocks.size, count + 1)[:, :count] / width_s
        # A step at the end, so that the last one has its width in a picture.
        low, middle, high = (np.append(each, 0.0) for each in np.quantile(per_s, [0.1, 0.5, 0.9], axis=0))
        at_s = np.arange(count + 1) * width_s
        frames.append(
            pd.DataFrame(
                {"phase": phase, "arm": arm, "at_s": at_s, "items_per_s": middle, "low": low, "high": high}
            )
        )
    return pd.concat(frames, ignore_index=True)
