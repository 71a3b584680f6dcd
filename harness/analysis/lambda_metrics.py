"""What CloudWatch would show of a function: its metrics over time, as one table.

Source: AWS Lambda Developer Guide, "Types of metrics for Lambda functions", read 2026-11-23. Throttled invocations
count in Throttles alone, not in Invocations and Errors.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run

PERIOD_S = 60.0
MS_PER_S = 1000.0
COLUMNS = [
    "arm", "start_utc", "Invocations", "Errors", "Throttles", "DurationAverage_ms", "DurationP50_ms", "DurationP99_ms",
    "DurationMaximum_ms", "InitDurationAverage_ms", "ConcurrentExecutions", "DeadLetters",
]  # fmt: skip


def lambda_metrics(run: Run, period_s: float = PERIOD_S) -> pd.DataFrame:
    """One row for each function and period of `period_s` in which something happened: COLUMNS.

    Each attempt counts in the period in which it ended; ConcurrentExecutions is the highest number at once.
    """
    rows = run.attempts
    rows = rows[(rows["placement"] == "function") & (rows["block"] > NO_BLOCK)]
    events = run.events[run.events["kind"].isin(["throttled", "dead_letter"])]
    period_ns = round(period_s * 1e9)
    tables = [
        _of_arm(str(arm), rows[rows["arm"] == arm], events[events["arm"] == arm], period_ns)
        for arm in rows["arm"].astype(str).unique()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _of_arm(arm: str, rows: pd.DataFrame, events: pd.DataFrame, period_ns: int) -> pd.DataFrame:
    ran = rows[rows["duration_s"].notna()]
    ran = ran.assign(failed=ran["outcome"] != Outcome.OK, init_s=ran["init_s"].where(ran["cold"]))
    by_period = ran.groupby(ran["done_ns"] // period_ns)
    duration_s = by_period["duration_s"]
    table = pd.DataFrame(
        {
            "Invocations": by_period.size(),
            "Errors": by_period["failed"].sum(),
            "DurationAverage_ms": duration_s.mean() * MS_PER_S,
            "DurationP50_ms": duration_s.quantile(0.5) * MS_PER_S,
            "DurationP99_ms": duration_s.quantile(0.99) * MS_PER_S,
            "DurationMaximum_ms": duration_s.max() * MS_PER_S,
            "InitDurationAverage_ms": by_period["init_s"].mean() * MS_PER_S,
            "ConcurrentExecutions": _most_at_once(ran, period_ns),
        }
    )
    for name, kind in (("Throttles", "throttled"), ("DeadLetters", "dead_letter")):
        found = events[events["kind"] == kind]
        table = table.join((found["at_ns"] // period_ns).value_counts().rename(name), how="outer")
    counts = ["Invocations", "Errors", "Throttles", "ConcurrentExecutions", "DeadLetters"]
    table[counts] = table[counts].fillna(0).astype("int64")
    table["start_utc"] = pd.to_datetime(table.index.to_numpy() * period_ns, utc=True)
    return table.assign(arm=arm)[COLUMNS].reset_index(drop=True)


def _most_at_once(rows: pd.DataFrame, period_ns: int) -> pd.Series:
    """Highest number of invocations under way, by period: those of earlier periods that still run count too."""
    ended = rows["done_ns"].to_numpy()
    begun = ended - np.rint(rows["duration_s"].to_numpy(dtype="float64") * 1e9).astype("int64")
    moments = np.concatenate([begun, ended])
    # At one moment whatever ends makes room before the next begins.
    order = np.lexsort((np.repeat([1, -1], len(rows)), moments))
    steps = np.repeat([1, -1], len(rows))[order]
    after = np.cumsum(steps)
    # What a period begins with is known from the first that changes in it.
    return pd.Series(np.maximum(after, after - steps)).groupby(moments[order] // period_ns).max()
