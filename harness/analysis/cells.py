"""Cells (one phase of one arm of one block): which are valid, and one figure of each kind for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.analysis import units
from harness.rows import Outcome
from harness.runs import Run

CELL = ["block", "arm", "phase"]
# A driver later than this share of what it measures, or than this time if that is longer, spoils the cell.
LATENESS_FRACTION = 0.05
LATENESS_S = 0.002
# What a cell is computed from. The rest of the columns, item names and errors above all, would only be copied about.
COLUMNS = [
    *CELL, "placement", "sequence", "attempt", "due_ns", "sent_ns", "done_ns", "latency_s", "cold", "queue_s",
    "create_s", "start_s", "init_s", "fetch_s", "work_s", "store_s", "other_s", "handler_s", "billed_s", "cpu_s",
    "memory_peak_bytes", "bytes_in", "bytes_out", "container", "outcome",
]  # fmt: skip


def arms(run: Run) -> dict[str, dict[str, Any]]:
    """The arms in the manifest's order; from the attempts where the manifest has none."""
    known: dict[str, dict[str, Any]] = dict(run.manifest.get("arms") or {})
    pairs = run.attempts[["arm", "placement"]].drop_duplicates().astype(str)
    for arm, placement in pairs.itertuples(index=False):
        known.setdefault(arm, {"placement": placement, "duplicate_of": None})
    return known


def phases(run: Run) -> list[str]:
    """The phases in the scenario's order, then any others in the order of the rows."""
    scenario = run.manifest.get("scenario") or {}
    named = [str(phase["name"]) for phase in scenario.get("phases", [])]
    return list(dict.fromkeys([*named, *run.attempts["phase"].unique()]))


def items(run: Run) -> pd.DataFrame:
    """The last attempt at each item outside warm-up blocks: one row an item, columns COLUMNS and `late_s`."""
    frame = run.attempts.loc[~run.attempts["warmup"].to_numpy(dtype=bool), COLUMNS]
    if len(frame) and frame["attempt"].max() > 1:
        frame = frame.sort_values("attempt", kind="stable").drop_duplicates([*CELL, "sequence"], keep="last")
    late_s = (frame["sent_ns"] - frame["due_ns"]) / 1e9
    return frame.assign(late_s=late_s, ok=frame["outcome"] == Outcome.OK)


def validity(run: Run) -> pd.DataFrame:
    """One row a cell: block, arm, phase, lateness_p99_s, limit_s, valid, reason (empty when valid).

    A cell is invalid when the harness itself handed its items over late: the 99th percentile of sent - due above
    2 ms or 5 % of the cell's median latency, whichever is more.
    """
    cells = items(run).groupby(CELL, observed=True, sort=True)
    table = cells["late_s"].quantile(0.99).rename("lateness_p99_s").to_frame()
    table["limit_s"] = np.maximum(LATENESS_S, LATENESS_FRACTION * cells["latency_s"].median())
    table["valid"] = table["lateness_p99_s"] <= table["limit_s"]
    table["reason"] = [
        ""
        if valid
        else f"the harness was late: p99 of sent - due {units.duration(late)}, limit {units.duration(limit)}"
        for late, limit, valid in table[["lateness_p99_s", "limit_s", "valid"]].itertuples(index=False)
    ]
    return table.reset_index().astype({"arm": str, "phase": str})


def valid_items(run: Run) -> pd.DataFrame:
    """`items` in valid cells."""
    frame = items(run)
    checked = validity(run)
    if checked["valid"].all():
        return frame
    keys = checked.loc[checked["valid"], CELL]
    index = pd.MultiIndex.from_frame(frame[CELL].astype({"arm": str, "phase": str}))
    return frame[index.isin(pd.MultiIndex.from_frame(keys))]


def block_medians(run: Run) -> pd.DataFrame:
    """One row a cell outside warm-up, the unit of every comparison; figures are of ok items.

    Columns: block, arm, phase, items, ok, cold_fraction, latency_p50_s, work_cpu_s_per_item,
    throughput_items_per_s (ok items over the time from the first one due to the last one done), valid.
    """
    frame = items(run)
    every = frame.groupby(CELL, observed=True)
    good = frame[frame["ok"]].groupby(CELL, observed=True)
    table = every.size().rename("items").to_frame()
    table["ok"] = every["ok"].sum()
    table["cold_fraction"] = good["cold"].mean()
    table["latency_p50_s"] = good["latency_s"].median()
    table["work_cpu_s_per_item"] = good["cpu_s"].mean()
    span_s = (good["done_ns"].max() - every["due_ns"].min()) / 1e9
    table["throughput_items_per_s"] = table["ok"] / span_s.where(span_s > 0)
    table = table.reset_index().astype({"arm": str, "phase": str})
    return table.merge(validity(run)[[*CELL, "valid"]], on=CELL, how="left")


def block_cpu(run: Run) -> pd.DataFrame:
    """One row for each block and arm outside warm-up: block, arm, cpu_s, items (ok), cpu_s_per_item.

    `cpu_s` is the CPU time of all the arm's containers, start-up and idling included, over all phases, since phases
    share containers. Counters are cumulative, so a container's total is the highest reading of it.
    """
    samples = run.samples.loc[run.samples["container"] != "host", ["block", "arm", "container", "cpu_s"]]
    totals = samples.groupby(["block", "arm", "container"], observed=True)["cpu_s"].max()
    per_arm = totals.groupby(["block", "arm"], observed=True).sum(min_count=1).rename("cpu_s")
    counts = items(run).groupby(["block", "arm"], observed=True)["ok"].sum().rename("items")
    table = counts.reset_index().astype({"arm": str})
    table = table.merge(per_arm.reset_index().astype({"arm": str}), on=["block", "arm"], how="left")
    table["cpu_s_per_item"] = table["cpu_s"] / table["items"].where(table["items"] > 0)
    return table
