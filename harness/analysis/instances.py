"""What compute environments launched, from events: the instance-seconds that EC2 would bill, idle ones included."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from harness.analysis.cells import valid_items
from harness.rows import NO_BLOCK
from harness.runs import Run

COLUMNS = [
    "block", "arm", "instance", "type", "compute", "vcpu", "memory_mb", "launched_ns", "ready_ns", "ended_ns",
    "assumed_launch_s", "up_s", "busy_vcpu_s", "idle_share",
]  # fmt: skip
KINDS = ("instance_launching", "instance_ready", "instance_ended")
# A job of batch, or a task of a service, has given back what it held of an instance.
PLACED = ("job_placed", "task_placed")


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


def assumed(run: Run) -> pd.DataFrame:
    """What assumed launch delays do to each arm and phase: their part of an item's wait, and the latency without them.

    Columns: arm, phase, items, assumed_mean_s, latency_p50_s, without_p50_s. Only arms with an assumed delay have rows.
    """
    columns = ["arm", "phase", "items", "assumed_mean_s", "latency_p50_s", "without_p50_s"]
    table = instances(run)
    placed = run.events[run.events["kind"].isin(PLACED)]
    if placed.empty or not (table["assumed_launch_s"] > 0).any():
        return pd.DataFrame(columns=columns)
    where = placed[["block", "arm", "container"]].astype({"arm": str, "container": str})
    where["instance"] = [json.loads(text)["instance"] for text in placed["detail"].astype(str)]
    where = where.merge(table[["block", "arm", "instance", "launched_ns", "ready_ns", "assumed_launch_s"]])
    rows = valid_items(run)[["block", "arm", "phase", "container", "sent_ns", "latency_s", "ok"]]
    rows = rows[rows["ok"]].astype({"arm": str, "phase": str, "container": str})
    rows = rows.merge(where, on=["block", "arm", "container"])
    # An item waits for the launch from when it was sent, or from when the launch began; a warm instance costs nothing.
    begun_ns = np.maximum(rows["launched_ns"], rows["sent_ns"])
    rows["assumed_s"] = ((rows["ready_ns"] - begun_ns) / 1e9).clip(lower=0.0)
    rows["without_s"] = rows["latency_s"] - rows["assumed_s"]
    affected = rows.groupby("arm")["assumed_launch_s"].transform("max") > 0
    grouped = rows[affected].groupby(["arm", "phase"])
    found = pd.DataFrame(
        {
            "items": grouped.size(),
            "assumed_mean_s": grouped["assumed_s"].mean(),
            "latency_p50_s": grouped["latency_s"].median().astype("float64"),
            "without_p50_s": grouped["without_s"].median(),
        }
    )
    return found.reset_index()[columns]


def _busy_vcpu_s(run: Run, table: pd.DataFrame) -> pd.Series:
    """Of each instance: how long its jobs were starting or running, times their vCPUs."""
    placed = run.events[run.events["kind"].isin(PLACED)]
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
