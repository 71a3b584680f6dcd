"""What the harness itself adds: the cost of an attempt that does nothing, and how well its clocks agree."""

from __future__ import annotations

import pandas as pd

from harness.analysis.cells import arms
from harness.measure.offset import ClockOffset, bound
from harness.rows import OVERHEAD, Outcome
from harness.runs import Run

COLUMNS = ["arm", "start", "items", "overhead_p50_s", "overhead_p99_s"]


def overhead(run: Run) -> pd.DataFrame:
    """One row for each placement and kind of start that was calibrated: COLUMNS.

    The no-op workload ran in it; what is told is all the time of an attempt in which the workload did not run:
    sending, waiting, making containers where the start is cold, and the answer's way back.
    """
    rows = run.attempts[(run.attempts["phase"] == OVERHEAD) & (run.attempts["outcome"] == Outcome.OK)]
    added_s = rows["service_s"] - rows["handler_s"]
    found = []
    for arm in arms(run):
        for cold in (False, True):
            own = added_s[(rows["arm"] == arm) & (rows["cold"] == cold)]
            if len(own):
                start = "cold" if cold else "warm"
                found.append((arm, start, len(own), float(own.median()), float(own.quantile(0.99))))
    return pd.DataFrame(found, columns=COLUMNS)


def clock_offset(run: Run) -> ClockOffset | None:
    """Bounds of the containers' clock less ours, over every attempt whose end the harness was told; None without one.

    Where the run corrected for a clock of its own (`clock` in the manifest) this is what is left of it.
    """
    rows = run.attempts[(run.attempts["outcome"] == Outcome.OK) & (run.attempts["answer_s"] != 0)]
    ended_ns = rows["done_ns"] - (rows["answer_s"].astype("float64") * 1e9).round().astype("int64")
    return bound(
        rows["sent_ns"].to_numpy(),
        rows["started_ns"].to_numpy(),
        ended_ns.to_numpy(),
        rows["done_ns"].to_numpy(),
    )
