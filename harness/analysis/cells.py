"""Cells (one phase of one arm of one block): one figure of each kind for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.grouped import grouped
from harness.analysis.once import once
from harness.analysis.validity import validity_of
from harness.rows import NO_BLOCK, OVERHEAD, Outcome
from harness.runs import Run

CELL = ["block", "arm", "phase"]
# What a cell is computed from. The rest of the columns, item names and errors above all, would only be copied about.
COLUMNS = [
    *CELL, "placement", "sequence", "attempt", "due_ns", "sent_ns", "done_ns", "latency_s", "service_s", "cold",
    "queue_s", "pull_s", "create_s", "start_s", "init_s", "fetch_s", "work_s", "store_s", "answer_s", "other_s",
    "handler_s", "billed_s", "cpu_s", "container_cpu_s", "memory_peak_bytes", "bytes_in", "bytes_out", "container",
    "outcome",
]  # fmt: skip


def arms(run: Run) -> dict[str, dict[str, Any]]:
    """The arms in the manifest's order; from the attempts where the manifest has none."""
    known: dict[str, dict[str, Any]] = dict(run.manifest.get("arms") or {})
    for arm, placement in _placements(run):
        known.setdefault(arm, {"placement": placement, "duplicate_of": None})
    return known


@once
def _placements(run: Run) -> list[tuple[str, str]]:
    """Each arm that has attempts, with its placement."""
    pairs = grouped(run.attempts, ["arm", "placement"]).keys
    return list(pairs.itertuples(index=False, name=None))


def phases(run: Run) -> list[str]:
    """The phases in the scenario's order, then any others in the order of the rows."""
    scenario = run.manifest.get("scenario") or {}
    named = [str(phase["name"]) for phase in scenario.get("phases", [])]
    found = [str(phase) for phase in run.attempts["phase"].unique() if phase != OVERHEAD]
    return list(dict.fromkeys([*named, *found]))


@once
def items(run: Run) -> pd.DataFrame:
    """The last attempt at each item outside warm-up blocks: one row an item, columns COLUMNS, `late_s` and `ok`."""
    frame = _tries(run)
    if len(frame) and frame["attempt"].max() > 1:
        frame = frame.sort_values("attempt", kind="stable").drop_duplicates([*CELL, "sequence"], keep="last")
    late_s = ((frame["sent_ns"] - frame["due_ns"]) / 1e9).astype("float32")
    return frame.assign(late_s=late_s, ok=frame["outcome"] == Outcome.OK)


@once
def validity(run: Run) -> pd.DataFrame:
    """One row a cell: block, arm, phase, the figures that decide, valid, reason: see `validity.validity_of`."""
    return validity_of(items(run), run.events, int((run.manifest.get("machine") or {}).get("cores") or 1))


@once
def valid_items(run: Run) -> pd.DataFrame:
    """`items` in valid cells."""
    return _in_valid_cells(run, items(run))


def valid_tries(run: Run) -> pd.DataFrame:
    """Every attempt at the `valid_items`: columns COLUMNS. An earlier try costs as much as the last one."""
    return _in_valid_cells(run, _tries(run))


def _tries(run: Run) -> pd.DataFrame:
    frame = run.attempts[COLUMNS]
    wanted = ~run.attempts["warmup"].to_numpy(dtype=bool) & (frame["block"].to_numpy() > NO_BLOCK)
    return _select(frame, wanted)


def _in_valid_cells(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    checked = validity(run)
    if checked["valid"].all():
        return frame
    keys = checked.loc[checked["valid"], CELL]
    index = pd.MultiIndex.from_frame(frame[CELL].astype({"arm": str, "phase": str}))
    return frame[index.isin(pd.MultiIndex.from_frame(keys))]


def usable(run: Run) -> bool:
    """Whether each phase of each arm has a cell that may be used, and there is one at all."""
    checked = validity(run)
    return len(checked) > 0 and bool(checked.groupby(["arm", "phase"])["valid"].any().all())


@once
def block_medians(run: Run) -> pd.DataFrame:
    """One row a cell outside warm-up, the unit of every comparison; figures are of ok items.

    Columns: block, arm, phase, items, ok, cold_fraction, latency_p50_s, work_cpu_s_per_item,
    throughput_items_per_s (ok items over the time from the first one due to the last one done), valid.
    """
    frame = items(run)
    every = frame.groupby(CELL, observed=True)
    done = frame.loc[frame["ok"].to_numpy(), [*CELL, "cold", "latency_s", "cpu_s", "done_ns"]]
    good = done.groupby(CELL, observed=True)
    table = every.size().rename("items").to_frame()
    table["ok"] = every["ok"].sum()
    table["cold_fraction"] = good["cold"].mean()
    table["latency_p50_s"] = good["latency_s"].median().astype("float64")
    table["work_cpu_s_per_item"] = good["cpu_s"].mean().astype("float64")
    span_s = (good["done_ns"].max() - every["due_ns"].min()) / 1e9
    table["throughput_items_per_s"] = table["ok"] / span_s.where(span_s > 0)
    table = table.reset_index().astype({"arm": str, "phase": str})
    return table.merge(validity(run)[[*CELL, "valid"]], on=CELL, how="left")


@once
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


def _select(frame: pd.DataFrame, wanted: Any) -> pd.DataFrame:
    """The wanted rows; a view where they stand together, as they do behind warm-up blocks, which come first."""
    positions = np.flatnonzero(wanted)
    if len(positions) == 0:
        return frame.iloc[:0]
    first, last = int(positions[0]), int(positions[-1]) + 1
    return frame.iloc[first:last] if last - first == len(positions) else frame.iloc[positions]
