"""What compute environments launched, from events: the instance-seconds that EC2 would bill, idle ones included."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from harness.rows import NO_BLOCK
from harness.runs import Run

COLUMNS = [
    "block", "arm", "instance", "type", "compute", "vcpu", "memory_mb", "launched_ns", "ready_ns", "ended_ns",
    "assumed_launch_s", "up_s", "busy_vcpu_s", "idle_share",
]  # fmt: skip
KINDS = ("instance_launching", "instance_ready", "instance_ended")


def instances(run: Run) -> pd.DataFrame:
    """One row for each instance: COLUMNS. Times are UTC ns, NaN where it did not come so far.

    `up_s` is from ready to ended, `busy_vcpu_s` what its jobs held of its vCPUs in that time, `idle_share` the rest of
    them. The launch delay is assumed; all else was measured.
    """
    found = run.events[run.events["kind"].isin(KINDS) & (run.events["block"] > NO_BLOCK)]
    if found.empty:
        return pd.DataFrame(columns=COLUMNS)
    details = pd.DataFrame([json.loads(text) for text in found["detail"].astype(str)], index=found.index)
    table = found[["block", "arm", "kind", "at_ns"]].astype({"arm": str, "kind": str}).join(details)
    keys = ["block", "arm", "instance"]
    times = table.pivot_table(index=keys, columns="kind", values="at_ns", aggfunc="first")
    times = times.reindex(columns=list(KINDS)).set_axis(["launched_ns", "ready_ns", "ended_ns"], axis=1)
    about = table.groupby(keys)[["type", "compute", "vcpu", "memory_mb", "assumed_launch_s"]].first()
    result = about.join(times).reset_index()
    result["up_s"] = (result["ended_ns"] - result["ready_ns"]) / 1e9
    result["busy_vcpu_s"] = _busy_vcpu_s(run, result)
    result["idle_share"] = 1 - result["busy_vcpu_s"] / (result["up_s"] * result["vcpu"])
    return result[COLUMNS]


def _busy_vcpu_s(run: Run, table: pd.DataFrame) -> pd.Series:
    """Of each instance: how long its jobs were starting or running, times their vCPUs."""
    placed = run.events[run.events["kind"] == "job_placed"]
    if placed.empty:
        return pd.Series(np.zeros(len(table)), index=table.index)
    jobs = pd.DataFrame([json.loads(text) for text in placed["detail"].astype(str)], index=placed.index)
    jobs = placed[["block", "arm", "duration_s"]].astype({"arm": str}).join(jobs)
    held = (
        (jobs["duration_s"].astype("float64") * jobs["vcpu"])
        .groupby([jobs["block"], jobs["arm"], jobs["instance"]])
        .sum()
    )
    keys = pd.MultiIndex.from_frame(table[["block", "arm", "instance"]])
    return pd.Series(held.reindex(keys).fillna(0.0).to_numpy(), index=table.index)
